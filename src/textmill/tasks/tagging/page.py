"""Presentation of taggers and their predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from textmill.evaluation.metrics import Row
from textmill.evaluation.plots import plot_label_scores
from textmill.tasks.shown import Column, Segment, Shown, truncation_fact
from textmill.tasks.tagging.iob2 import Span, spans
from textmill.tasks.tagging.metrics import scores_by_type

DOES = "finds the entities of a text, or the roles around a predicate"
LONG_TEXTS = "longer texts are read in overlapping windows"
EXAMPLE: Mapping[str, str] = {"text": "Emma Bauer works in Hamburg.", "predicate": "works"}
ANSWER: Mapping[str, Column] = {
    "entities": [{"text": "string", "type": "string", "start": "long", "end": "long"}],
    "is_cut": "boolean",
}


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
    """Write a plot of precision, recall and F1 by entity type."""
    scores = scores_by_type([r["tags"] for r in rows], [r["reference"] for r in rows])
    plot_label_scores(scores, "type/", folder / "entity_scores.png")
