"""The words that taggers are given, and the entities that follow from their probabilities."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textmill.config import RedactionConfig
from textmill.corpus.words import word_pattern
from textmill.errors import InputError
from textmill.safety.placeholders import word_spans
from textmill.safety.pretokenized import redact_split, redact_words
from textmill.tasks.tagging.examples import Example, Spec, Words, label_number
from textmill.tasks.tagging.iob2 import OUTSIDE, best_tags, entity_f1, spans

PREDICT_BATCH = 32
"""Batch size of prediction."""
WRITES: str | None = None
"""Entities are quotations."""
_CHARACTER = re.compile(r"\S")
details = None
"""Metrics need nothing besides the tags."""
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
    predicate: int | None = None
    """The number of the word that the tags refer to, if they refer to one."""


def columns(spec: Spec) -> tuple[str, ...]:
    """Return the columns of a model's input; a single one is the text itself."""
    return ("text", "predicate") if spec.has_predicate else ("text",)


def prepare(spec: Spec, inputs: Sequence[Any], redaction: RedactionConfig) -> list[Prepared]:
    """Return the words of each input: a text is split into words, given words stay as they are.

    Args:
        spec: the tags.
        inputs: texts or words; or mappings with these as `text`, and `predicate`, which is one of
            the words, or its number.
        redaction: of the words.

    Raises:
        InputError: a predicate is not in its text.
    """
    if not spec.has_predicate:
        return [_split(spec, item, redaction) for item in inputs]
    prepared = []
    for item in inputs:
        one = _split(spec, item["text"], redaction)
        prepared.append(replace(one, predicate=_find(item["predicate"], item["text"], one)))
    return prepared


def _split(spec: Spec, item: str | Words, redaction: RedactionConfig) -> Prepared:
    if not isinstance(item, str):
        return Prepared(redact_words(item, redaction))
    offsets = tuple(word_spans(item, _CHARACTER if spec.is_by_character else word_pattern()))
    return Prepared(redact_split(item, offsets, redaction), item, offsets)


def _find(predicate: str | int, text: str | Words, prepared: Prepared) -> int:
    """Return the number of a predicate; of several equal words, that of the first.

    If words are characters, a predicate of several is that at its first.

    Raises:
        InputError: it is not in the text.
    """
    offsets = prepared.offsets
    words = [text[a:b] for a, b in offsets] if isinstance(text, str) else [*text]
    if predicate in words:
        return words.index(str(predicate))
    if isinstance(text, str) and isinstance(predicate, str) and predicate:
        starts = [start for start, _ in offsets]
        if len(predicate) > 1 and (at := text.find(predicate)) in starts and len(words[0]) == 1:
            return starts.index(at)
    number = int(predicate) if str(predicate).isdecimal() else -1
    if not 0 <= number < len(words):
        raise InputError(
            f"The predicate {predicate!r} is no word of the text {' '.join(words)[:200]!r}: write "
            f"one of its words, or its number, from 0 to {len(words) - 1}."
        )
    return number


def targets(spec: Spec, example: Example) -> list[int]:
    """Return the numbers of the correct tags, one for each row of the scores."""
    return [label_number(spec, tag) for tag in example.tags]


def answer(
    spec: Spec, prepared: Sequence[Prepared], scores: Sequence[NDArray[np.floating]]
) -> Iterator[dict[str, Any]]:
    """Yield the entities of each text with character offsets, or the tags of given words.

    No text is truncated. Entities and offsets refer to the original text. The score of an entity is
    the mean probability of the tags of its words.

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
        yield {"entities": _entities(spec, item, tags, probabilities), "is_cut": False}


def _entities(
    spec: Spec, item: Prepared, tags: Sequence[str], probabilities: NDArray[np.floating]
) -> list[dict[str, Any]]:
    assert item.text is not None
    entities = []
    for first, end, name in spans(tags):
        start, stop = item.offsets[first][0], item.offsets[end - 1][1]
        columns = [spec.labels.index(tag) for tag in tags[first:end]]
        entities.append(
            {
                "text": item.text[start:stop],
                "type": name,
                "start": start,
                "end": stop,
                "score": float(probabilities[range(first, end), columns].mean()),
            }
        )
    return entities


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
