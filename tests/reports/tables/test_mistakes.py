"""Specifies the table of wrong predictions in MLflow."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from textmill.files import write_json
from textmill.reports.tables import mistakes as module
from textmill.reports.tables.mistakes import log_mistakes
from textmill.tasks.shown import page_of
from textmill.tracking.results import Result
from textmill.tracking.store import Store

ROWS = [
    {"text": "fine", "reference": "good", "label": "good", "score": 0.9},
    {"text": "poor", "reference": "bad", "label": "good", "score": 0.6},
    {
        "text": 'a "那只猫"',
        "reference": "good",
        "label": "bad",
        "score": 0.8,
        "is_cut": True,
    },
]
EXAMPLES = [*map(page_of("classification").show, ROWS)]


@pytest.fixture
def evaluation(store: Store, tmp_path: Path) -> Result:
    experiment_id = store.experiment("mistakes")
    run_id = store.start_run(experiment_id, "evaluate mood", {})
    write_json(tmp_path / "manifest.json", {})
    url = store.run_url(experiment_id, run_id)
    return Result("evaluate mood", "k" * 64, run_id, url, tmp_path, "d" * 64, is_reused=False)


def table(store: Store, evaluation: Result) -> list[dict[str, object]]:
    file = store.client.download_artifacts(evaluation.run_id, module.TABLE)
    values = json.loads(Path(file).read_text())
    return [dict(zip(values["columns"], row, strict=True)) for row in values["data"]]


def test_wrong_predictions_come_most_confident_first(store: Store, evaluation: Result) -> None:
    log_mistakes(store, evaluation, EXAMPLES)
    assert table(store, evaluation) == [
        {
            "text": 'a "那只猫"',
            "reference": "good",
            "prediction": "bad (80% sure)",
            "note": "longer than the context, truncated",
            "mistakes": "good → bad",
            "confidence": 0.8,
        },
        {
            "text": "poor",
            "reference": "bad",
            "prediction": "good (60% sure)",
            "note": "",
            "mistakes": "bad → good",
            "confidence": 0.6,
        },
    ]


def test_a_reused_evaluation_keeps_its_table(store: Store, evaluation: Result) -> None:
    for _ in range(2):
        log_mistakes(store, evaluation, EXAMPLES)
    assert len(table(store, evaluation)) == 2


def test_no_mistakes_make_no_table(store: Store, evaluation: Result) -> None:
    log_mistakes(store, evaluation, EXAMPLES[:1])
    assert store.client.list_artifacts(evaluation.run_id) == []


def test_a_long_table_keeps_the_most_confident(
    store: Store, evaluation: Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_ROWS", 1)
    log_mistakes(store, evaluation, EXAMPLES)
    assert [row["confidence"] for row in table(store, evaluation)] == [0.8]


def test_mlflows_page_finds_the_table(store: Store, evaluation: Result) -> None:
    log_mistakes(store, evaluation, EXAMPLES)
    run = store.client.get_run(evaluation.run_id)
    logged = json.loads(run.data.tags["mlflow.loggedArtifacts"])
    assert logged == [{"path": module.TABLE, "type": "table"}]
