"""The plan of a run: which results it would reuse, which steps it would compute, and why.

Nothing is written, and only quick steps are computed, in a temporary folder; raw data is read for
its digests. Reused results are checked for an intact manifest and missing files only, while a run
verifies all content.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from mlflow.entities import Run

from textmill.config import Config, TrackingConfig, flatten
from textmill.errors import InputError, RunError, listed
from textmill.files import MANIFEST, digest_folder, digest_values
from textmill.secrets import redact_values
from textmill.steps.chosen import FILE as SIZES
from textmill.steps.chosen import read_sizes, with_sizes
from textmill.steps.graph import BUDGET, GRAPH, SAMPLE, awaits_sizes
from textmill.steps.key import describe_step, key_of
from textmill.steps.parts import Part
from textmill.steps.raw_sources import Source
from textmill.tracking.artifacts import (
    OUTPUT,
    local_file,
    output_file,
    output_folder,
    read_manifest,
)
from textmill.tracking.database.connection import DATABASE
from textmill.tracking.database.opening import check_database
from textmill.tracking.raw_data import find_sources, is_generated, with_sample
from textmill.tracking.store import Store, StoreError

MAX_CANDIDATES = 30
"""Newest results of a step to compare it with."""
MAX_CHARS = 60
"""Maximum length of a value in the terminal."""

State = Literal["reused", "compute", "waits", "fails"]
SUMMARY: dict[State, str] = {
    "reused": "reused",
    "compute": "to be computed",
    "waits": "waiting for other steps",
    "fails": "unable to run",
}


@dataclass(frozen=True)
class Change:
    """One difference from an earlier result of the step; a value is None if it did not exist."""

    kind: Literal["config", "input", "source", "file", "module", "package"]
    name: str
    before: Any
    now: Any


@dataclass(frozen=True)
class PartStatus:
    """The status of one step: whether a run would reuse or compute it, and why."""

    label: str
    state: State
    run_id: str | None
    """Run of the result to reuse, or of the most similar earlier one."""
    changes: tuple[Change, ...] = ()
    """Changes since that result."""
    waits_for: tuple[str, ...] = ()
    """Inputs that must be computed before it is known whether the step can be reused."""
    problem: str | None = None
    """Why the step cannot run, or why the result with its key cannot be reused."""


def find_status(config: Config) -> list[PartStatus]:
    """Return the status of each step of a configuration, in the order of execution.

    Raises:
        RunError: the tracking store cannot be read.
    """
    return list(_StatusFinder(_open_store(config.tracking), config).parts())


def _open_store(config: TrackingConfig) -> Store | None:
    """Return the store, or None if no run has created it yet."""
    is_default = config.uri is None and "MLFLOW_TRACKING_URI" not in os.environ
    if is_default and not check_database(Path(config.home).absolute() / DATABASE):
        return None
    return Store(config)


class _StatusFinder:
    """Finds the status of steps in the order of the graph."""

    def __init__(self, store: Store | None, config: Config) -> None:
        self.store = store
        self.config = config
        self.has_all_data = config.sample is None
        """Whether all raw data exists; sample data may have to be generated first."""
        self.digests: dict[str, str] = {}
        """Digests of the results to reuse, by label."""

    def parts(self) -> Iterator[PartStatus]:
        """Yield the status of each step."""
        for part in GRAPH.parts(self.config):
            found = self.status_of(part)
            yield found
            if found.state == "reused" and part.comes_first:
                self.resolve_sample(found)
            if found.state == "reused" and part.step is BUDGET:
                self.resolve_sizes(found)

    def resolve_sample(self, sample: PartStatus) -> None:
        """Resolve `sample:` paths of the configuration in the sample data to reuse."""
        assert self.store is not None
        folder = local_file(self.store, str(sample.run_id), OUTPUT)
        if folder is None:  # downloaded, as in a run
            folder = output_folder(self.store, str(sample.run_id))
        self.config = with_sample(self.config, str(folder))
        self.has_all_data = True

    def resolve_sizes(self, budget: PartStatus) -> None:
        """Set the sizes of the configuration to those in the result to reuse."""
        assert self.store is not None
        run = self.store.client.get_run(str(budget.run_id))
        self.config = with_sizes(self.config, read_sizes(output_file(self.store, run, SIZES)))

    def status_of(self, part: Part) -> PartStatus:
        """Return the status of a part; keep the digest of a reused result for later parts."""
        if awaits_sizes(part, self.config):
            return PartStatus(part.label, "waits", None, waits_for=(BUDGET.label(),))
        inputs = GRAPH.inputs(part, self.config)
        raw = part.reads(self.config)
        waits = dict.fromkeys(label for label in inputs.values() if label not in self.digests)
        if any(map(is_generated, raw)):
            waits[SAMPLE.label()] = None
        try:
            sources = find_sources(one for one in raw if not is_generated(one))
        except (InputError, RunError) as error:
            return PartStatus(part.label, "fails", None, problem=str(error))
        known = {name: label for name, label in inputs.items() if label in self.digests}
        digests = {name: self.digests[label] for name, label in known.items()}
        digests |= {f"source:{source.name}": source.digest for source in sources}
        description = describe_step(part.step, part.configure(self.config), digests)
        problem = None
        if not waits and self.store is not None:
            run, problem = self.find(self.store, key_of(description))
            if run is not None:
                self.digests[part.label] = read_manifest(self.store, run)["digest"]
                return PartStatus(part.label, "reused", run.info.run_id)
        if part.step.is_quick and not waits and self.store is not None:
            try:
                self.digests[part.label] = _digest_of_result(part, self.config)
            except (InputError, RunError) as error:
                return PartStatus(part.label, "fails", None, problem=str(error))
        nearest, changes = self.nearest(part, description, sources)
        # If anything else changed, it is computed whatever its inputs will be.
        state: State = "waits" if waits and nearest is not None and not changes else "compute"
        run_id = None if nearest is None else nearest.info.run_id
        return PartStatus(part.label, state, run_id, changes, tuple(waits), problem)

    def find(self, store: Store, key: str) -> tuple[Run | None, str | None]:
        """Return the run with a usable result for a key, or the problem with its result."""
        problem = None
        for run in store.search(f"attributes.status='FINISHED' and tags.`textmill.key`='{key}'"):
            try:
                _check_complete(store, run)
            except StoreError:
                raise
            except RunError as error:
                problem = problem or str(error)
            else:
                return run, None
        return None, problem

    def nearest(
        self, part: Part, description: Mapping[str, Any], sources: tuple[Source, ...]
    ) -> tuple[Run | None, tuple[Change, ...]]:
        """Return the earlier result of a step with the fewest changes, and the changes."""
        if self.store is None:
            return None, ()
        condition = f"attributes.status='FINISHED' and tags.`textmill.step`='{part.step.name}'"
        if part.task is not None:
            condition += f" and tags.`textmill.task`='{part.task}'"
        best: tuple[Run | None, tuple[Change, ...]] = None, ()
        for run in self.store.search(condition, MAX_CANDIDATES):
            try:
                manifest = read_manifest(self.store, run)
            except StoreError:
                raise
            except RunError:
                continue  # a damaged manifest cannot be compared
            known = GRAPH.inputs(part, self.config)
            changes = tuple(self.changes(description, sources, manifest, known))
            if best[0] is None or len(changes) < len(best[1]):
                best = run, changes
            if not changes:
                break
        return best

    def changes(
        self,
        now: Mapping[str, Any],
        sources: tuple[Source, ...],
        then: Mapping[str, Any],
        inputs: Collection[str],
    ) -> Iterator[Change]:
        """Yield the differences of a step from an earlier result.

        Args:
            now: description of the step; inputs without digest, whose results are not known yet,
                are skipped.
            sources: its raw data.
            then: manifest of the earlier result.
            inputs: names of all its inputs.
        """
        # Through JSON, so that types equal those in the manifest.
        config = json.loads(json.dumps(now["config"]))
        yield from _differing("config", flatten(then["config"]), flatten(config))
        for name, digest in now["inputs"].items():
            before = then["inputs"].get(name, {}).get("digest")
            if not name.startswith("source:") and before != digest:
                yield Change("input", name, before, digest)
        for name in then["inputs"].keys() - inputs:
            yield Change("input", name, then["inputs"][name]["digest"], None)
        yield from self.changed_sources(sources, then["sources"])
        yield from _differing("module", then["code"], now["code"])
        yield from _differing("package", then["packages"], now["packages"])

    def changed_sources(
        self, sources: tuple[Source, ...], then: Mapping[str, Any]
    ) -> Iterator[Change]:
        """Yield the changed files; or the changed sources, if their files are not recorded."""
        assert self.store is not None
        for source in sources:
            before = then.get(source.name)
            if before is None:
                yield Change("source", source.name, None, source.digest)
                continue
            if before["digest"] == source.digest:
                continue
            files = {self.store.current_path(k): v for k, v in before.get("files", {}).items()}
            found = list(_differing("file", files, source.files))
            # If all files were moved, report the source instead of every file.
            if files.keys() & source.files.keys():
                yield from found
            else:
                yield Change("source", source.place, before["digest"], source.digest)
        if not self.has_all_data:
            return
        for name in sorted(then.keys() - {source.name for source in sources}):
            yield Change("source", name, then[name]["digest"], None)


def _digest_of_result(part: Part, config: Config) -> str:
    """Return the digest of the result of a quick step without inputs, which is computed."""
    module, _, name = part.step.function.partition(":")
    with tempfile.TemporaryDirectory() as folder:
        getattr(import_module(module), name)(part.configure(config), {}, Path(folder))
        return digest_values(digest_folder(Path(folder)))


def _check_complete(store: Store, run: Run) -> None:
    """Raise RunError if the manifest of a result is damaged, or a file is missing."""
    manifest = read_manifest(store, run)
    folder = local_file(store, run.info.run_id, OUTPUT)
    if folder is None:
        return
    for name in (MANIFEST, *manifest["files"]):
        if not (folder / name).is_file():
            raise RunError(f"{folder / name} is missing.")


def _differing(
    kind: Literal["config", "file", "module", "package"],
    then: Mapping[str, Any],
    now: Mapping[str, Any],
) -> Iterator[Change]:
    """Yield the differences; a config section that only one side has is one difference."""
    seen: set[str] = set()
    for key in sorted(then.keys() | now.keys()):
        before, after = then.get(key), now.get(key)
        # A list that is empty on one side is reported by its items on the other.
        is_empty = key not in then.keys() & now.keys() and [before, after] in (
            [[], None],
            [None, []],
        )
        if before == after or is_empty:
            continue
        name = key
        if kind == "config" and (key in then) != (key in now):
            name = _whole_section(key, then if key in now else now)
            if name != key:
                before, after = (None, "set") if key in now else ("set", None)
        if name not in seen:
            seen.add(name)
            yield Change(kind, name, before, after)


def _whole_section(key: str, others: Mapping[str, Any]) -> str:
    """Return the outermost section of a key that has no key in `others`."""
    parts = key.split(".")
    for end in range(1, len(parts)):
        section = ".".join(parts[:end])
        if section not in others and not any(k.startswith(f"{section}.") for k in others):
            return section
    return key


def as_values(parts: list[PartStatus]) -> list[dict[str, Any]]:
    """Return the status as plain values, for JSON."""
    return [redact_values(asdict(part)) for part in parts]


def as_text(parts: list[PartStatus]) -> str:
    """Return the status as text: a line per step, followed by its changes."""
    width = max((len(part.label) for part in parts), default=0)
    lines: list[str] = []
    for part in parts:
        first, *others = _reasons(part)
        lines.append(f"{part.label:{width}}  {part.state:8}  {first}".rstrip())
        lines += [f"{'':{width}}  {'':8}  {line}" for line in others]
    counts = Counter(part.state for part in parts)
    summed = ", ".join(f"{counts[state]} {SUMMARY[state]}" for state in SUMMARY if counts[state])
    return "\n".join([*lines, f"{len(parts)} steps: {summed}."])


def _reasons(part: PartStatus) -> list[str]:
    """Return the reasons for the state of a step, one per line."""
    if part.state == "reused":
        return [f"run {part.run_id}"]
    lines = [part.problem] if part.problem else []
    if part.state == "fails":
        return lines
    waits = f"waits for {listed(part.waits_for)}"
    if part.state == "waits":
        otherwise = f"; otherwise as in run {part.run_id}" if part.run_id else ""
        return [f"for {listed(part.waits_for)}{otherwise}"]
    if part.run_id is None:
        return [*lines, "no earlier result" + (f"; {waits}" if part.waits_for else "")]
    if part.changes:
        lines += [_describe(change) for change in part.changes if change.kind != "module"]
        if modules := [change.name for change in part.changes if change.kind == "module"]:
            lines.append(f"code changed: {listed(modules)}")
        lines.append(f"compared with run {part.run_id}")
    return [*lines, *([waits] if part.waits_for else [])] or [f"run {part.run_id} cannot be used"]


def _describe(change: Change) -> str:
    match change.kind:
        case "input" | "source" | "file":
            what = (
                "added" if change.before is None else "removed" if change.now is None else "changed"
            )
            return f"{change.kind} {change.name}: {what}"
        case _:
            before, now = (_shorten(value) for value in redact_values([change.before, change.now]))
            return f"{change.kind} {change.name}: was {before}, is {now}"


def _shorten(value: Any) -> str:
    if value is None:
        return "not set"
    text = str(value)
    return text if len(text) <= MAX_CHARS else f"{text[: MAX_CHARS - 1]}…"
