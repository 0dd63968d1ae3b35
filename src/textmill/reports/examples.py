"""Test examples that a model got right and wrong, ready to be shown, whatever the kind of task.

A new kind of task is one function beside the others and an entry in `SHOWERS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

from textmill.evaluation.iob2 import Span, spans

N_CANDIDATES = 200
"""Wrong examples, the surest ones, that those to be shown are chosen from."""
Mark = Literal["", "right", "missed", "spurious", "wrong"]
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Segment:
    """A stretch of a text, marked or not."""

    text: str
    mark: Mark = ""
    label: str = ""
    """What the mark says, such as the type of an entity."""


@dataclass(frozen=True)
class Example:
    """One test example with the model's answer."""

    segments: tuple[Segment, ...]
    """The text; its parts join to the whole."""
    facts: tuple[tuple[str, str], ...]
    """Names and values below the text, such as reference and prediction."""
    is_right: bool
    certainty: float = 0.0
    """How sure the model was, where it says so: of wrong answers, the surest come first."""
    mistakes: frozenset[str] = frozenset()
    """What was taken for what, where that can be said in a word."""


@dataclass(frozen=True)
class Examples:
    """Some examples of each sort, and how many there are."""

    right: tuple[Example, ...] = ()
    wrong: tuple[Example, ...] = ()
    n_right: int = 0
    n_wrong: int = 0


def choose_examples(kind: str, rows: Sequence[Row], n_right: int, n_wrong: int) -> Examples:
    """Return examples from the rows of a predictions file; none if the kind cannot be shown.

    The wrong ones begin with the one the model was surest of, and each further one is the least
    like those before it; the right ones are spread over the file, those with something marked
    before those without.
    """
    if kind not in SHOWERS:
        return Examples()
    shown = [SHOWERS[kind](row) for row in rows]
    wrong = [example for example in shown if not example.is_right]
    right = [example for example in shown if example.is_right]
    marked = [example for example in right if any(part.mark for part in example.segments)]
    return Examples(
        right=tuple(_spread(marked or right, n_right)),
        wrong=tuple(_varied(wrong, n_wrong)),
        n_right=len(right),
        n_wrong=len(wrong),
    )


def show_classification(row: Row) -> Example:
    """Return a text with its label and the predicted one."""
    predicted = row["label"] + (f" ({row['score']:.0%} sure)" if "score" in row else "")
    return Example(
        segments=(Segment(row["text"]),),
        facts=(("reference", row["reference"]), ("prediction", predicted), *_cut(row)),
        is_right=row["label"] == row["reference"],
        certainty=row.get("score", 0.0),
        mistakes=frozenset({f"{row['reference']} → {row['label']}"}),
    )


def show_tagging(row: Row) -> Example:
    """Return words with their entities: right, missed, spurious, or wrong in type or extent."""
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
    return Example(
        segments=tuple(segment for segment in segments if segment.text),
        facts=_cut(row),
        is_right=reference == predicted,
        mistakes=frozenset(f"{s.mark} {s.label}" for s in segments if s.mark not in ("", "right")),
    )


def show_translation(row: Row) -> Example:
    """Return a source text with its reference and the model's translation."""
    return Example(
        segments=(Segment(row["text"]),),
        facts=(("reference", row["reference"]), ("translation", row["translation"]), *_cut(row)),
        is_right=row["translation"].strip() == row["reference"].strip(),
    )


SHOWERS: dict[str, Callable[[Row], Example]] = {
    "classification": show_classification,
    "tagging": show_tagging,
    "translation": show_translation,
}
"""By kind of task: what a row of its predictions file looks like to a person."""


def _overlapping(reference: Sequence[Span], predicted: Sequence[Span]) -> list[list[Span]]:
    """Return the different spans of both, in groups that share words, in order."""
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
    """Return the words of a group of spans, marked by how the found ones compare."""
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


def _cut(row: Row) -> tuple[tuple[str, str], ...]:
    return (("note", "longer than the context, cut"),) if row.get("is_cut") else ()


def _varied(items: Sequence[Example], most: int) -> list[Example]:
    """Return up to so many items, the surest first, then each the least like those before it.

    Items are compared by what they share with the nearest one chosen (Carbonell & Goldstein 1998,
    "The Use of MMR"); where two are equally unlike, the surer one is taken.
    """
    candidates = sorted(items, key=lambda example: -example.certainty)[:N_CANDIDATES]
    features = [_features(example) for example in candidates]
    nearest = [0.0] * len(candidates)
    chosen: list[int] = []
    while len(chosen) < min(most, len(candidates)):
        rest = [i for i in range(len(candidates)) if i not in chosen]
        best = min(rest, key=lambda i: nearest[i])
        chosen.append(best)
        nearest = [
            max(near, _overlap(own, features[best]))
            for near, own in zip(nearest, features, strict=True)
        ]
    return [candidates[i] for i in chosen]


def _features(example: Example) -> tuple[frozenset[str], frozenset[str]]:
    """Return the pieces of an example's text, and its mistakes."""
    text = "".join(part.text for part in example.segments).lower()
    # Words, where there are some; neighbouring characters serve languages without spaces.
    pieces = frozenset(text.split()) | frozenset(map("".join, pairwise(text)))
    return pieces, example.mistakes


def _overlap(one: tuple[frozenset[str], ...], other: tuple[frozenset[str], ...]) -> float:
    """Return the mean Jaccard similarity of two examples' sets."""
    shares = [len(a & b) / max(1, len(a | b)) for a, b in zip(one, other, strict=True)]
    return sum(shares) / len(shares)


def _spread(items: Sequence[Example], most: int) -> list[Example]:
    """Return up to so many items, evenly spaced."""
    if len(items) <= most:
        return list(items)
    return [items[i * len(items) // most] for i in range(most)]
