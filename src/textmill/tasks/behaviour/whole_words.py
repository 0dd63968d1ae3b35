"""Terms found as whole words."""

from __future__ import annotations

import re
from collections.abc import Iterable

_UNSPACED = "\u2e80"
"""The first character of scripts without spaces between words."""


def whole_words(terms: Iterable[str]) -> re.Pattern[str]:
    """Return what finds terms as whole words, the longest first; `man` is none in Spider-Man."""

    def bounded(term: str) -> str:
        before = "" if term[0] >= _UNSPACED else r"(?<![\w-])"
        after = "" if term[-1] >= _UNSPACED else r"(?![\w-])"
        return f"{before}{re.escape(term)}{after}"

    ordered = sorted(terms, key=len, reverse=True)
    return re.compile("|".join(map(bounded, ordered)), re.IGNORECASE)
