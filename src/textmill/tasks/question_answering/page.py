"""Presentation of models that answer questions, and of their predictions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from textmill.corpus.words import split_words
from textmill.evaluation.metrics import Row
from textmill.evaluation.plots import open_figure, shown_label
from textmill.tasks.question_answering.metrics import exact_match, f1
from textmill.tasks.shown import Column, Mark, Segment, Shown, truncation_fact

DOES = "finds the answer to a question in a context"
LONG_TEXTS = "longer contexts are read in overlapping windows"
EXAMPLE: Mapping[str, str] = {
    "question": "Where does Emma Bauer work?",
    "context": "Emma Bauer moved to Hamburg in 2019. She works at the harbour.",
}
ANSWER: Mapping[str, Column] = {
    "answer": "string",
    "start": "long",
    "end": "long",
    "score": "double",
    "is_cut": "boolean",
}
NO_ANSWER = "no answer"


def show(row: Row) -> Shown:
    """Return a question's context with the predicted answer, or also that of the reference."""
    answer, context = row["answer"], row["context"]
    is_right = bool(exact_match(answer, row["reference"]))
    overlap = f1(answer, row["reference"])
    known = [*dict.fromkeys(row["reference"])]
    marked: list[tuple[int, int, Mark]] = []
    if answer:
        mark: Mark = "right" if is_right else "wrong" if overlap else "spurious"
        marked.append((row["start"], row["end"], mark))
    if known and not overlap:  # files have no offsets of the reference; texts may occur again
        begin = context.find(known[0])
        marked.append((begin, begin + len(known[0]), "missed"))
    return Shown(
        segments=tuple(_segments(context, sorted(marked))),
        facts=(
            ("question", row["question"]),
            ("reference", "; ".join(known) or NO_ANSWER),
            ("prediction", answer or NO_ANSWER),
            *truncation_fact(row),
        ),
        is_right=is_right,
        certainty=row.get("score", 0.0),
        mistakes=frozenset() if is_right else frozenset({_mistake(answer, known, overlap)}),
    )


def _segments(context: str, marked: Sequence[tuple[int, int, Mark]]) -> Iterator[Segment]:
    """Yield a text in segments, of which those from begin to end are marked, in order."""
    at = 0
    for begin, end, mark in marked:
        if begin < at:
            continue  # not found, or inside of the one before
        if context[at:begin]:
            yield Segment(context[at:begin])
        yield Segment(context[begin:end], mark)
        at = end
    if context[at:]:
        yield Segment(context[at:])


def _mistake(answer: str, known: Sequence[str], overlap: float) -> str:
    if not known:
        return "answer where there is none"
    if not answer:
        return "missed answer"
    return "part of the answer" if overlap else "another part of the context"


def plot(rows: Sequence[Row], folder: Path) -> None:
    """Write a bar chart of the mean F1 by the first word of the question."""
    groups = Counter(_first_word(row) for row in rows)
    names = [name for name, _ in groups.most_common(12)]
    scores = [
        np.mean([f1(r["answer"], r["reference"]) for r in rows if _first_word(r) == name])
        for name in names
    ]
    labels = [shown_label(f"{name} ({groups[name]})") for name in names]
    with open_figure(folder / "questions.png", (7, 1.5 + 0.35 * len(names)), labels) as figure:
        axes = figure.subplots()
        axes.barh(range(len(names)), scores)
        axes.set(xlim=(0, 1), yticks=range(len(names)), yticklabels=labels, xlabel="F1")
        axes.invert_yaxis()


def _first_word(row: Row) -> str:
    return next(iter(split_words(row["question"].lower())), "")
