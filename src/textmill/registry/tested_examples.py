"""The examples that the model of a task was tested on, as its runs recorded them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from textmill.config import Config, TaskConfig, settings_of
from textmill.errors import InputError, RunError
from textmill.registry.lineage import newest_reader
from textmill.steps.graph import EVALUATE
from textmill.tasks.annotation.saved_labels import SAVED_LABELS
from textmill.tasks.rows import digest_split
from textmill.tracking.artifacts import read_manifest
from textmill.tracking.store import Store


def evaluated_task(store: Store, run_id: str, config: Config) -> TaskConfig:
    """Return the task of a model with its recorded settings, and the location of its test examples.

    They are where they were when the model was trained or evaluated, or where the configuration has
    them now, with the same content. If the runs recorded no test examples, those of the
    configuration are its own if the training examples there are.

    Args:
        store: the store of the run.
        run_id: of the fine-tuning.
        config: a configuration that may have the task, without `sample:` paths.

    Raises:
        InputError: there are no such examples; the message is a clause that says why.
        RunError: a record is missing or damaged.
    """
    run = store.client.get_run(run_id)
    manifest = read_manifest(store, run)
    recorded, sources = manifest["config"], manifest["sources"]
    if (evaluated := newest_reader(store, run, EVALUATE)) is not None:
        sources = sources | read_manifest(store, evaluated)["sources"]
    name, kind = str(run.data.tags["textmill.task"]), recorded["kind"]
    places = {
        setting: source | {"place": store.current_path(source["place"])}
        for setting, source in ((key.partition("/")[2], one) for key, one in sources.items())
        if setting != SAVED_LABELS
    }
    current = next((task for task in config.tasks if (task.name, task.kind) == (name, kind)), None)
    test = {key: source for key, source in places.items() if source["context"] == "test"}
    if test:
        for task in _candidates(recorded, test, current):
            if _are_equal(task, test):
                return task
        where = " and ".join(source["place"] for source in test.values())
        raise InputError(
            f"the test examples of its evaluation are not in {where} any more, nor where the "
            "configuration has them"
        )
    train = {key: source for key, source in places.items() if source["context"] == "train"}
    if current is None or not train or not _are_equal(current, train):
        raise InputError(
            f"its run recorded none, and the configuration has no task {name} of the kind {kind} "
            "with its training examples"
        )
    return _with_settings(recorded, _location(current))


def _candidates(
    recorded: Mapping[str, Any], test: Mapping[str, Any], current: TaskConfig | None
) -> Iterator[TaskConfig]:
    """Yield the task as it was recorded, with its recorded location, and that of the present."""
    then = {setting: source["place"] for setting, source in test.items()}
    train = {setting.replace("test", "train"): place for setting, place in then.items()}
    yield _with_settings(recorded, train | then)
    if current is not None:
        yield _with_settings(recorded, _location(current))


def _location(task: TaskConfig) -> dict[str, Any]:
    """Return the settings that say where the examples of a task are, and are no part of keys."""
    names = {"hub", "follow_links", *task.settings_of("train"), *task.settings_of("test")}
    return task.model_dump(include=names)


def _with_settings(recorded: Mapping[str, Any], values: Mapping[str, Any]) -> TaskConfig:
    """Return the values of a task with the recorded settings, which have no locations."""
    try:
        return settings_of(recorded["kind"]).model_validate({**values, **recorded})
    except ValidationError as error:
        setting = ".".join(map(str, error.errors()[0]["loc"]))
        raise InputError(
            f"its recorded settings are invalid in this version ({setting}: "
            f"{error.errors()[0]['msg']})"
        ) from None


def _are_equal(task: TaskConfig, sources: Mapping[str, Any]) -> bool:
    """Return whether the data of a task have the recorded content."""
    try:
        return all(digest_split(task, key) == source["digest"] for key, source in sources.items())
    except (InputError, RunError):
        return False
