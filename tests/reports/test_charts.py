"""Specifies the curves of a page."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from textmill.reports.charts import histogram_chart, loss_chart, subsample

CURVES = {"train": [(i, 9 / (i + 1)) for i in range(30)], "validation": [(10, 2.0), (20, 1.0)]}
CHARACTER_WIDTH = 0.64 * 9
"""Of a digit in a wide font, such as DejaVu Sans, at the size of labels."""


def test_a_chart_is_one_svg_element_with_labelled_axes_and_a_legend() -> None:
    svg = loss_chart(CURVES)
    assert ElementTree.fromstring(svg).tag == "{http://www.w3.org/2000/svg}svg"
    words = re.findall(r"<text[^>]*>([^<]*)</text>", svg)
    assert {"optimizer step", "loss (nats)", "train", "validation"} <= set(words)


@pytest.mark.parametrize("last_step", [9, 675, 14_990, 120_000])
@pytest.mark.parametrize("loss", [0.0004, 1.125, 11.25])
def test_no_label_of_a_tick_is_cut_off(last_step: int, loss: float) -> None:
    svg = ElementTree.fromstring(loss_chart({"train": [(0, loss), (last_step, 0.0)]}))
    width = float(svg.attrib["viewBox"].split()[2])
    for label in svg.iter("{http://www.w3.org/2000/svg}text"):
        text, x = str(label.text), float(label.attrib["x"])
        length = CHARACTER_WIDTH * len(text)
        left = {"middle": x - length / 2, "end": x - length, "start": x}[
            re.findall(r"text-anchor: (\w+)", label.attrib["style"])[0]
        ]
        if "rotate(-90" not in label.attrib["transform"]:
            assert left >= 0, text
            assert left + length <= width, text


def test_charts_use_colours_of_the_page_and_load_no_resources() -> None:
    svg = loss_chart(CURVES)
    assert "var(--series-1)" in svg
    assert "var(--soft)" in svg
    assert "#0102" not in svg
    assert "<style" not in svg
    assert re.findall(r'(?:href|src)="(?!#)[^"]*"', svg) == []


def test_the_same_curves_give_the_same_chart_and_others_share_no_ids() -> None:
    assert loss_chart(CURVES) == loss_chart(CURVES)
    other = loss_chart(CURVES | {"train": [(0, 1.0), (1, 0.5)]})
    ids = [set(re.findall(r' id="([^"]*)"', svg)) for svg in (loss_chart(CURVES), other)]
    assert ids[0]
    assert not ids[0] & ids[1]


def test_a_histogram_has_a_logarithmic_axis_and_no_colours_of_its_own() -> None:
    svg = histogram_chart([20, 200, 2000], [5, 1500], "characters", "documents")
    ElementTree.fromstring(svg)
    words = re.findall(r"<text[^>]*>([^<]*)</text>", svg)
    assert {"20", "50", "100", "2,000", "1,000", "characters", "documents"} <= set(words)
    assert "#0102" not in svg
    assert svg == histogram_chart([20, 200, 2000], [5, 1500], "characters", "documents")


def test_many_points_are_thinned_out_between_the_first_and_the_last() -> None:
    points = [(i, float(i)) for i in range(1000)]
    thin = subsample(points, 10)
    assert len(thin) == 10
    assert (thin[0], thin[-1]) == (points[0], points[-1])
    assert subsample(points[:7], 10) == points[:7]
