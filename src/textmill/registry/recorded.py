"""A finished pipeline run as recorded in MLflow, and what prevents its reproduction here."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlflow.entities import Run

from textmill import hardware
from textmill.compose import restore_config
from textmill.config import Config
from textmill.corpus.reading.sources import digest_source
from textmill.errors import InputError, RunError, listed
from textmill.files import digest_file
from textmill.locations import SAMPLE, TEST_FILES
from textmill.steps.chosen import FILE as SIZES
from textmill.steps.chosen import read_sizes, with_sizes
from textmill.steps.graph import BUDGET, CLEAN, DRIFT, GRAPH, MEASURE
from textmill.steps.raw_sources import INIT_FROM
from textmill.steps.step import Code, code_of
from textmill.tasks.rows import digest_split
from textmill.tracking.artifacts import (
    output_file,
    read_config,
    read_manifest,
    read_output_json,
)
from textmill.tracking.environment import recorded_machine
from textmill.tracking.experiment import PIPELINE_TAG
from textmill.tracking.lookup import find_run, read_runs
from textmill.tracking.raw_data import digest_test_file
from textmill.tracking.results import recorded_results
from textmill.tracking.store import Store
from textmill.tracking.tags import THREADS_TAG
from textmill.tracking.user_code import recorded_extensions

COMMIT_TAG = "mlflow.source.git.commit"
SAME_MACHINE = ("processor", "gpus")
"""Properties that define the type of a machine; results on another type may round differently."""
CHOOSING = (MEASURE.label(), BUDGET.label())
"""Steps that choose sizes for a budget, which a reproduction does not repeat."""
DIGEST_CHARS = 12
FIX_DATA = "Restore the data, or give its new folder: --moved OLD=NEW"
COMMIT = "[0-9a-f]{40}"


@dataclass(frozen=True)
class RecordedStep:
    """The result of one step of a recorded run."""

    label: str
    run: Run
    manifest: Mapping[str, Any]
    metrics: Mapping[str, float]

    @property
    def threads(self) -> int | None:
        """Number of CPU threads that it was computed with."""
        threads = self.run.data.tags.get(THREADS_TAG)
        return int(threads) if threads else None


@dataclass(frozen=True)
class Recorded:
    """A finished pipeline run."""

    run: Run
    config: Config
    steps: Mapping[str, RecordedStep]
    """By label, in execution order, without those that chose the sizes."""

    @property
    def run_id(self) -> str:
        """The id of the parent run."""
        return str(self.run.info.run_id)

    @property
    def commit(self) -> str | None:
        """The commit of its code, with "+changes" if there were uncommitted changes."""
        return self.run.data.tags.get(COMMIT_TAG)


def load_recorded(
    store: Store,
    words: str,
    instead: Mapping[str, Any] | None = None,
    use_recorded_extensions: bool = False,
) -> Recorded:
    """Return a pipeline run with the records of its steps.

    Args:
        store: the store of the run.
        words: id, beginning of an id, or name of the run.
        instead: sections that replace those of its configuration.
        use_recorded_extensions: load extensions that are missing or have changed since from the
            code that the run recorded.

    Raises:
        InputError: there is no such run, it did not finish, it measured drift, or its configuration
            is invalid in this version of textmill, refers to an unset environment variable, or to
            extensions that are missing or have changed.
        RunError: records are missing.
    """
    run = find_run(store, words)
    run_id, name = run.info.run_id, run.info.run_name
    if run.info.status != "FINISHED":
        raise InputError(
            f"The run {name} ({run_id}) did not finish: its status is {run.info.status}. Use a "
            "finished one."
        )
    if run.data.tags.get(PIPELINE_TAG) == DRIFT.name:
        raise InputError(
            f"The run {name} ({run_id}) measured the drift of new text and has no model: use the "
            "run of a pipeline."
        )
    values = read_config(store, run)
    entries = values.get("extensions") or ()
    values["extensions"] = recorded_extensions(store, run, entries, use_recorded_extensions)
    try:
        config = restore_config(values, f"of {name}, as it was recorded,", instead)
    except InputError as error:
        raise InputError(f"{error}\nUse the code of that run: {_checkout(run)}.") from None
    ids = recorded_results(run)
    found = read_runs(store, ids.values())
    runs = {label: found[made] for label, made in ids.items()}
    # Not by time: a reused result may be older than its inputs.
    ordered = GRAPH.in_order(runs, [task.name for task in config.tasks])
    steps = {label: _read_step(store, label, runs[label]) for label in ordered}
    if BUDGET.label() in steps:
        file = output_file(store, steps[BUDGET.label()].run, SIZES)
        config = with_sizes(config, read_sizes(file))
        # A measurement is never repeated exactly: the sizes are taken as they were chosen.
        steps = {label: step for label, step in steps.items() if label not in CHOOSING}
    return Recorded(run, _with_fixed_revisions(config, steps), steps)


def _read_step(store: Store, label: str, run: Run) -> RecordedStep:
    manifest = read_manifest(store, run)
    for source in manifest["sources"].values():  # some lie in the store, which may have moved
        source["place"] = store.current_path(source["place"])
        source["files"] = {store.current_path(k): v for k, v in source["files"].items()}
    metrics: dict[str, float] = {}
    if "metrics.json" in manifest["files"]:
        metrics = read_output_json(store, run, "metrics.json")
    return RecordedStep(label, run, manifest, metrics)


def with_moved_data(config: Config, old: str, new: str) -> Config:
    """Return the configuration with data paths below one folder moved to another.

    Raises:
        InputError: it has no data there.
    """
    old, new = old.rstrip("/"), new.rstrip("/")
    n_moved = 0

    def move(value: Any) -> Any:
        nonlocal n_moved
        if isinstance(value, dict):
            return {key: move(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [move(item) for item in value]
        if isinstance(value, str) and (value == old or value.startswith(f"{old}/")):
            n_moved += 1
            return f"{new}{value.removeprefix(old)}"
        return value

    values = config.model_dump()
    parts = {key: move(values[key]) for key in ("corpus", "tasks", "data_root")}
    if not n_moved:
        raise InputError(
            f"--moved {old}={new}: the recorded configuration has no data in {old}: correct OLD."
        )
    return Config.model_validate(values | parts)


def _with_fixed_revisions(config: Config, steps: Mapping[str, RecordedStep]) -> Config:
    """Return the configuration with hub datasets pinned to the recorded commits."""
    read = {
        name: source["digest"].rpartition("@")[2]
        for step in steps.values()
        for name, source in step.manifest["sources"].items()
    }

    def fix(part: Any, name: str) -> Any:
        commit = read.get(name, "")
        if part.hub is None or part.revision is not None or not re.fullmatch(COMMIT, commit):
            return part
        return part.model_copy(update={"revision": commit})

    sources = tuple(fix(source, source.name) for source in config.corpus.sources)
    tasks = tuple(fix(task, f"{task.name}/train") for task in config.tasks)
    corpus = config.corpus.model_copy(update={"sources": sources})
    return config.model_copy(update={"corpus": corpus, "tasks": tasks})


def problems(recorded: Recorded) -> list[str]:
    """Return the differences from the run's data, code, packages and devices, with their fixes.

    Nothing is computed. Packages that no step imports are omitted: they are not part of any key.
    """
    return [
        *_data_problems(recorded),
        *_code_problems(recorded),
        *_package_problems(recorded),
        *_device_problems(recorded.config),
    ]


def _data_problems(recorded: Recorded) -> Iterator[str]:
    sources = {source.name: source for source in recorded.config.corpus.sources}
    tasks = {task.name: task for task in recorded.config.tasks}
    checked: set[str] = set()
    for step in recorded.steps.values():
        for name, source in step.manifest["sources"].items():
            if name == INIT_FROM:
                yield from _folder_problems(source["files"])
                continue
            task, _, setting = name.rpartition("/")
            is_corpus = step.label == CLEAN.name and name in sources
            place = sources[name].path if is_corpus else getattr(tasks[task], setting)
            if (place or "").startswith(SAMPLE) or name in checked:
                continue
            checked.add(name)
            try:
                if is_corpus:
                    digest = digest_source(sources[name])
                elif setting in TEST_FILES:
                    digest = digest_test_file(tasks[task], setting)
                else:
                    digest = digest_split(tasks[task], setting)
            except InputError:
                yield f"data: {name} ({place}) is missing. {FIX_DATA}"
                continue
            except RunError as error:
                yield f"data: {error}"
                continue
            if digest != source["digest"]:
                yield (
                    f"data: {name} ({place}) has changed: its digest was "
                    f"{source['digest'][:DIGEST_CHARS]} and is {digest[:DIGEST_CHARS]}. {FIX_DATA}"
                )


def _folder_problems(files: Mapping[str, str]) -> Iterator[str]:
    for path, digest in files.items():
        if not Path(path).is_file() or digest_file(Path(path)) != digest:
            yield f"data: the initial file {path} is missing or has changed. {FIX_DATA}"


def _code_problems(recorded: Recorded) -> Iterator[str]:
    changed: dict[str, list[str]] = defaultdict(list)
    for step in recorded.steps.values():
        then, now = step.manifest["code"], _code_now(step.manifest).modules
        for module in sorted(then.keys() | now.keys()):
            if then.get(module) != now.get(module):
                changed[module].append(step.label)
    if changed:
        named = listed(f"{name} ({listed(steps)})" for name, steps in changed.items())
        yield f"code: changed in {named}. {_checkout(recorded.run)}"


def _code_now(manifest: Mapping[str, Any]) -> Code:
    return code_of(GRAPH.steps[manifest["step"]], manifest["config"])


def _checkout(run: Run) -> str:
    """Return the command that restores a run's code, as far as it was recorded."""
    commit, plus, _ = run.data.tags.get(COMMIT_TAG, "").partition("+")
    if not commit:
        return "its commit was not recorded: install the version of textmill that it used"
    changes = ", and its uncommitted changes" if plus else ""
    return f"git checkout {commit}{changes}"


