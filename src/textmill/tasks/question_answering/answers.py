"""The inputs of models that answer questions, and the answers that follow from their scores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textmill.config import UNREDACTED, RedactionConfig
from textmill.tasks.question_answering.examples import Example, Spec
from textmill.tasks.question_answering.metrics import f1
from textmill.tasks.question_answering.passages import Passage, Span, split_passage

PREDICT_BATCH = 32
"""Batch size of prediction."""
WRITES: str | None = None
"""Answers are quotations."""
details = None
"""Metrics need nothing besides the answers."""
MAX_QUESTION_WORDS = 128
"""Words of a question that are read."""
NO_ANSWER_BONUSES = (-4.0, -3.0, -2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0)
"""Bonuses for "no answer" that are tried, in nats."""

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class Prepared:
    """A question and the text that may contain its answer, without personal data."""

    question: Passage
    """At most MAX_QUESTION_WORDS words."""
    passage: Passage
    """The context."""
    is_cut: bool
    """Whether the question has more words."""


def columns(spec: Spec) -> tuple[str, ...]:
    """Return the columns of a model's input."""
    return ("question", "context")


def prepare(
    spec: Spec, inputs: Sequence[Mapping[str, str]], redaction: RedactionConfig
) -> list[Prepared]:
    """Return the words of each question and its context."""
    passages: dict[str, Passage] = {}  # of many questions
    prepared = []
    for item in inputs:
        question = split_passage(item["question"], redaction)
        is_cut = len(question.words) > MAX_QUESTION_WORDS
        context = item["context"]
        if context not in passages:
            passages[context] = split_passage(context, redaction)
        passage = passages[context]
        prepared.append(Prepared(question.first(MAX_QUESTION_WORDS), passage, is_cut))
    return prepared


def targets(spec: Spec, example: Example) -> list[int]:
    """Return the numbers of the first and the last word of the first answer.

    Both are the number of words if there is no answer.
    """
    return [*first_and_last(split_passage(example.context, UNREDACTED), example)]


def first_and_last(passage: Passage, example: Example) -> tuple[int, int]:
    """Return the targets of an example, whose context is given as words."""
    if not example.answers:
        return len(passage.words), len(passage.words)
    first, after = passage.words_of(example.answers[0])
    return first, after - 1


def answer(
    spec: Spec, prepared: Sequence[Prepared], scores: Sequence[Floats]
) -> Iterator[dict[str, Any]]:
    """Yield the answer to each question, where it is in the context, and its probability.

    The answer is empty if there is none. The context is read as a whole.

    Args:
        spec: the costs of lengths, and the decision for no answer.
        prepared: the questions and contexts.
        scores: the probabilities of each context's words, and of "no answer", to be the first and
            the last word of the answer, (2, words + 1).
    """
    for item, probabilities in zip(prepared, scores, strict=True):
        found, score = decide(spec, probabilities)
        start, end = item.passage.characters_of(found) if found is not None else (0, 0)
        yield {
            "answer": item.passage.text[start:end],
            "start": start,
            "end": end,
            "score": score,
            "is_cut": item.is_cut,
        }


def decide(spec: Spec, probabilities: Floats) -> tuple[Span | None, float]:
    """Return the likeliest answer, as its first word and the word after its last; None: no answer.

    Also its probability.

    Args:
        spec: the costs of lengths, and the decision for no answer.
        probabilities: as in `answer`.
    """
    first, last = np.log(np.maximum(probabilities, np.finfo(np.float32).tiny))
    n_words = len(first) - 1
    best, span = -np.inf, (0, 0)
    for further, cost in enumerate(spec.length_costs[:n_words]):
        both = first[: n_words - further] + last[further:n_words] - cost
        at = int(both.argmax())
        if both[at] > best:
            best, span = float(both[at]), (at, at + further + 1)
    none = first[-1] + last[-1]
    if n_words == 0 or (spec.has_no_answer and none + spec.no_answer_bonus > best):
        return None, float(np.exp(none))
    return span, float(np.exp(first[span[0]] + last[span[1] - 1]))


def fit_decision(spec: Spec, scores: Sequence[Floats], examples: Sequence[Example]) -> Spec:
    """Return the settings with the bonus for "no answer" that gives the highest F1."""
    if not spec.has_no_answer:
        return spec
    passages = [split_passage(example.context, UNREDACTED) for example in examples]

    def mean_f1(bonus: float) -> float:
        biased = replace(spec, no_answer_bonus=bonus)
        total = 0.0
        for passage, probabilities, example in zip(passages, scores, examples, strict=True):
            found, _ = decide(biased, probabilities)
            text = passage.text[slice(*passage.characters_of(found))] if found is not None else ""
            total += f1(text, example.texts)
        return total

    best = max(NO_ANSWER_BONUSES, key=lambda bonus: (mean_f1(bonus), -abs(bonus)))
    return replace(spec, no_answer_bonus=best)
