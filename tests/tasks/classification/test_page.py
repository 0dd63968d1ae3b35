"""Specifies how a classifier is shown."""

from __future__ import annotations

from pathlib import Path

import matplotlib.image
import pytest

from textmill.tasks.classification.page import MAX_CLASSES, plot, plot_confusion, show


def n_pixels(file: Path) -> int:
    height, width, _ = matplotlib.image.imread(file).shape
    return int(height * width)


def test_a_confusion_matrix_of_many_classes_shows_those_with_most_mistakes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = [f"class {number:03}" for number in range(200)]
    right = [(label, label) for label in labels for _ in range(3)]
    wrong = [("class 199", "class 150")] * 5
    guesses, references = zip(*right, *wrong, strict=True)
    shown: list[str] = []
    monkeypatch.setattr(
        "sklearn.metrics.ConfusionMatrixDisplay.from_predictions",
        lambda *_, labels, **__: shown.extend(labels),
    )
    plot_confusion(list(guesses), list(references), tmp_path / "many.png")
    assert len(shown) == MAX_CLASSES
    assert {"class 150", "class 199"} <= {*shown}
    assert shown == sorted(shown)


def test_a_confusion_matrix_grows_with_its_classes(tmp_path: Path) -> None:
    for n_classes in (2, 12):
        labels = [f"class {number}" for number in range(n_classes)]
        plot_confusion(labels, labels, tmp_path / f"{n_classes}.png")
    assert n_pixels(tmp_path / "2.png") < n_pixels(tmp_path / "12.png")


def test_the_plot_of_predictions_is_a_confusion_matrix(tmp_path: Path) -> None:
    plot([{"label": "a", "reference": "b"}, {"label": "b", "reference": "b"}], tmp_path)
    assert (tmp_path / "confusion_matrix.png").read_bytes().startswith(b"\x89PNG")


def test_a_prediction_is_shown_with_its_probability() -> None:
    row = {"text": "fine", "reference": "good", "label": "bad", "score": 0.8, "is_cut": True}
    shown = show(row)
    assert shown.facts == (
        ("reference", "good"),
        ("prediction", "bad (80% sure)"),
        ("note", "longer than the context, truncated"),
    )
    assert (shown.is_right, shown.certainty) == (False, 0.8)
