"""Reading and checking of questions with their answers in a context."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence, Set
from dataclasses import dataclass
from itertools import chain
from typing import Annotated, Any

import numpy as np
from pydantic import Field, FiniteFloat

from textmill.config import UNREDACTED
from textmill.corpus.words import split_words, word_shape
from textmill.errors import InputError
from textmill.safety.redaction import redact
from textmill.tasks.labels import as_text, describe_value
from textmill.tasks.question_answering.passages import (
    Passage,
    Span,
    redact_with_spans,
    split_passage,
)
from textmill.tasks.question_answering.settings import QuestionAnsweringConfig
from textmill.tasks.rows import Rows, read_rows

SELECTION = "f1"
"""The validation metric that selects the best epoch."""

ONE_ANSWER = False
"""Whether each text has one correct answer, so that examples with different ones conflict."""

stratum = None
"""Examples have no single label."""

MAX_TYPE_WORDS = 32
"""Maximum words of questions by which the form of an answer is predicted."""
MIN_TYPE_SHARE = 0.01
"""Minimum share of the questions that have such a word."""
COMMON_SHARE = 0.05
"""Share of the questions from which on a word may be too common to be found in the context."""
MIN_LIFT = 1.3
"""A common word matters if it is so many times as often in the context of its questions as in
others: names are, function words are not."""
LENGTH_WEIGHT = 0.5
"""Weight of the log-probability of an answer's length: first and last word are scored separately,
and say less about it."""
LENGTH_QUANTILE = 0.99
"""Share of the training answers that are no longer than the maximum length of predictions."""


@dataclass(frozen=True)
class Example:
    """A question with the answers of one or several people, and its location (FILE:LINE)."""

    question: str
    context: str
    answers: tuple[Span, ...]
    """Begin and end of each in the context; none if it has no answer."""
    place: str

    @property
    def texts(self) -> list[str]:
        """The texts of the answers."""
        return [self.context[start:end] for start, end in self.answers]


@dataclass(frozen=True)
class Spec:
    """Settings of a fine-tuned model besides its weights."""

    type_words: tuple[str, ...]
    """Words of questions by which the form of an answer is predicted, such as "who"."""
    common_words: tuple[str, ...]
    """Words of so many questions that finding them in the context means nothing."""
    length_costs: Annotated[tuple[FiniteFloat, ...], Field(min_length=1)]
    """Subtracted from the log-probability of answers with 1, 2, 3, … words; none has more."""
    has_no_answer: bool
    """Whether the context of some training examples has no answer."""
    no_answer_bonus: float = 0.0
    """Added to the log-probability that there is no answer."""


def read_examples(config: QuestionAnsweringConfig, split: str) -> Rows[Example]:
    """Return the examples of a split.

    Raises:
        InputError: the data is invalid; the message names the file, the line and the fix.
    """

    def parse(values: dict[str, Any], place: str) -> Example:
        question = as_text(values[config.question], config.question)
        context = as_text(values[config.context], config.context)
        name = f" (id {values['id']})" if isinstance(values.get("id"), str | int) else ""
        spans = _answer_spans(values[config.answers], context, config.answers, name)
        context, spans = redact_with_spans(context, spans, config.redaction)
        return Example(redact(question, config.redaction)[0], context, tuple(spans), place)

    columns = {name: getattr(config, name) for name in ("question", "context", "answers")}
    return read_rows(config, split, columns, parse)


def _answer_spans(value: object, context: str, column: str, name: str) -> list[Span]:
    """Return begin and end of each answer in the context.

    Raises:
        ValueError: the value has another form, or an answer is not where it should be.
    """
    if isinstance(value, list) and all(isinstance(one, dict) for one in value):
        value = {key: [one.get(key) for one in value] for key in ("text", "answer_start")}
    if not isinstance(value, dict) or not {"text", "answer_start"} <= value.keys():
        shown = describe_value(value).partition(": select a field")[0]
        raise ValueError(
            f"column {column!r} holds no object with the lists text and answer_start{name}: {shown}"
        )
    texts, starts = value["text"], value["answer_start"]
    if not isinstance(texts, list) or not isinstance(starts, list) or len(texts) != len(starts):
        raise ValueError(f"text and answer_start of {column!r} are not lists of one length{name}")
    spans: list[Span] = []
    for text, start in zip(texts, starts, strict=True):
        if not isinstance(text, str) or not text.strip():
            raise ValueError(f"{column!r} has an answer without text{name}; no answer is []")
        if not isinstance(start, int) or isinstance(start, bool):
            raise ValueError(f"{column!r} has an answer_start that is no integer{name}: {start!r}")
        if start < 0 or not context.startswith(text, start):
            at = context.find(text)
            where = f"it is at {at}" if at >= 0 else "it is not in the context at all"
            raise ValueError(
                f"the answer {text[:60]!r} is not at answer_start={start}{name}: {where}"
            )
        spans.append((start + len(text) - len(text.lstrip()), start + len(text.rstrip())))
    return spans


def make_spec(config: QuestionAnsweringConfig, train: Sequence[Example]) -> Spec:
    """Return the words of questions that matter, and the length of answers.

    Raises:
        InputError: no example has an answer.
    """
    questions = [[*map(str.lower, split_words(example.question))] for example in train]
    passages = {e.context: split_passage(e.context, UNREDACTED) for e in train}
    answered = [
        (words, _answer_words(example, passages[example.context]))
        for words, example in zip(questions, train, strict=True)
        if example.answers
    ]
    if not answered:
        raise InputError(
            f"tasks.{config.name}: no training example has an answer: add some with answers."
        )
    contexts = {text: {*map(str.lower, p.words)} for text, p in passages.items()}
    pairs = [({*words}, contexts[e.context]) for words, e in zip(questions, train, strict=True)]
    return Spec(
        type_words=_type_words(answered),
        common_words=_common_words(pairs),
        length_costs=_length_costs([len(answer) for _, answer in answered]),
        has_no_answer=len(answered) < len(train),
    )


def _answer_words(example: Example, passage: Passage) -> tuple[str, ...]:
    """Return the words of the context that contain the first answer."""
    return passage.words[slice(*passage.words_of(example.answers[0]))]


def _common_words(pairs: Sequence[tuple[Set[str], Set[str]]]) -> tuple[str, ...]:
    """Return the common words of questions that are as often in any context as in their own.

    Args:
        pairs: the words of each question and of its context.
    """
    asked = Counter(chain.from_iterable(question for question, _ in pairs))
    stated = Counter(chain.from_iterable(context for _, context in pairs))
    both = Counter(chain.from_iterable(question & context for question, context in pairs))
    return tuple(
        sorted(
            word
            for word, n in asked.items()
            if n >= COMMON_SHARE * len(pairs)
            and both[word] * len(pairs) <= MIN_LIFT * n * stated[word]
        )
    )


def _length_costs(lengths: Sequence[int]) -> tuple[float, ...]:
    """Return what an answer of each length costs, given those of training."""
    longest = max(1, int(np.quantile(lengths, LENGTH_QUANTILE)))
    counts = np.bincount(np.minimum(lengths, longest), minlength=longest + 1)[1:] + 1
    return tuple((-LENGTH_WEIGHT * np.log(counts / counts.sum())).tolist())


def _type_words(answered: Sequence[tuple[Sequence[str], Sequence[str]]]) -> tuple[str, ...]:
    """Return the words of questions with the most information about the form of the answer.

    That is the mutual information of a word with the shape of the answer's first word, in whatever
    language the questions are.
    """
    shapes = Counter(word_shape(answer[0]) for _, answer in answered)
    n = len(answered)
    pairs: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for words, answer in answered:
        for word in {*words}:
            pairs[word][word_shape(answer[0])] += 1
    gains: dict[str, float] = {}
    for word, seen in pairs.items():
        n_word = seen.total()
        if n_word < MIN_TYPE_SHARE * n:
            continue
        gain = 0.0
        for shape, n_shape in shapes.items():
            for both, n_side in ((seen[shape], n_word), (n_shape - seen[shape], n - n_word)):
                if both:
                    gain += both / n * float(np.log(both * n / (n_side * n_shape)))
        gains[word] = gain
    return tuple(sorted(gains, key=lambda word: (-gains[word], word))[:MAX_TYPE_WORDS])


def check_examples(
    config: QuestionAnsweringConfig, spec: Spec, examples: Sequence[Example]
) -> None:
    """Raise InputError if a context has no answer, but every one in training has.

    Raises:
        InputError: an example has no answer, which models of this training data cannot say.
    """
    for example in examples:
        if not example.answers and not spec.has_no_answer:
            raise InputError(
                f"{example.place}: the question has no answer, and none of the training data of "
                f"task {config.name!r} is without: correct it, or add such training examples."
            )


def group(example: Example) -> str:
    """Return the context of an example, which several questions may have."""
    return example.context


def reference(example: Example) -> dict[str, Any]:
    """Return the fields of the predictions file that are the input and reference of an example."""
    return {
        "question": example.question,
        "context": example.context,
        "reference": example.texts,
    }


def model_input(example: Example) -> dict[str, str]:
    """Return the input of the model."""
    return {"question": example.question, "context": example.context}
