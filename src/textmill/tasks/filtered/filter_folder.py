"""Content filters in a folder that travels with a model, without paths of this machine."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from textmill.config import FilterConfig
from textmill.errors import InputError, RunError
from textmill.files import read_json, write_json
from textmill.safety.filtering.content_filter import ContentFilter
from textmill.safety.filtering.word_lists import read_lines
from textmill.tasks.ensemble.predictor import load_predictor
from textmill.tasks.filtered.classifiers import scorer_of

FILE = "filters.json"


def write_filters(rules: Iterable[FilterConfig], models: Mapping[str, Path], out: Path) -> None:
    """Write filters to a folder, with their lists and classifiers.

    Args:
        rules: the filters.
        models: the folders of the models that they name.
        out: an empty folder.

    Raises:
        InputError: a list cannot be read.
    """
    names: dict[str, str] = {}
    for number, (name, folder) in enumerate(models.items(), 1):
        names[name] = f"model-{number}"
        shutil.copytree(folder, out / names[name])
    entries = []
    for rule in rules:
        lines = () if rule.path is None else read_lines(Path(rule.path))
        entry = rule.model_dump(mode="json") | {"path": None, "patterns": [*rule.patterns, *lines]}
        entries.append(entry | {"model": None if rule.model is None else names[rule.model]})
    write_json(out / FILE, entries)


def read_filters(folder: Path) -> ContentFilter:
    """Return the filters in a folder.

    Raises:
        InputError: they are damaged.
    """
    try:
        rules = TypeAdapter(tuple[FilterConfig, ...]).validate_python(read_json(folder / FILE))
    except (OSError, RunError, ValidationError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{folder / FILE} is damaged ({reason}): log the model again.") from None
    names = {rule.model for rule in rules if rule.model is not None}
    predictors = {name: load_predictor(folder / name) for name in names}
    scorers = {
        rule: scorer_of(rule, predictors[rule.model]) for rule in rules if rule.model is not None
    }
    return ContentFilter(rules, scorers)
