"""Plain views of disguised text, whose characters map back to those of the text.

A word may be written in capitals, with accents, zero-width or full-width characters, letters of
another alphabet, digits for letters, repeated letters, or spaces between letters. Lists hold plain
words: they are searched for in the views, and the offsets of what is found are those in the text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from textmill.safety.numbers import Span

WORD = "[a-z0-9]"
"""A letter or digit of a plain view; those of scripts without spaces do not form words."""
LETTER = "[a-z]"
LEET = {
    **{"0": "o", "1": "il", "3": "e", "4": "a", "5": "s", "7": "t", "8": "b"},
    **{"@": "a", "$": "s", "!": "i", "|": "il"},
}
"""Digits and signs, and the letters that they are written for."""

_LOOK_ALIKES = {
    **dict(zip("авеёзикмнорстухіјѕԁһӏ", "abeezukmhopctyxijsdhl", strict=True)),
    **dict(zip("αβεικνορτυχω", "abeiknoptuxw", strict=True)),
    **dict(zip("øłđıæœ", ("o", "l", "d", "i", "ae", "oe"), strict=True)),
    **dict.fromkeys("’‘ʼ´`＇", "'"),
    "_": " ",
    "\u3002": ".",
}
_DROPPED = {"Cf", "Mn", "Me"}  # formats such as zero-width spaces and soft hyphens, and accents


class _Folded(dict[str, str]):
    """The plain form of each character, computed once."""

    def __missing__(self, char: str) -> str:
        plain = self[char] = _fold_char(char)
        return plain


def _fold_char(char: str) -> str:
    if unicodedata.category(char) in _DROPPED or char == "\0":
        return ""
    if char.isspace():
        return " "
    char = _LOOK_ALIKES.get(char.lower(), char)
    base = "".join(
        c for c in unicodedata.normalize("NFKD", char) if unicodedata.category(c) != "Mn"
    )
    if len(base) != 1 and not base.isascii():  # such as the parts of a Korean syllable
        base = char
    return "".join(_LOOK_ALIKES.get(c, c) for c in base.casefold())


_FOLDED = _Folded()
_ASCII = {code: _FOLDED[chr(code)] or " " for code in range(128)}
_LEET = re.compile(r"(?<=[a-z])[0134578$@](?![0-9])|[0134578$@](?=[a-z])|(?<=[a-z])[!|](?=[a-z])")
_LEET_TABLES = [
    str.maketrans({sign: letters[0] for sign, letters in LEET.items()}),
    str.maketrans({sign: letters[-1] for sign, letters in LEET.items()}),
]
_STRETCHED = re.compile(rf"({LETTER})\1\1+")
_SPELLED_OUT = re.compile(
    rf"(?<!{WORD}){LETTER}(?=([ .*~-]){LETTER}\1{LETTER}(?!{WORD}))(?:\1{LETTER}(?!{WORD})){{2,}}+"
)


AROUND_CHARS = 100
"""Characters beside a disguise that are searched for a phrase that contains it."""


@dataclass(frozen=True)
class View:
    """A plain text, and for each of its characters the place in the original."""

    text: str
    starts: Sequence[int]
    ends: Sequence[int]
    """Exclusive; dropped characters, such as accents, belong to the character before them."""
    source: str | None = None
    """The view that digits and signs were replaced in, of the same length."""

    def original_span(self, start: int, end: int) -> Span | None:
        """Return the span in the original of a span of the view.

        None if no digit or sign in it is beside a letter: 455 is a number.
        """
        if self.source is not None and not _LEET.search(self.source, start, end):
            return None
        return self.starts[start], self.ends[end - 1]


def fold(text: str) -> View:
    """Return a text in lower case, without accents and invisible characters.

    Look-alikes of Latin letters become these, and each white space and underscore a space.
    """
    if text.isascii():
        return View(text.translate(_ASCII), range(len(text)), range(1, len(text) + 1))
    plain = [_FOLDED[char] for char in text]
    folded = "".join(plain)
    if len(folded) == len(text) and all(plain):
        return View(folded, range(len(text)), range(1, len(text) + 1))
    starts = [at for at, chars in enumerate(plain) for _ in chars]
    following = [*starts[1:], len(text)][: len(starts)]
    ends = [max(at + 1, after) for at, after in zip(starts, following, strict=True)]
    return View(folded, starts, ends)


def views(text: str) -> Iterator[View]:
    """Yield the plain view of a text, and views of the parts with signs of a disguise, undone."""
    plain = fold(text)
    yield plain
    for part in _around(plain, _LEET):
        for table in _LEET_TABLES:
            read = part.text.translate(table)
            yield View(read, part.starts, part.ends, part.text)
    for part in _around(plain, _STRETCHED):
        for kept in (1, 2):
            yield _view_of_parts(part, _shortened(part.text, kept))
    for part in _around(plain, _SPELLED_OUT):
        yield _view_of_parts(part, _closed_up(part.text))


def _around(view: View, pattern: re.Pattern[str]) -> Iterator[View]:
    """Yield the parts of a view with matches of a pattern, with the words around them."""
    begin = end = 0
    for match in pattern.finditer(view.text):
        if match.start() - AROUND_CHARS > end:
            if end:
                yield _part_of(view, begin, end)
            begin = match.start() - AROUND_CHARS
        end = match.end() + AROUND_CHARS
    if end:
        yield _part_of(view, begin, end)


def _part_of(view: View, begin: int, end: int) -> View:
    """Return a part of a view that ends at spaces."""
    begin = view.text.rfind(" ", 0, max(0, begin)) + 1
    after = view.text.find(" ", end)
    part = slice(begin, len(view.text) if after < 0 else after)
    return View(view.text[part], view.starts[part], view.ends[part])


Part = tuple[int, int, int]
"""Characters of a view that are kept: start and end, and the end of what they stand for."""


def _shortened(text: str, kept: int) -> Iterator[Part]:
    """Yield the parts of a text in which letters are repeated at most this often."""
    done = 0
    for match in _STRETCHED.finditer(text):
        last = match.start() + kept
        yield done, last - 1, last - 1
        yield last - 1, last, match.end()
        done = match.end()
    yield done, len(text), len(text)


def _closed_up(text: str) -> Iterator[Part]:
    """Yield the parts of a text without what separates the letters of words spelled out."""
    done = 0
    for match in _SPELLED_OUT.finditer(text):
        yield done, match.start(), match.start()
        yield from ((at, at + 1, at + 1) for at in range(match.start(), match.end(), 2))
        done = match.end()
    yield done, len(text), len(text)


def _view_of_parts(view: View, parts: Iterator[Part]) -> View:
    kept = [part for part in parts if part[0] < part[1]]
    text = "".join(view.text[start:end] for start, end, _ in kept)
    starts = [*chain.from_iterable(view.starts[start:end] for start, end, _ in kept)]
    ends: list[int] = []
    for start, end, stands_for in kept:
        ends += view.ends[start:end]
        ends[-1] = view.ends[stands_for - 1]
    return View(text, starts, ends)
