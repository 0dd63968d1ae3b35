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


def tags_of(types: Iterable[str]) -> tuple[str, ...]:
    """Return all tags for the entity types: O, then B and I of each type by name."""
    return (OUTSIDE, *(f"{part}-{name}" for name in sorted(set(types)) for part in "BI"))


def types_in(tags: Iterable[str]) -> set[str]:
    """Return the entity types that the tags name."""
    return {tag[2:] for tag in tags if tag != OUTSIDE}


def check_tags(tags: Sequence[str]) -> None:
    """Check that the tags are strict IOB2.

    Raises:
        ValueError: a tag has another form, or an I- tag does not continue an entity of its type.
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


def spans(tags: Sequence[str]) -> list[tuple[int, int, str]]:
    """Return the entities of valid tags: first word, word after the last, type."""
    found: list[tuple[int, int, str]] = []
    for index, tag in enumerate(tags):
        if tag.startswith("B-"):
            found.append((index, index + 1, tag[2:]))
        elif tag.startswith("I-"):
            start, _, name = found[-1]
            found[-1] = (start, index + 1, name)
    return found


def entity_f1(predictions: Sequence[Sequence[str]], references: Sequence[Sequence[str]]) -> float:
    """Return F1 over the entities of valid tags; 0 where there are none at all."""
    n_right = n_both = 0
    for guessed, true in zip(predictions, references, strict=True):
        n_right += len(set(spans(guessed)) & set(spans(true)))
        n_both += len(spans(guessed)) + len(spans(true))
    return 2 * n_right / max(1, n_both)


def best_tags(scores: NDArray[np.floating], tags: tuple[str, ...]) -> list[str]:
    """Return the valid sequence with the highest sum of scores (Viterbi 1967).

    Args:
        scores: (words, tags), such as log-probabilities.
        tags: the names of the columns.
    """
    if not len(scores):
        return []
    barrier = _barrier(tags)
    total = scores[0] + barrier[tags.index(OUTSIDE)]  # a text begins as after a word outside
    came_from = np.zeros(scores.shape, dtype=np.intp)
    for word in range(1, len(scores)):
        paths = total[:, None] + barrier
        came_from[word] = paths.argmax(axis=0)
        total = paths.max(axis=0) + scores[word]
    path = [int(total.argmax())]
    for word in range(len(scores) - 1, 0, -1):
        path.append(int(came_from[word, path[-1]]))
    return [tags[index] for index in reversed(path)]


@cache
def _barrier(tags: tuple[str, ...]) -> NDArray[np.float64]:
    """Return (tags, tags): 0 where the second tag may follow the first, minus infinity elsewhere.

    Before an I- tag only the B- and I- of its type are allowed; before the others, everything.
    """
    return np.array(
        [
            [0.0 if not to.startswith("I-") or before[2:] == to[2:] else -np.inf for to in tags]
            for before in tags
        ]
    )
