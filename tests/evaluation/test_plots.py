"""Specifies what plots can take: any number of classes, any name."""

from __future__ import annotations

from pathlib import Path

import matplotlib.image
import pytest

from textmill.evaluation.plots import MOST_CLASSES, plot_confusion, plot_entity_scores


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
        "textmill.evaluation.plots.ConfusionMatrixDisplay.from_predictions",
        lambda *_, labels, **__: shown.extend(labels),
    )
    plot_confusion(list(guesses), list(references), tmp_path / "many.png")
    assert len(shown) == MOST_CLASSES
    assert {"class 150", "class 199"} <= {*shown}
    assert shown == sorted(shown)


def test_a_confusion_matrix_grows_with_its_classes(tmp_path: Path) -> None:
    for n_classes in (2, 12):
        labels = [f"class {number}" for number in range(n_classes)]
        plot_confusion(labels, labels, tmp_path / f"{n_classes}.png")
    assert n_pixels(tmp_path / "2.png") < n_pixels(tmp_path / "12.png")


def test_an_entity_type_may_hold_a_slash(tmp_path: Path) -> None:
    scores = {f"type/GEO/LOC/{metric}": 0.5 for metric in ("precision", "recall", "f1")}
    plot_entity_scores(scores | {"f1": 0.5}, tmp_path / "types.png")
    assert n_pixels(tmp_path / "types.png") > 0
