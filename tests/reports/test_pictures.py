"""Specifies the pictures of a model's answers: drawn once, and kept with the evaluation's run."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from textmill.files import write_json
from textmill.reports import pictures as module
from textmill.reports.pictures import Pictures
from textmill.tasks.classification import page
from textmill.tracking.results import Result
from textmill.tracking.store import Store, artifact_url

ROWS = [
    {"text": "fine", "reference": "good", "label": "good"},
    {"text": "poor", "reference": "bad", "label": "good"},
]


@pytest.fixture
def evaluation(store: Store, tmp_path: Path) -> Result:
    experiment_id = store.experiment("pictures")
    run_id = store.start_run(experiment_id, "evaluate mood", {})
    folder = tmp_path / "output"
    folder.mkdir()
    (folder / "predictions.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in ROWS))
    write_json(folder / "manifest.json", {})
    url = store.run_url(experiment_id, run_id)
    return Result("evaluate mood", "k" * 64, run_id, url, folder, "d" * 64, is_reused=False)


def kept(store: Store, evaluation: Result) -> list[str]:
    return [file.path for file in store.client.list_artifacts(evaluation.run_id, module.FOLDER)]


def test_they_are_drawn_once_and_are_artifacts_of_the_run_that_measured(
    store: Store, evaluation: Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    (image,) = Pictures(store).of("classification", evaluation)
    assert image.caption == "Confusion matrix"
    assert image.data_uri is not None
    content = base64.b64decode(image.data_uri.removeprefix("data:image/png;base64,"))
    assert content.startswith(b"\x89PNG")
    assert image.url == artifact_url(evaluation.url, "plots/confusion_matrix.png")
    assert kept(store, evaluation) == ["plots/confusion_matrix.png"]
    monkeypatch.delattr(page, "plot")
    assert Pictures(store).of("classification", evaluation) == (image,)


def test_plots_in_the_output_of_early_versions_are_shown(store: Store, evaluation: Result) -> None:
    """Until 2026-11 the step itself drew them."""
    (evaluation.folder / "confusion_matrix.svg").write_bytes(b"<svg/>")
    (image,) = Pictures(store).of("classification", evaluation)
    assert image.data_uri == f"data:image/svg+xml;base64,{base64.b64encode(b'<svg/>').decode()}"
    assert image.url == artifact_url(evaluation.url, "output/confusion_matrix.svg")
    assert kept(store, evaluation) == []


def test_those_that_make_the_page_too_large_are_linked(
    store: Store, evaluation: Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_INLINE_BYTES", 10)
    (image,) = Pictures(store).of("classification", evaluation)
    assert image.data_uri is None
    assert image.url


def test_a_failing_plot_does_not_fail_the_report(
    store: Store,
    evaluation: Result,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(rows: object, folder: Path) -> None:
        raise RuntimeError("no font")

    monkeypatch.setattr(page, "plot", fail)
    assert Pictures(store).of("classification", evaluation) == ()
    assert "no font" in caplog.text


def test_logged_plots_of_any_result_are_shown(store: Store, evaluation: Result) -> None:
    pictures = Pictures(store)
    assert pictures.logged(evaluation) == ()
    pictures.of("classification", evaluation)
    assert Pictures(store).logged(evaluation) == Pictures(store).of("classification", evaluation)
