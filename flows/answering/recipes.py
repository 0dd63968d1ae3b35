"""Recipes of prompts: texts of a kind, of which a model writes the rest."""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import Field, ValidationError

import textmill_conf
from textmill.compose import unknown_name
from textmill.config import Config, GenerationConfig, Settings, StopStrings
from textmill.errors import InputError

TOPIC = "{topic}"
FOLDER = "recipe"
YAML_SUFFIXES = (".yaml", ".yml")


class Recipe(Settings):
    """A prompt with a slot for the topic: a file of conf/recipe/, or a file of your own."""

    prompt: str = Field(pattern=r"\{topic\}")
    """The beginning of the text, with {topic} where the topic goes."""
    stop: StopStrings = ()
    """Strings before which the text ends, besides those of `generation.stop`."""


def apply_recipe(name: str, topic: str, config: Config) -> tuple[str, Config]:
    """Return the prompt of a recipe about a topic, and the configuration with its stop strings.

    Args:
        name: of a file in conf/recipe/, or the path of a YAML file.
        topic: what the text is about.
        config: the configuration.

    Raises:
        InputError: there is no such recipe, it is invalid, or has too many stop strings with those
            of the configuration.
    """
    recipe = read_recipe(name)
    stop = tuple(dict.fromkeys((*config.generation.stop, *recipe.stop)))
    try:
        generation = GenerationConfig.model_validate(
            config.generation.model_dump() | {"stop": stop}
        )
    except ValidationError as error:
        raise InputError(
            f"generation.stop with that of the recipe {name}: {error.errors()[0]['msg']}."
        ) from None
    prompt = recipe.prompt.replace(TOPIC, topic.strip())
    return prompt, config.model_copy(update={"generation": generation})


def read_recipe(name: str) -> Recipe:
    """Return a recipe by its name in conf/recipe/, or the path of its file.

    Raises:
        InputError: there is no such recipe, or it is invalid.
    """
    folder = Path(textmill_conf.__file__).resolve().parent / FOLDER
    file = Path(name) if name.endswith(YAML_SUFFIXES) else folder / f"{name}.yaml"
    try:
        return Recipe.model_validate(yaml.safe_load(file.read_text("utf-8-sig")))
    except FileNotFoundError:
        names = sorted(known.stem for known in folder.glob("*.yaml"))
        raise InputError(unknown_name("recipe", name, names).capitalize()) from None
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}.") from None
    except (ValidationError, yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"{file} is not a recipe ({reason}): write prompt: a text with {TOPIC} in it, and "
            "stop: a list of strings."
        ) from None
