"""Selection of correct and wrong predictions to show in the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textmill.evaluation.similarity import jaccard, pieces
from textmill.tasks.shown import Shown

N_CANDIDATES = 200
"""Number of the most confident wrong examples to select from."""


@dataclass(frozen=True)
class Examples:
    """Selected correct and wrong examples, with the total numbers."""

    right: tuple[Shown, ...] = ()
    wrong: tuple[Shown, ...] = ()
    n_right: int = 0
    n_wrong: int = 0


def choose_examples(shown: Sequence[Shown], n_right: int, n_wrong: int) -> Examples:
    """Return selected examples from those of a predictions file.

    Wrong ones start with the most confident; each further one is the least similar to those before
    it. Correct ones are evenly spaced in the file; if any have highlights, only those are selected.
    """
    wrong = [example for example in shown if not example.is_right]
    right = [example for example in shown if example.is_right]
    marked = [example for example in right if any(part.mark for part in example.segments)]
    return Examples(
        right=tuple(_spread(marked or right, n_right)),
        wrong=tuple(_varied(wrong, n_wrong)),
        n_right=len(right),
        n_wrong=len(wrong),
    )


def _varied(items: Sequence[Shown], max_items: int) -> list[Shown]:
    """Return diverse items: the most confident, then each the least similar to those before it.

    Similarity is that to the nearest selected item (Carbonell & Goldstein 1998, "The Use of MMR");
    ties are broken by confidence.
    """
    candidates = sorted(items, key=lambda example: -example.certainty)[:N_CANDIDATES]
    features = [_features(example) for example in candidates]
    nearest = [0.0] * len(candidates)
    chosen: list[int] = []
    while len(chosen) < min(max_items, len(candidates)):
        rest = [i for i in range(len(candidates)) if i not in chosen]
        best = min(rest, key=lambda i: nearest[i])
        chosen.append(best)
        nearest = [
            max(near, _overlap(own, features[best]))
            for near, own in zip(nearest, features, strict=True)
        ]
    return [candidates[i] for i in chosen]


def _features(example: Shown) -> tuple[frozenset[str], frozenset[str]]:
    """Return words and character bigrams of an example's text, and its mistakes."""
    return pieces("".join(part.text for part in example.segments)), example.mistakes


def _overlap(one: tuple[frozenset[str], ...], other: tuple[frozenset[str], ...]) -> float:
    """Return the mean Jaccard similarity of two examples' sets."""
    shares = [jaccard(a, b) for a, b in zip(one, other, strict=True)]
    return sum(shares) / len(shares)


def _spread(items: Sequence[Shown], max_items: int) -> list[Shown]:
    """Return up to `max_items` evenly spaced items."""
    if len(items) <= max_items:
        return list(items)
    return [items[i * len(items) // max_items] for i in range(max_items)]
