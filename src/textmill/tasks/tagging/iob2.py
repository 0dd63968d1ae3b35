"""Entity spans as IOB2 tags: B-TYPE begins an entity, I-TYPE continues it, O is outside.

Source: Ramshaw & Marcus 1995 (the tags), Tjong Kim Sang & Veenstra 1999 (IOB2, where every entity
begins with B).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

OUTSIDE = "O"

Span = tuple[int, int, str]
"""The first word of an entity, the word after its last, and its type."""
Counts = list[int]
"""Numbers of correct, predicted and reference entities."""


def tags_of(types: Iterable[str]) -> tuple[str, ...]:
    """Return all tags of entity types: O, then B- and I- of each type, sorted by name."""
    return (OUTSIDE, *(f"{part}-{name}" for name in sorted(set(types)) for part in "BI"))


def types_in(tags: Iterable[str]) -> set[str]:
    """Return the entity types of the tags."""
    return {tag[2:] for tag in tags if tag != OUTSIDE}


def check_tags(tags: Sequence[str]) -> None:
    """Raise ValueError if the tags are not strict IOB2.

    Raises:
        ValueError: a tag is malformed, or an I- tag does not continue an entity of its type.
    """
    before = OUTSIDE
    for index, tag in enumerate(tags):
        if tag != OUTSIDE and (tag[:2] not in ("B-", "I-") or len(tag) == 2):
            raise ValueError(f"tag {index} is {tag!r}: use O, B-TYPE or I-TYPE")
        if tag.startswith("I-") and before[2:] != tag[2:]:
            raise ValueError(
                f"tag {index} is {tag!r} after {before!r}: an entity begins with B-{tag[2:]}"
            )
        before = tag


def spans(tags: Sequence[str]) -> list[Span]:
    """Return the entities: first word, word after the last, type.

    An I- tag that does not continue an entity of its type is ignored.
    """
    found: list[Span] = []
    for index, tag in enumerate(tags):
        if tag.startswith("B-"):
            found.append((index, index + 1, tag[2:]))
        elif tag.startswith("I-") and found and found[-1][1:] == (index, tag[2:]):
            found[-1] = (found[-1][0], index + 1, tag[2:])
    return found


def count_entities(guessed: Sequence[str], true: Sequence[str]) -> dict[str, Counts]:
    """Return the numbers of correct, predicted and reference entities of a text, by type.

    All metrics compare entities with this function. An entity is correct if its type, its first
    word and its last word are (Tjong Kim Sang & De Meulder 2003, section 2.3).
    """
    predicted, expected = set(spans(guessed)), set(spans(true))
    counts: dict[str, Counts] = {}
    for part, group in enumerate((predicted & expected, predicted, expected)):
        for _, _, name in group:
            counts.setdefault(name, [0, 0, 0])[part] += 1
    return counts


def count_all_entities(
    predictions: Sequence[Sequence[str]], references: Sequence[Sequence[str]]
) -> dict[str, Counts]:
    """Return the numbers of correct, predicted and reference entities of all texts, by type."""
    total: dict[str, Counts] = {}
    for guessed, true in zip(predictions, references, strict=True):
        for name, counts in count_entities(guessed, true).items():
            before = total.setdefault(name, [0, 0, 0])
            total[name] = [a + b for a, b in zip(before, counts, strict=True)]
    return dict(sorted(total.items()))


def entity_scores(counts: Counts) -> dict[str, float]:
    """Return precision, recall and F1 of counts; 0 if the denominator is 0."""
    right, predicted, expected = counts
    return {
        "precision": right / max(1, predicted),
        "recall": right / max(1, expected),
        "f1": 2 * right / max(1, predicted + expected),
    }


def overall(counts: Iterable[Counts]) -> Counts:
    """Return the sum of the counts of all types."""
    return [sum(column) for column in zip([0, 0, 0], *counts, strict=True)]


def entity_f1(predictions: Sequence[Sequence[str]], references: Sequence[Sequence[str]]) -> float:
    """Return F1 over all entities; 0 if there are none."""
    counts = count_all_entities(predictions, references)
    return entity_scores(overall(counts.values()))["f1"]


def best_tags(scores: NDArray[np.floating], tags: tuple[str, ...]) -> list[str]:
    """Return the valid sequence with the highest sum of scores (Viterbi 1967).

    Args:
        scores: (words, tags), such as log-probabilities.
        tags: the names of the columns.
    """
    if not len(scores):
        return []
    transitions = transition_scores(tags)
    total = scores[0] + transitions[tags.index(OUTSIDE)]  # as if the word before were outside
    came_from = np.zeros(scores.shape, dtype=np.intp)
    for word in range(1, len(scores)):
        paths = total[:, None] + transitions
        came_from[word] = paths.argmax(axis=0)
        total = paths.max(axis=0) + scores[word]
    path = [int(total.argmax())]
    for word in range(len(scores) - 1, 0, -1):
        path.append(int(came_from[word, path[-1]]))
    return [tags[index] for index in reversed(path)]


@cache
def transition_scores(tags: tuple[str, ...]) -> NDArray[np.float64]:
    """Return (tags, tags): 0 if the second tag may follow the first, otherwise minus infinity."""
    return np.array(
        [[0.0 if can_follow(before, to) else -np.inf for to in tags] for before in tags]
    )


def can_follow(before: str, tag: str) -> bool:
    """Return whether a tag may follow another: an I- tag only the B- or I- tag of its type."""
    return not tag.startswith("I-") or before[2:] == tag[2:]
