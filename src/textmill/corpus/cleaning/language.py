"""Language identification."""

from __future__ import annotations

import re

UNKNOWN = "und"
"""BCP 47 tag of text in an unknown language."""

_CHARS = 1000  # of a document that are classified: more are slower, and hardly more accurate
_LETTER = re.compile(r"[^\W\d_]")


def identify_language(text: str) -> str:
    """Return the ISO 639-1 code of the language at the start of a text; "und" without letters.

    py3langid's model is a naive Bayes classifier over byte n-grams for 97 languages.

    Source: Lui & Baldwin 2012 ("langid.py: An Off-the-shelf Language Identification Tool").
    """
    beginning = text[:_CHARS]
    if not _LETTER.search(beginning):
        return UNKNOWN
    import py3langid  # loads its model on import

    language, _ = py3langid.classify(beginning)
    return str(language)
