"""Lineage: the sources of a result (backward), and the results of a source file (forward).

Backward: from a run or a model through the manifests of its dependencies. Forward: from a file
through the dataset digests that MLflow records for each run, so that few manifests are read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from mlflow.entities import DatasetInput, Run
from mlflow.exceptions import MlflowException

from textmill.corpus.cleaning.summary import CHANGES, REJECTED
from textmill.errors import InputError
from textmill.files import digest_file
from textmill.registry.corpus_search import find_documents
from textmill.steps.graph import CLEAN, GRAPH, TASK_TEXTS
from textmill.steps.raw_sources import is_in_corpus
from textmill.steps.step import Step
from textmill.tracking.artifacts import read_manifest
from textmill.tracking.environment import recorded_machine
from textmill.tracking.lookup import find_run
from textmill.tracking.results import recorded_results
from textmill.tracking.store import MAX_RUNS, Store, StoreError
from textmill.tracking.tags import DIGEST_TAG, KIND_TAG, PLACES_TAG, STEP_TAG

DATASET_DIGEST_CHARS = 36
"""Length of the dataset digests in MLflow, which are prefixes of ours."""
FILTERED = re.compile(rf"documents_(read|kept)|({'|'.join((REJECTED, *CHANGES))})\w+")
MISSING = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")  # for an id, for an alias
DIGESTS_PER_QUERY = 100
DOCUMENT_ID = "[0-9a-f]{32}"  # run ids have the same format
UNSEARCHED = "Not searched: "
MAKES_MODELS = {name for name, step in GRAPH.steps.items() if step.is_training}


@dataclass(frozen=True)
class ReadData:
    """Raw data that a step read."""

    name: str
    place: str
    digest: str


@dataclass(frozen=True)
class Node:
    """A step's run with its inputs, sources, code and environment."""

    run_id: str
    label: str
    step: str
    key: str
    digest: str
    inputs: Mapping[str, str]
    """Run ids of the steps whose output it read, by input name."""
    sources: tuple[ReadData, ...]
    settings: Mapping[str, str]
    filtered: Mapping[str, int]
    """For a corpus: documents read, kept and dropped, and changes to them."""
    models: tuple[str, ...]
    """Ids of its logged models."""
    commit: str
    machine: str
    prefect_flow_run: str
    packages: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Lineage:
    """A graph of steps with its roots."""

    asked: str
    is_forward: bool
    roots: tuple[str, ...]
    """Run ids: backward, of the requested results; forward, of the steps that read the file."""
    nodes: Mapping[str, Node]
    """All steps of the graph, by run id."""
    documents: Mapping[str, list[str]] = field(default_factory=dict)
    """Forward from documents: those that each root has read."""
    unsearched: tuple[str, ...] = ()
    """Data that could not be searched for such documents."""

    def children_of(self, run_id: str) -> dict[str, str]:
        """Return the child runs in the tree: inputs (backward) or dependents (forward)."""
        if not self.is_forward:
            return {name: i for name, i in self.nodes[run_id].inputs.items() if i in self.nodes}
        return {
            other.run_id: other.run_id
            for other in self.nodes.values()
            if run_id in other.inputs.values()
        }

    def models(self) -> list[Node]:
        """Return the steps of the graph whose output is a model."""
        return [node for node in self.nodes.values() if node.step in MAKES_MODELS]


def trace(store: Store, words: str) -> Lineage:
    """Return the lineage of a result, file or document.

    Args:
        store: the store to search.
        words: backward, a pipeline's or step's run (see `find_run`) or a model (`m-…`,
            `models:/name/version`, `models:/name@alias`); forward, a file, the SHA-256 of one,
            the id of a hub dataset, or the id of a document in a corpus.

    Raises:
        InputError: there is no such item, or no step has read it.
        RunError: records are missing.
    """
    if words.startswith("m-") or words.startswith("models:"):
        return _backward(store, words, [run_of_model(store, words)])
    if re.fullmatch("[0-9a-f]{64}", words) or Path(words).is_file() or "/" in words:
        return _from_file(store, words)
    if re.fullmatch(DOCUMENT_ID, words) and not store.search(f"attributes.run_id = '{words}'"):
        return _from_documents(store, words, is_id=True)
    run = find_run(store, words, ("pipeline", "step"))
    if run.data.tags[KIND_TAG] == "step":
        return _backward(store, words, [run.info.run_id])
    return _backward(store, words, recorded_results(run).values())


