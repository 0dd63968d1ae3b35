"""Test examples that a model got right and wrong, ready to be shown, whatever the kind of task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from textmill.tasks.shown import Shown, page_of

N_CANDIDATES = 200
"""Wrong examples, the surest ones, that those to be shown are chosen from."""
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Examples:
    """Some examples of each sort, and how many there are."""

    right: tuple[Shown, ...] = ()
    wrong: tuple[Shown, ...] = ()
    n_right: int = 0
    n_wrong: int = 0


def choose_examples(kind: str, rows: Sequence[Row], n_right: int, n_wrong: int) -> Examples:
    """Return examples from the rows of a predictions file.

    The wrong ones begin with the one the model was surest of, and each further one is the least
    like those before it; the right ones are spread over the file, those with something marked
    before those without.
    """
    shown = list(map(page_of(kind).show, rows))
    wrong = [example for example in shown if not example.is_right]
    right = [example for example in shown if example.is_right]
    marked = [example for example in right if any(part.mark for part in example.segments)]
    return Examples(
        right=tuple(_spread(marked or right, n_right)),
        wrong=tuple(_varied(wrong, n_wrong)),
        n_right=len(right),
        n_wrong=len(wrong),
    )


def _varied(items: Sequence[Shown], most: int) -> list[Shown]:
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


def _features(example: Shown) -> tuple[frozenset[str], frozenset[str]]:
    """Return the pieces of an example's text, and its mistakes."""
    text = "".join(part.text for part in example.segments).lower()
    # Words, where there are some; neighbouring characters serve languages without spaces.
    pieces = frozenset(text.split()) | frozenset(map("".join, pairwise(text)))
    return pieces, example.mistakes


def _overlap(one: tuple[frozenset[str], ...], other: tuple[frozenset[str], ...]) -> float:
    """Return the mean Jaccard similarity of two examples' sets."""
    shares = [len(a & b) / max(1, len(a | b)) for a, b in zip(one, other, strict=True)]
    return sum(shares) / len(shares)


def _spread(items: Sequence[Shown], most: int) -> list[Shown]:
    """Return up to so many items, evenly spaced."""
    if len(items) <= most:
        return list(items)
    return [items[i * len(items) // most] for i in range(most)]
