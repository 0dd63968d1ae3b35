"""The words that taggers are given, and the entities that follow from their probabilities."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textmill.config import RedactionConfig
from textmill.corpus.words import word_pattern
from textmill.safety.placeholders import with_placeholders
from textmill.safety.pretokenized import redact_split, redact_words
from textmill.tasks.tagging.examples import Example, Spec, Words
from textmill.tasks.tagging.iob2 import OUTSIDE, best_tags, entity_f1, spans

PREDICT_BATCH = 32
"""Batch size of prediction."""
OUTSIDE_PENALTIES = (0.0, 0.5, 1.0, 1.5, 2.0, 2.5)
"""Penalties on O that are tried, in nats."""


@dataclass(frozen=True)
class Prepared:
    """The words of an input, without personal data."""

    words: Words
    text: str | None = None
    """The original text; None: the words were given."""
    offsets: tuple[tuple[int, int], ...] = ()
    """Begin and end of each word in that text, in characters."""


def columns(spec: Spec) -> tuple[str, ...]:
    """Return the columns of a model's input; the only one is the text itself."""
    return ("text",)


def prepare(
    spec: Spec, inputs: Sequence[str | Words], redaction: RedactionConfig
) -> list[Prepared]:
    """Return the words of each input: a text is split into words, given words stay as they are."""
    pattern = _word_pattern(spec.is_by_character)
    prepared = []
    for item in inputs:
        if isinstance(item, str):
            offsets = [match.span() for match in pattern.finditer(item)]
            words = redact_split(item, offsets, redaction)
            prepared.append(Prepared(words, item, tuple(offsets)))
        else:
            prepared.append(Prepared(redact_words(item, redaction)))
    return prepared


def targets(spec: Spec, example: Example) -> list[int]:
    """Return the numbers of the correct tags, one for each row of the scores."""
    return [spec.labels.index(tag) for tag in example.tags]


def answer(
    spec: Spec, prepared: Sequence[Prepared], scores: Sequence[NDArray[np.floating]]
) -> Iterator[dict[str, Any]]:
    """Yield the entities of each text with character offsets, or the tags of given words.

    No text is truncated. Entities and offsets refer to the original text.

    Args:
        spec: the tags.
        prepared: the words of each text.
        scores: the probabilities of each text's words, (words, tags).
    """
    for item, probabilities in zip(prepared, scores, strict=True):
        tags = decide(spec, probabilities)
        if item.text is None:
            yield {"tags": tags, "is_cut": False}
            continue
        entities = []
        for first, end, name in spans(tags):
            start, stop = item.offsets[first][0], item.offsets[end - 1][1]
            entities.append(
                {"text": item.text[start:stop], "type": name, "start": start, "end": stop}
            )
        yield {"entities": entities, "is_cut": False}


def fit_decision(
    spec: Spec, scores: Sequence[NDArray[np.floating]], examples: Sequence[Example]
) -> Spec:
    """Return the settings with the penalty on O that gives the highest F1 of entities.

    The likeliest tags maximise the expected number of correct words. F1 ignores correct O's, and is
    higher if entities are also named that are less likely than not (Lipton et al. 2014).
    """
    references = [example.tags for example in examples]

    def f1(penalty: float) -> float:
        penalised = replace(spec, outside_penalty=penalty)
        return entity_f1([decide(penalised, row) for row in scores], references)

    return replace(spec, outside_penalty=max(OUTSIDE_PENALTIES, key=f1))


def decide(spec: Spec, probabilities: NDArray[np.floating]) -> list[str]:
    """Return the tags of a text's words."""
    scores = _log_of(probabilities)
    scores[:, spec.labels.index(OUTSIDE)] -= spec.outside_penalty
    return best_tags(scores, spec.labels)


def _log_of(probabilities: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return finite logarithms: tags without probability are the last resort, not impossible."""
    smallest = np.finfo(probabilities.dtype).tiny
    logs: NDArray[np.floating] = np.log(np.maximum(probabilities, smallest))
    return logs


@cache
def _word_pattern(is_by_character: bool) -> re.Pattern[str]:
    """Return a pattern that matches the words of a text; a placeholder is one word."""
    return with_placeholders(r"\S" if is_by_character else word_pattern().pattern)
