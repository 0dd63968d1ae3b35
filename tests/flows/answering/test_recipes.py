"""Specifies recipes of prompts."""

from __future__ import annotations

from pathlib import Path

import pytest

import textmill_conf
from textmill.compose import compose
from textmill.errors import InputError
from textmill_flows.answering.recipes import TOPIC, apply_recipe, read_recipe

SHIPPED = sorted(Path(textmill_conf.__file__).resolve().parent.glob("recipe/*.yaml"))


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_the_topic_goes_into_a_shipped_recipe_and_its_stop_strings_end_the_text(file: Path) -> None:
    recipe = read_recipe(file.stem)
    config = compose("demo", ["generation.stop=[END]"])
    prompt, applied = apply_recipe(file.stem, " Rain {0} ", config)
    assert prompt == recipe.prompt.replace(TOPIC, "Rain {0}")
    assert applied.generation.stop == ("END", *recipe.stop)
    assert not any(stop in prompt for stop in recipe.stop)
    assert prompt == prompt.rstrip(" ")  # a token of its own, which texts do not have


def test_a_recipe_may_be_a_file(tmp_path: Path) -> None:
    file = tmp_path / "poem.yaml"
    file.write_text('prompt: "Ode to {topic}\\n"')
    prompt, _ = apply_recipe(str(file), "rain", compose("demo", []))
    assert prompt == "Ode to rain\n"


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("prompt: Ode", "prompt String should match pattern"),
        ("stop: [a]", "prompt Field required"),
        ("prompt: '{topic}'\nstops: []", "stops Extra inputs are not permitted"),
        ("[", "is not a recipe"),
        (f"prompt: '{{topic}}'\nstop: {['x'] * 17}", "stop Tuple should have at most 16 items"),
        ("prompt: '{topic}'\nstop: ['']", "stop.0 String should have at least 1 character"),
    ],
)
def test_a_file_that_is_no_recipe_is_named(tmp_path: Path, content: str, named: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(content)
    with pytest.raises(InputError, match=f"mine.yaml is not a recipe.*{named}|{named}"):
        read_recipe(str(file))


def test_stop_strings_that_are_too_many_with_those_of_the_configuration_are_refused() -> None:
    ends = ",".join(f"end{number}" for number in range(16))
    config = compose("demo", [f"generation.stop=[{ends}]"])
    with pytest.raises(InputError, match="of the recipe mail: .* at most 16 items.* not "):
        apply_recipe("mail", "rain", config)


def test_an_unknown_recipe_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="There is no recipe 'new'; did you mean 'news'.*article"):
        read_recipe("new")
    with pytest.raises(InputError, match="here is no recipe"):
        read_recipe(str(tmp_path / "none.yaml"))
