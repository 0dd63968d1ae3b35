"""Presentation of taggers and their predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from textmill.evaluation.metrics import Row
from textmill.evaluation.plots import (
    extra_inches,
    open_figure,
    plot_label_scores,
    shown_label,
)
from textmill.tasks.shown import Column, Segment, Shown, truncation_fact
from textmill.tasks.tagging.iob2 import Span, spans
from textmill.tasks.tagging.metrics import scores_by_type

DOES = "finds the entities of a text, or the roles around a predicate"
LONG_TEXTS = "longer texts are read in overlapping windows"
EXAMPLE: Mapping[str, str] = {"text": "Emma Bauer works in Hamburg.", "predicate": "works"}
ANSWER: Mapping[str, Column] = {
    "entities": [
        {"text": "string", "type": "string", "start": "long", "end": "long", "score": "double"}
    ],
    "is_cut": "boolean",
}
FOUND, OTHER_TYPE, OTHER_WORDS, MISSED = "found", "other type", "other words", "missed"
OUTCOMES = {FOUND: "#4c9f70", OTHER_TYPE: "#e3a857", OTHER_WORDS: "#7a8fbf", MISSED: "#c0504d"}
"""What can become of an entity, and its colour: found exactly, with another type, with some other
words, or not at all."""


def show(row: Row) -> Shown:
    """Return words with their entities: right, missed, spurious, or wrong in type or span."""
    words, reference, predicted = row["tokens"], spans(row["reference"]), spans(row["tags"])
    segments: list[Segment] = []
    at = 0
    for group in _overlapping(reference, predicted):
        start, end = min(span[0] for span in group), max(span[1] for span in group)
        segments.append(Segment(" ".join(words[at:start]) + " " * (start > at)))
        expected = [span for span in group if span in reference]
        found = [span for span in group if span in predicted]
        segments.append(_marked(words, start, end, expected, found))
        segments.append(Segment(" " * (end < len(words))))
        at = end
    segments.append(Segment(" ".join(words[at:])))
    return Shown(
        segments=tuple(segment for segment in segments if segment.text),
        facts=(*_predicate_fact(row), *truncation_fact(row)),
        is_right=reference == predicted,
        mistakes=frozenset(f"{s.mark} {s.label}" for s in segments if s.mark not in ("", "right")),
    )


def _predicate_fact(row: Row) -> tuple[tuple[str, str], ...]:
    if "predicate" not in row:
        return ()
    return (("predicate", f"{row['tokens'][row['predicate']]} (word {row['predicate']})"),)


def _overlapping(reference: Sequence[Span], predicted: Sequence[Span]) -> list[list[Span]]:
    """Return the distinct spans of both in order, grouped by overlap."""
    groups: list[list[Span]] = []
    end = -1
    for span in sorted({*reference, *predicted}):
        if span[0] < end:
            groups[-1].append(span)
        else:
            groups.append([span])
        end = max(end, span[1])
    return groups


def _marked(
    words: Sequence[str], start: int, end: int, expected: Sequence[Span], found: Sequence[Span]
) -> Segment:
    """Return the words of a group of spans, highlighted by how the predicted ones compare."""
    text = " ".join(words[start:end])
    if not found:
        return Segment(text, "missed", expected[0][2])
    if not expected:
        return Segment(text, "spurious", found[0][2])
    if expected == found:
        return Segment(text, "right", found[0][2])

    def describe(group: Sequence[Span]) -> str:
        whole = [(start, end)]
        if [span[:2] for span in group] == whole:
            return group[0][2]
        return ", ".join(f"{' '.join(words[first:last])} {name}" for first, last, name in group)

    return Segment(text, "wrong", f"{describe(expected)} → {describe(found)}")


def plot(rows: Sequence[Row], folder: Path) -> None:
    """Write a plot of precision, recall and F1 by entity type, and one of what became of each."""
    scores = scores_by_type([r["tags"] for r in rows], [r["reference"] for r in rows])
    plot_label_scores(scores, "type/", folder / "entity_scores.png")
    if outcomes := outcomes_by_type(rows):
        plot_outcomes(outcomes, folder / "found_and_missed_entities.png")


def outcomes_by_type(rows: Sequence[Row]) -> dict[str, dict[str, int]]:
    """Return how many reference entities of each type were found, and how the others were not.

    The types with most entities that were not found come first.
    """
    counts: dict[str, dict[str, int]] = {}
    for row in rows:
        predicted = spans(row["tags"])
        for span in spans(row["reference"]):
            of_type = counts.setdefault(span[2], dict.fromkeys(OUTCOMES, 0))
            of_type[_outcome(span, predicted)] += 1
    lost = {name: sum(of_type.values()) - of_type[FOUND] for name, of_type in counts.items()}
    return {name: counts[name] for name in sorted(counts, key=lambda name: (-lost[name], name))}


def _outcome(span: Span, predicted: Sequence[Span]) -> str:
    first, end, _ = span
    if span in predicted:
        return FOUND
    if any(other[:2] == (first, end) for other in predicted):
        return OTHER_TYPE
    if any(other[0] < end and first < other[1] for other in predicted):
        return OTHER_WORDS
    return MISSED


def plot_outcomes(outcomes: Mapping[str, Mapping[str, int]], file: Path) -> None:
    """Write a stacked bar chart of `outcomes_by_type`, as PNG."""
    names = [shown_label(name) for name in outcomes]
    with open_figure(file, (7 + extra_inches(names), 1.5 + 0.4 * len(names)), names) as figure:
        axes = figure.subplots()
        before = [0] * len(names)
        for outcome, color in OUTCOMES.items():
            values = [of_type[outcome] for of_type in outcomes.values()]
            axes.barh(range(len(names)), values, 0.7, before, label=outcome, color=color)
            before = [a + b for a, b in zip(before, values, strict=True)]
        axes.set(xlabel="entities of the test", yticks=range(len(names)), yticklabels=names)
        axes.invert_yaxis()
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=4, frameon=False)
