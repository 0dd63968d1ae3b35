"""Specifies how backbones are named, and which runs have their scores."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from textmill.errors import InputError
from textmill.registry import scored_backbones
from textmill.registry.scored_backbones import find_backbone
from textmill.tracking.results import results_tags

FOLDER = Path("backbone")


@pytest.fixture(autouse=True)
def _outputs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scored_backbones, "output_folder", lambda store, run: FOLDER)


def make_run(store: Any, name: str, tags: Mapping[str, str], reads: str | None = None) -> str:
    run_id = str(store.start_run(store.experiment("backbones"), name, tags))
    if reads is not None:
        store.log_datasets(
            run_id, [("backbone", "https://example.org/backbone", reads, "evaluate-lm")]
        )
    store.end_run(run_id, "FINISHED")
    return run_id


def step(store: Any, name: str, reads: str | None = None, **tags: str) -> str:
    given = {"textmill.kind": "step", "textmill.step": name}
    return make_run(store, name, given | tags, reads)


def trained(store: Any, digest: str) -> str:
    return step(store, "pretrain", **{"textmill.digest": digest})


def test_the_scores_of_a_pretraining_are_in_its_newest_evaluation(store: Any) -> None:
    run_id = trained(store, "a1" * 32)
    step(store, "evaluate-lm", "a1" * 32, **{"mlflow.parentRunId": "p1"})
    newest = step(store, "evaluate-lm", "a1" * 32, **{"mlflow.parentRunId": "p2"})
    step(store, "evaluate-lm", "b2" * 32)
    found = find_backbone(store, run_id)
    assert found.folder == FOLDER
    assert found.prefixes == {newest: "", "p2": "lm/"}


def test_a_backbone_that_was_not_evaluated_has_them_in_its_own_run(store: Any) -> None:
    run_id = trained(store, "c3" * 32)
    assert find_backbone(store, run_id).prefixes == {run_id: ""}


def test_those_of_a_pipeline_are_in_it_and_in_its_own_evaluation(store: Any) -> None:
    run_id = trained(store, "d4" * 32)
    own = step(store, "evaluate-lm", "d4" * 32, **{"mlflow.parentRunId": "another"})
    step(store, "evaluate-lm", "d4" * 32)
    results = results_tags({"pretrain": run_id, "evaluate-lm": own})
    parent = make_run(store, "a pipeline", {"textmill.kind": "pipeline"} | results)
    assert find_backbone(store, parent).prefixes == {own: "", parent: "lm/"}
    assert find_backbone(store, "a pipeline").prefixes == {own: "", parent: "lm/"}


def test_an_evaluation_names_its_backbone(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = trained(store, "e5" * 32)
    evaluated = step(store, "evaluate-lm", "e5" * 32)
    manifest = {"inputs": {"backbone": {"run_id": run_id}}}
    monkeypatch.setattr(scored_backbones, "read_manifest", lambda store, run: manifest)
    step(store, "evaluate-lm", "e5" * 32)
    assert find_backbone(store, evaluated).prefixes == {evaluated: ""}


def test_a_registered_model_names_its_backbone(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = trained(store, "f6" * 32)
    monkeypatch.setattr(scored_backbones, "run_of_model", lambda store, words: run_id)
    for words in ("models:/tests.backbone/1", "tests.backbone@champion", "m-1"):
        assert find_backbone(store, words).prefixes == {run_id: ""}


def test_a_run_without_a_backbone_is_named(store: Any) -> None:
    task = step(store, "finetune")
    pipeline = make_run(store, "only prepared", {"textmill.kind": "pipeline"})
    for words in (task, pipeline):
        with pytest.raises(InputError, match=f"'{words}' has no language model"):
            find_backbone(store, words)
