"""Held-out combinations, which occur only in test examples."""

from __future__ import annotations

from zlib import crc32


def is_held_out(first: str, second: str) -> bool:
    """Return whether a pair occurs only in test examples; true for about one in four.

    It depends only on the pair, not on a seed: a pair always belongs to the same split.
    """
    return crc32(f"{first}\n{second}".encode()) % 4 == 0