def trace_text(store: Store, words: str) -> Lineage:
    """Return the forward lineage of the documents and labelled examples that contain a text.

    Raises:
        InputError: no finished step has read any.
        RunError: records are missing.
    """
    if not words.strip():
        raise InputError("The text to search for is empty: give text that occurs in documents.")
    return _from_documents(store, words, is_id=False)


def run_of_model(store: Store, words: str) -> str:
    """Return the id of the run that a model was logged from.

    Args:
        store: the store to search.
        words: `m-ID`, or `NAME/VERSION` or `NAME@ALIAS`, with or without the prefix `models:/`.

    Raises:
        InputError: there is no such model.
    """
    name = words.removeprefix("models:/")
    try:
        if name.startswith("m-"):
            return str(store.client.get_logged_model(name).source_run_id)
        if match := re.fullmatch(r"([^/@]+)@([^/@]+)", name):
            return str(store.client.get_model_version_by_alias(*match.groups()).run_id)
        if match := re.fullmatch(r"([^/@]+)/(\d+)", name):
            return str(store.client.get_model_version(*match.groups()).run_id)
    except StoreError as error:
        cause = error.__cause__
        if isinstance(cause, MlflowException) and cause.error_code in MISSING:
            raise InputError(
                f"There is no model {words!r} in {store.uri}: check name and version."
            ) from None
        raise
    raise InputError(
        f"{words!r} is not a model: write m-ID, models:/NAME/VERSION or models:/NAME@ALIAS."
    )


def _backward(store: Store, asked: str, results: Iterable[str]) -> Lineage:
    nodes: dict[str, Node] = {}
    waiting = list(results)
    while waiting:
        run_id = waiting.pop(0)
        if run_id not in nodes:
            nodes[run_id] = _read_node(store, store.client.get_run(run_id))
            waiting.extend(nodes[run_id].inputs.values())
    used = {i for node in nodes.values() for i in node.inputs.values()}
    return Lineage(asked, False, tuple(i for i in nodes if i not in used), nodes)


def _read_node(store: Store, run: Run) -> Node:
    """Return the node of a step's run from its manifest.

    Raises:
        InputError: it is not a step's run.
    """
    if run.data.tags.get(KIND_TAG) != "step":
        raise InputError(f"The run {run.info.run_id} is not a step of textmill: use one that is.")
    manifest = read_manifest(store, run)
    inputs = {name: entry["run_id"] for name, entry in manifest["inputs"].items()}
    sources = tuple(
        ReadData(name, store.current_path(s["place"]), s["digest"])
        for name, s in sorted(manifest["sources"].items())
    )
    return _node(run, manifest["key"], manifest["digest"], inputs, sources, manifest["packages"])


def _node(
    run: Run,
    key: str,
    digest: str,
    inputs: Mapping[str, str],
    sources: tuple[ReadData, ...],
    packages: Mapping[str, str],
) -> Node:
    tags = run.data.tags
    machine = [recorded_machine(run).get(name, "") for name in ("processor", "gpus")]
    outputs = run.outputs.model_outputs if run.outputs is not None else []
    return Node(
        run_id=run.info.run_id,
        label=run.info.run_name,
        step=tags[STEP_TAG],
        key=key,
        digest=digest,
        inputs=inputs,
        sources=sources,
        settings=dict(run.data.params),
        filtered={
            name: int(value)
            for name, value in run.data.metrics.items()
            if tags[STEP_TAG] == CLEAN.name and FILTERED.fullmatch(name)
        },
        models=tuple(output.model_id for output in outputs),
        commit=tags.get("mlflow.source.git.commit", ""),
        machine=", ".join(part for part in machine if part not in ("", "none")),
        prefect_flow_run=tags.get("prefect.flow_run_id", ""),
        packages=packages,
    )


def _from_file(store: Store, words: str) -> Lineage:
    """Return the steps that read a file, directly or as part of a source, and their dependents."""
    readers = _readers(store, words)
    if not readers:
        raise InputError(
            f"No finished step in {store.uri} has read {words}: give the path of a file as it was "
            "read, the SHA-256 of one, or the id of a hub dataset."
        )
    return _forward(store, words, readers)


def _from_documents(store: Store, words: str, is_id: bool) -> Lineage:
    """Return the steps that read certain documents, and their dependents."""
    found = find_documents(store, words, is_id)
    if not found.runs:
        what = f"a document {words}, nor is it a run" if is_id else f"the text {words!r}"
        left_out = "".join(f"\n{UNSEARCHED}{reason}" for reason in found.unsearched)
        raise InputError(f"No finished step in {store.uri} has read {what}.{left_out}")
    forward = _forward(store, words, found.runs)
    return replace(forward, documents=found.documents, unsearched=tuple(found.unsearched))