def _package_problems(recorded: Recorded) -> Iterator[str]:
    then: dict[str, str] = {}
    now: dict[str, str] = {}
    for step in recorded.steps.values():
        then |= step.manifest["packages"]
        now |= _code_now(step.manifest).packages
    python = then.pop("python")
    if python != now.pop("python", None):
        yield f"packages: Python is {hardware.describe()['python']}, was {python}. Use that version"
    others = {name: version for name, version in then.items() if now.get(name) != version}
    if others:
        named = listed(
            f"{name} is {now.get(name, 'not installed')}, was {version}"
            for name, version in others.items()
        )
        wanted = " ".join(f"{name}=={version}" for name, version in others.items())
        yield f"packages: {named}. pip install {wanted}"


def _device_problems(config: Config) -> Iterator[str]:
    settings = [config.pretrain, *(task.finetune for task in config.tasks)]
    if any(s.accelerator == "cuda" for s in settings) and hardware.best_accelerator() != "cuda":
        yield "device: it was trained on a CUDA GPU, and there is none. Use a machine with a GPU"


def with_available_devices(config: Config) -> Config:
    """Return the configuration with training on the CPU if there is no CUDA GPU."""
    if hardware.best_accelerator() == "cuda":
        return config

    def here(settings: Any) -> Any:
        return settings.model_copy(update={"accelerator": "cpu"})

    tasks = tuple(t.model_copy(update={"finetune": here(t.finetune)}) for t in config.tasks)
    return config.model_copy(
        update={
            "pretrain": here(config.pretrain),
            "finetune": here(config.finetune),
            "tasks": tasks,
        }
    )


def machine_differences(recorded: Recorded) -> dict[str, tuple[str, str]]:
    """Return the differences in machine type by property: the recorded and the current value."""
    here = hardware.describe()
    return {
        name: (there[name], here[name])
        for there in map(recorded_machine, (step.run for step in recorded.steps.values()))
        for name in SAME_MACHINE
        if there.get(name, here[name]) != here[name]
    }
