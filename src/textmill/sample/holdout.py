"""Which combinations are held out of the labelled training examples."""

from __future__ import annotations

from zlib import crc32


def is_held_out(first: str, second: str) -> bool:
    """Return whether the pair is met in test examples only; true of about one in four.

    The answer hangs on the words and not on a seed: a pair is always on the same side.
    """
    return crc32(f"{first}\n{second}".encode()) % 4 == 0