def _forward(store: Store, words: str, readers: Mapping[str, Run]) -> Lineage:
    """Return the given readers and their dependents."""
    runs = dict(readers)
    made_from: dict[str, dict[str, str]] = {run_id: {} for run_id in readers}
    by_digest: dict[str, str] = {}
    newest = list(readers.values())
    while newest:  # breadth first: one query per generation
        # Equal results of several runs are one content: its readers are below the first run.
        made = {_digest_of(run)[:DATASET_DIGEST_CHARS]: run.info.run_id for run in newest}
        made = {digest: run_id for digest, run_id in made.items() if digest not in by_digest}
        by_digest |= made
        newest = []
        for reader in _find_readers(store, list(made)):
            names = made_from.setdefault(reader.info.run_id, {})
            for entry in _read_by(reader):
                if entry.dataset.digest in by_digest:
                    names[entry.dataset.name] = by_digest[entry.dataset.digest]
            if reader.info.run_id not in runs:
                runs[reader.info.run_id] = reader
                newest.append(reader)
    nodes = {
        run_id: _node(
            run,
            run.data.tags["textmill.key"].partition("-")[0],
            _digest_of(run),
            made_from[run_id],
            (),
            {},
        )
        for run_id, run in runs.items()
    }
    return Lineage(words, True, tuple(readers), nodes)


def _readers(store: Store, words: str) -> dict[str, Run]:
    """Return the finished runs that read a file, by its current or former content or its path."""
    found: dict[str, Run] = {}
    digests = {words}
    place = words
    if "/" in words or Path(words).is_file():
        place = str(Path(words).absolute())
        digests = {digest_file(Path(words))} if Path(words).is_file() else set()
    if all("'" not in digest for digest in digests):
        found |= {run.info.run_id: run for run in _find_readers(store, list(digests))}
    for name in {words, place}:
        if '"' not in name:
            condition = f"attributes.status='FINISHED' and tags.`{PLACES_TAG}` LIKE \"%{name}%\""
            for run in store.search(condition, MAX_RUNS):
                if name in run.data.tags[PLACES_TAG].split("\n"):
                    found[run.info.run_id] = run
    # For a corpus, only the manifest lists the files of a source, and which are part of it.
    names = (CLEAN.name, TASK_TEXTS.name)
    found = {i: run for i, run in found.items() if run.data.tags[STEP_TAG] not in names}
    seen: dict[str, bool] = {}
    conditions = (f"attributes.status='FINISHED' and tags.`textmill.step`='{n}'" for n in names)
    for run in (run for condition in conditions for run in store.search(condition, MAX_RUNS)):
        read = str(sorted(entry.dataset.digest for entry in _read_by(run)))
        paths = run.data.tags.get(PLACES_TAG, "")
        if (read + paths) not in seen:
            manifest = read_manifest(store, run)
            seen[read + paths] = any(
                {words, place} & {*map(store.current_path, (source["place"], *source["files"]))}
                or digests & {source["digest"], *source["files"].values()}
                for source in manifest["sources"].values()
                if is_in_corpus(source)
            )
        if seen[read + paths]:
            found[run.info.run_id] = run
    return found


def newest_reader(store: Store, run: Run, step: Step) -> Run | None:
    """Return the newest finished run of a step that read the result of a run."""
    digest = _digest_of(run)[:DATASET_DIGEST_CHARS]
    condition = (
        f"attributes.status='FINISHED' and tags.`{STEP_TAG}`='{step.name}' "
        f"and dataset.digest='{digest}'"
    )
    return next(iter(store.search(condition, 1)), None)


def _find_readers(store: Store, digests: list[str]) -> list[Run]:
    """Return the finished runs that read one of these contents."""
    found: dict[str, Run] = {}
    for start in range(0, len(digests), DIGESTS_PER_QUERY):
        chosen = [digest[:DATASET_DIGEST_CHARS] for digest in digests[start:][:DIGESTS_PER_QUERY]]
        listed = ", ".join(f"'{digest}'" for digest in chosen)
        # Pipeline runs also have the datasets of their steps.
        condition = (
            f"attributes.status='FINISHED' and tags.`{KIND_TAG}`='step' "
            f"and dataset.digest IN ({listed})"
        )
        found |= {run.info.run_id: run for run in store.search(condition, MAX_RUNS)}
    return list(found.values())


def _read_by(run: Run) -> list[DatasetInput]:
    return list(run.inputs.dataset_inputs) if run.inputs is not None else []


def _digest_of(run: Run) -> str:
    return str(run.data.tags[DIGEST_TAG])
