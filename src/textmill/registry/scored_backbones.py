"""Backbones by the names that users give, and the runs that have their scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from textmill.errors import InputError
from textmill.registry.lineage import newest_reader, run_of_model
from textmill.steps.graph import EVALUATE_LM, LM, PRETRAIN
from textmill.tracking.artifacts import output_folder, read_manifest
from textmill.tracking.lookup import find_run
from textmill.tracking.results import recorded_results
from textmill.tracking.store import Store
from textmill.tracking.tags import KIND_TAG, PARENT_TAG, STEP_TAG


@dataclass(frozen=True)
class Backbone:
    """A backbone, and where its scores are."""

    folder: Path
    prefixes: Mapping[str, str] = field(default_factory=dict)
    """By the id of each run that has its scores, the prefix of their names; empty if it is of no
    run."""


def find_backbone(store: Store, words: str) -> Backbone:
    """Return a backbone of a store.

    Args:
        store: the store to search.
        words: the run of a pipeline, of a pretraining, or of its evaluation (see `find_run`); or a
            model (see `run_of_model`).

    Raises:
        InputError: there is no such run or model, or it has no backbone.
        RunError: the backbone is missing or damaged.
    """
    results: dict[str, str] = {}
    parent: str | None = None
    if words.startswith("m-") or {*words} & {*":/@"}:
        run_id = run_of_model(store, words)
    else:
        run = find_run(store, words, ("pipeline", "step"))
        run_id = str(run.info.run_id)
        if run.data.tags[KIND_TAG] == "pipeline":
            parent, results = run_id, recorded_results(run)
            run_id = results.get(PRETRAIN.label(), run_id)
        elif run.data.tags[STEP_TAG] == EVALUATE_LM.name:
            results = {EVALUATE_LM.label(): run_id}
            run_id = read_manifest(store, run)["inputs"]["backbone"]["run_id"]
    trained = store.client.get_run(run_id)
    if trained.data.tags.get(STEP_TAG) != PRETRAIN.name:
        raise InputError(
            f"{words!r} has no language model: give the run of a pipeline with one, that of its "
            "pretraining, models:/NAME/VERSION of a backbone, or a folder."
        )
    if EVALUATE_LM.label() in results:
        evaluated = store.client.get_run(results[EVALUATE_LM.label()])
    else:
        evaluated = newest_reader(store, trained, EVALUATE_LM) or trained
    parent = parent or evaluated.data.tags.get(PARENT_TAG)
    prefixes = {evaluated.info.run_id: ""} | ({parent: f"{LM}/"} if parent else {})
    return Backbone(output_folder(store, trained), prefixes)
