"""Placeholders for personal data, apart from the finders: tokenizers need the placeholders only."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from itertools import chain

PLACEHOLDERS = {
    "email": "[EMAIL]",
    "phone": "[PHONE]",
    "ip": "[IP]",
    "card": "[CARD]",
    "iban": "[IBAN]",
    "national_id": "[NATIONAL_ID]",
    "access_key": "[ACCESS_KEY]",
    "private_key": "[PRIVATE_KEY]",
    "url_credentials": "[CREDENTIALS]",
}
"""Placeholder for each kind of personal data."""


def word_spans(text: str, word: re.Pattern[str]) -> Iterator[tuple[int, int]]:
    """Yield begin and end of each word; a placeholder is one, also after a letter.

    Args:
        text: the text.
        word: matches words.
    """
    at = 0
    for match in chain(_placeholder().finditer(text), [None]):
        stop = len(text) if match is None else match.start()
        yield from (found.span() for found in word.finditer(text, at, stop))
        if match is not None:
            yield match.span()
            at = match.end()


@cache
def _placeholder() -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, PLACEHOLDERS.values())))
