"""Specifies what plots can take: any number of classes, any name."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import matplotlib.image
import matplotlib.text
import pytest

from tests.evaluation.test_learning_curve import curve_of
from textmill.evaluation.plots import plot_label_scores, plot_learning_curve, plot_scaling_law
from textmill.tasks.classification.page import plot_confusion


def n_pixels(file: Path) -> int:
    height, width, _ = matplotlib.image.imread(file).shape
    return int(height * width)


LITERAL = ["$x_$", "$0_$50", r"$\frac{", "a_b^c", "PER&ORG", "<b>", "50%", "\\", "a|b", "x" * 500]
WITHOUT_LETTERS = ["人名", "🎉", "שלום", "مرحبا", "हिन्दी"]


def texts_of(file: Path) -> set[str]:
    """The texts of an SVG, as whoever shows it reads them."""
    return {
        "".join(e.itertext()).strip() for e in ElementTree.parse(file).iter() if "text" in e.tag
    }


@pytest.mark.parametrize("label", [*LITERAL, "with\x01control", "new\nline"])
def test_a_label_is_drawn_as_it_is_spelt(
    tmp_path: Path, label: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: set[str] = set()
    draw = matplotlib.text.Text.draw

    def note(self: matplotlib.text.Text, renderer: object) -> None:
        # What is no mathematics is handed on letter by letter.
        if not self._preprocess_math(self.get_text())[1]:  # type: ignore[attr-defined]
            drawn.add(self.get_text())
        draw(self, renderer)

    monkeypatch.setattr(matplotlib.text.Text, "draw", note)
    plot_confusion([label, "b"], [label, "b"], tmp_path / "confusion.png")
    scores = {f"type/{label}/{metric}": 0.5 for metric in ("precision", "recall", "f1")}
    plot_label_scores(scores, "type/", tmp_path / "scores.png")
    assert n_pixels(tmp_path / "confusion.png") > 0
    assert n_pixels(tmp_path / "scores.png") > 0
    shown = "x" * 39 + "…" if label.startswith("xx") else label
    assert "".join(c if c.isprintable() else "\ufffd" for c in shown) in drawn


@pytest.mark.parametrize("label", WITHOUT_LETTERS)
def test_a_label_whose_letters_the_font_lacks_is_text_in_an_svg(tmp_path: Path, label: str) -> None:
    plot_confusion([label, "$b$"], [label, "$b$"], tmp_path / "confusion.png")
    scores = {f"type/{label}/{metric}": 0.5 for metric in ("precision", "recall", "f1")}
    plot_label_scores(scores, "type/", tmp_path / "scores.png")
    assert {label, "$b$"} <= texts_of(tmp_path / "confusion.svg")
    assert label in texts_of(tmp_path / "scores.svg")
    assert not list(tmp_path.glob("*.png"))


def test_the_same_scores_give_the_same_bytes(tmp_path: Path) -> None:
    for labels in (["a", "b"], ["人", "名"]):
        files = []
        for number in range(2):
            (tmp_path / f"{labels[0]}{number}").mkdir()
            plot_confusion(labels, labels, tmp_path / f"{labels[0]}{number}" / "matrix.png")
            files += [f.read_bytes() for f in (tmp_path / f"{labels[0]}{number}").iterdir()]
        assert files[0] == files[1]


def test_the_ticks_of_a_logarithmic_axis_are_mathematics(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    draw = matplotlib.text.Text.draw

    def note(self: matplotlib.text.Text, renderer: object) -> None:
        seen.append((self.get_text(), self.get_parse_math()))
        draw(self, renderer)

    monkeypatch.setattr(matplotlib.text.Text, "draw", note)
    plot_scaling_law({10: [(100, 5.0), (10_000, 4.0)]}, lambda n, d: 4.5, tmp_path / "law.png")
    assert all(parsed for text, parsed in seen if "$" in text)


@pytest.mark.parametrize("scores", [[0.5], [0.5, 0.7]])
def test_a_learning_curve_has_a_tick_per_size_and_a_line_per_arm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scores: list[float]
) -> None:
    drawn: set[str] = set()
    draw = matplotlib.text.Text.draw

    def note(self: matplotlib.text.Text, renderer: object) -> None:
        drawn.add(self.get_text())
        draw(self, renderer)

    monkeypatch.setattr(matplotlib.text.Text, "draw", note)
    curve = curve_of({(arm, n): scores for arm in ("random", "lstm") for n in (100, 2000)})
    files = [tmp_path / name for name in ("a.png", "b.png")]
    for file in files:
        plot_learning_curve(curve, file)
    assert {"100", "2,000", "random", "lstm", "test accuracy"} <= drawn
    assert files[0].read_bytes() == files[1].read_bytes()
