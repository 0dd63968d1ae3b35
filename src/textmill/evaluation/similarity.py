"""Similarity of short texts, to choose different ones among them."""

from __future__ import annotations

from itertools import pairwise


def pieces(text: str) -> frozenset[str]:
    """Return words and character bigrams of a text; the latter for languages without spaces."""
    lower = text.lower()
    return frozenset(lower.split()) | frozenset(map("".join, pairwise(lower)))


def jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    """Return the share of common members in the union of two sets; 0 if both are empty."""
    return len(one & other) / max(1, len(one | other))
