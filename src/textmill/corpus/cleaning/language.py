"""The language of a text."""

from __future__ import annotations

import re

UNKNOWN = "und"
"""BCP 47 tag of text whose language is not known."""

_CHARS = 1000  # of a document that are read: more are slower, and hardly more reliable
_LETTER = re.compile(r"[^\W\d_]")


def identify_language(text: str) -> str:
    """Return the ISO 639-1 code of the language that a text begins in; "und" without letters.

    Of the 97 languages of py3langid's own model, a naive Bayes classifier on byte n-grams.

    Source: Lui & Baldwin 2012 ("langid.py: An Off-the-shelf Language Identification Tool").
    """
    beginning = text[:_CHARS]
    if not _LETTER.search(beginning):
        return UNKNOWN
    import py3langid  # reads its model when it is imported

    language, _ = py3langid.classify(beginning)
    return str(language)
