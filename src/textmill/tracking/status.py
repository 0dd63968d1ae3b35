"""What a run would do: which results it would reuse, which steps it would compute, and why.

Nothing is computed and nothing is written; raw data are read for their digests. Of a result that
would be reused, the manifest is checked and that no file is missing; a run checks every byte.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from mlflow.entities import Run

from textmill.config import Config, TrackingConfig, flatten
from textmill.errors import InputError, RunError, listed
from textmill.files import MANIFEST
from textmill.secrets import redact_values
from textmill.steps.graph import GRAPH, SAMPLE
from textmill.steps.key import describe_step, key_of
from textmill.steps.parts import Part
from textmill.steps.raw_sources import Source
from textmill.tracking.artifacts import OUTPUT, local_file, output_folder, read_manifest
from textmill.tracking.database.connection import DATABASE
from textmill.tracking.database.opening import check_database
from textmill.tracking.raw_data import find_sources, is_generated, with_sample
from textmill.tracking.store import Store, StoreError

MAX_CANDIDATES = 30
"""Newest results of a step among which the nearest is looked for."""
MAX_CHARS = 60
"""Of a value that is shown in the terminal."""

State = Literal["reused", "compute", "waits", "fails"]
SUMMARY: dict[State, str] = {
    "reused": "reused",
    "compute": "to be computed",
    "waits": "waiting for what is to be computed",
    "fails": "that cannot run",
}


@dataclass(frozen=True)
class Change:
    """One thing that differs from an earlier result of the step; None where there is none."""

    kind: Literal["config", "input", "source", "file", "module", "package"]
    name: str
    before: Any
    now: Any


@dataclass(frozen=True)
class PartStatus:
    """What a run would do about one step."""

    label: str
    state: State
    run_id: str | None
    """Of the result that would be reused, or else of the nearest earlier one."""
    changes: tuple[Change, ...] = ()
    """Since that result."""
    waits_for: tuple[str, ...] = ()
    """Inputs that are still to be computed: only then it is known whether the step is."""
    problem: str | None = None
    """Why it cannot run, or why the result with its key cannot be used."""


def find_status(config: Config) -> list[PartStatus]:
    """Return what a run of a configuration would do, step by step in the order of the work.

    Raises:
        RunError: the tracking store cannot be read.
    """
    return list(_Look(_open_store(config.tracking), config).parts())


def _open_store(config: TrackingConfig) -> Store | None:
    """Return the store, or None where the first run has still to make it."""
    is_default = config.uri is None and "MLFLOW_TRACKING_URI" not in os.environ
    if is_default and not check_database(Path(config.home).absolute() / DATABASE):
        return None
    return Store(config)


class _Look:
    """Follows the graph through a store."""

    def __init__(self, store: Store | None, config: Config) -> None:
        self.store = store
        self.config = config
        self.is_placed = config.sample is None
        """Whether all raw data can be read; sample data may have to be generated first."""
        self.digests: dict[str, str] = {}
        """Of the results that would be reused, by label."""

    def parts(self) -> Iterator[PartStatus]:
        """Yield what a run would do, step by step."""
        for part in GRAPH.parts(self.config):
            found = self.look(part)
            yield found
            if found.state == "reused" and part.comes_first:
                self.place_sample(found)

    def place_sample(self, sample: PartStatus) -> None:
        """Read what is in the sample data from the result that would be reused."""
        assert self.store is not None
        folder = local_file(self.store, str(sample.run_id), OUTPUT)
        if folder is None:  # it is fetched, as a run would do
            folder = output_folder(self.store, str(sample.run_id))
        self.config = with_sample(self.config, str(folder))
        self.is_placed = True

    def look(self, part: Part) -> PartStatus:
        """Return what a run would do about one part, and remember what it gives to later ones."""
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
        nearest, changes = self.nearest(part, description, sources)
        # With something else changed it is computed whatever its inputs come to.
        state: State = "waits" if waits and nearest is not None and not changes else "compute"
        run_id = None if nearest is None else nearest.info.run_id
        return PartStatus(part.label, state, run_id, changes, tuple(waits), problem)

    def find(self, store: Store, key: str) -> tuple[Run | None, str | None]:
        """Return the run with a key whose result can be used, or why there is none."""
        problem = None
        for run in store.search(f"attributes.status='FINISHED' and tags.`textmill.key`='{key}'"):
            try:
                _check_whole(store, run)
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
        """Return the earlier result of a step that differs least, and in what."""
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
                continue  # what is damaged is nothing to compare with
            changes = tuple(self.changes(description, sources, manifest))
            if best[0] is None or len(changes) < len(best[1]):
                best = run, changes
            if not changes:
                break
        return best

    def changes(
        self, now: Mapping[str, Any], sources: tuple[Source, ...], then: Mapping[str, Any]
    ) -> Iterator[Change]:
        """Yield how a step differs from an earlier result, as far as its inputs are known."""
        # As JSON has it, and the manifest.
        config = json.loads(json.dumps(now["config"]))
        yield from _differing("config", flatten(then["config"]), flatten(config))
        for name, digest in now["inputs"].items():
            before = then["inputs"].get(name, {}).get("digest")
            if not name.startswith("source:") and before != digest:
                yield Change("input", name, before, digest)
        yield from self.changed_sources(sources, then["sources"])
        yield from _differing("module", then["code"], now["code"])
        yield from _differing("package", then["packages"], now["packages"])

    def changed_sources(
        self, sources: tuple[Source, ...], then: Mapping[str, Any]
    ) -> Iterator[Change]:
        """Yield the files that differ, or the sources, of which single files are not known."""
        assert self.store is not None
        for source in sources:
            before = then.get(source.name)
            if before is None:
                yield Change("source", source.name, None, source.digest)
                continue
            if before["digest"] == source.digest:
                continue
            files = {self.store.present_place(k): v for k, v in before.get("files", {}).items()}
            found = list(_differing("file", files, source.files))
            # Files that all lie elsewhere now say less than their source.
            if files.keys() & source.files.keys():
                yield from found
            else:
                yield Change("source", source.place, before["digest"], source.digest)
        gone = sorted(then.keys() - {source.name for source in sources}) if self.is_placed else ()
        for name in gone:
            yield Change("source", name, then[name]["digest"], None)


def _check_whole(store: Store, run: Run) -> None:
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
    """Yield what differs; of settings, a section that only one side has counts once."""
    seen: set[str] = set()
    for key in sorted(then.keys() | now.keys()):
        before, after = then.get(key), now.get(key)
        # An empty list has no sections, which stand for themselves on the other side.
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
    """Return the largest section around a key of which the others have nothing."""
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
    """Return the status as lines: one for each step, and below it what has changed."""
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
    """Return why a step is in its state, a line for each reason."""
    if part.state == "reused":
        return [f"run {part.run_id}"]
    lines = [part.problem] if part.problem else []
    if part.state == "fails":
        return lines
    waits = f"waits for {listed(part.waits_for)}"
    if part.state == "waits":
        return [f"for {listed(part.waits_for)}; all else is as in run {part.run_id}"]
    if part.run_id is None:
        return [*lines, "no earlier result" + (f"; {waits}" if part.waits_for else "")]
    if part.changes:
        lines += [_words(change) for change in part.changes if change.kind != "module"]
        if modules := [change.name for change in part.changes if change.kind == "module"]:
            lines.append(f"code changed: {listed(modules)}")
        lines.append(f"compared with run {part.run_id}")
    return [*lines, *([waits] if part.waits_for else [])] or [f"run {part.run_id} cannot be used"]


def _words(change: Change) -> str:
    """Return one change in words."""
    match change.kind:
        case "input":
            return f"input {change.name}: another result"
        case "source" | "file":
            what = "new" if change.before is None else "gone" if change.now is None else "changed"
            return f"{change.kind} {change.name}: {what}"
        case _:
            before, now = (_short(value) for value in redact_values([change.before, change.now]))
            return f"{change.kind} {change.name}: was {before}, is {now}"


def _short(value: Any) -> str:
    if value is None:
        return "not set"
    text = str(value)
    return text if len(text) <= MAX_CHARS else f"{text[: MAX_CHARS - 1]}…"
