"""The filters of prompts and outputs of a configuration, with the models that they name."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textmill.compose import unknown_name
from textmill.config import Config, FilterConfig
from textmill.errors import InputError, RunError
from textmill.files import digest_values
from textmill.safety.filtering.content_filter import ContentFilter
from textmill.safety.filtering.word_lists import read_lines, read_list

if TYPE_CHECKING:
    from textmill.tasks.ensemble.predictor import Predictor

log = logging.getLogger("textmill.flows")


@dataclass(frozen=True)
class Filters:
    """The filters of a configuration."""

    content: ContentFilter
    digest: str
    """Of all that their decisions depend on: settings, lists of the user's own, and models."""


def content_filter(config: Config) -> ContentFilter:
    """Return the filters of a configuration, see `load_filters`."""
    return load_filters(config).content


def load_filters(config: Config) -> Filters:
    """Return the filters of a configuration, with their digest.

    Raises:
        InputError: a list cannot be used; or a model does not exist, is no classifier of single
            texts, or has no such label.
    """
    rules = config.safety.filters
    predictors: dict[str, Predictor] = {}
    runs: dict[str, str] = {}
    scorers = {}
    for rule in rules:
        if rule.model is None:
            continue
        from textmill.tasks.filtered.classifiers import scorer_of

        if rule.model not in predictors:
            runs[rule.model], predictors[rule.model] = _predictor(rule.model, config)
        scorers[rule] = scorer_of(rule, predictors[rule.model])
    content = ContentFilter(rules, scorers)
    lists = [read_lines(Path(rule.path)) for rule in rules if rule.path is not None]
    settings = [rule.model_dump(mode="json", exclude={"path"}) for rule in rules]
    return Filters(content, digest_values([settings, lists, runs]))


def write_model_filters(config: Config, out: Path) -> None:
    """Write the filters of a configuration into a folder, for a model that MLflow serves.

    A filter whose list or model cannot be used, such as a classifier that is trained later, is left
    out with a warning: a training is not lost for it.

    Raises:
        StoreError: the store failed.
    """
    from textmill.tasks.ensemble.model_folder import read_task
    from textmill.tasks.filtered.classifiers import check_classifier
    from textmill.tasks.filtered.filter_folder import write_filters
    from textmill.tracking.store import StoreError

    rules: list[FilterConfig] = []
    models: dict[str, Path] = {}
    for rule in config.safety.filters:
        try:
            if rule.path is not None:
                read_list(Path(rule.path))
            if rule.model is not None:
                _, folder = _model_folder(rule.model, config)
                task = read_task(folder)
                check_classifier(rule, task.kind, task.spec)
                models[rule.model] = folder
            rules.append(rule)
        except StoreError:
            raise
        except (InputError, RunError) as error:
            log.warning(
                "The copy of the model that MLflow serves has no filter %s. %s",
                *(rule.category, error),
            )
    write_filters(rules, models, out)


def _predictor(model: str, config: Config) -> tuple[str, Predictor]:
    """Return run and predictor of a model that a filter names."""
    from textmill.tasks.ensemble.predictor import load_predictor

    run_id, folder = _model_folder(model, config)
    return run_id, load_predictor(folder)


def _model_folder(model: str, config: Config) -> tuple[str, Path]:
    """Return run and folder of a task's champion or newest model, or of a registered model."""
    from textmill.registry.current import current_model
    from textmill.registry.lineage import run_of_model
    from textmill.steps.graph import FINETUNE
    from textmill.tracking.artifacts import output_folder
    from textmill.tracking.store import Store

    if "@" in model or "/" in model:
        store = Store(config.tracking)
        run_id = run_of_model(store, model)
        return run_id, output_folder(store, run_id)
    names = [task.name for task in config.tasks]
    if model not in names:
        raise InputError(f"safety.filters: {unknown_name('task', model, names)}")
    current = current_model(config, FINETUNE, model)
    return current.run_id, current.folder


class FilteredRows:
    """Counts the rows in which filters found something."""

    def __init__(self) -> None:
        self.found: dict[str, int] = {}
        """Numbers of rows by category, action and side."""

    def add(self, decisions: Iterable[Mapping[str, Any]]) -> None:
        """Count a row, given the decisions about it."""
        for name in dict.fromkeys("{category} ({action}, {side})".format(**d) for d in decisions):
            self.found[name] = self.found.get(name, 0) + 1

    def report(self, notify: Callable[[str], None]) -> None:
        """Show the numbers."""
        if self.found:
            counts = ", ".join(f"{name} {n:,}" for name, n in sorted(self.found.items()))
            notify(f"Filtered rows: {counts}.")
