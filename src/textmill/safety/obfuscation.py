r"""Normalised views of obfuscated text: escapes decoded, look-alike characters replaced.

Raw text may contain an at sign as `&#64;`, `\u0040` or `%40`; typography puts soft hyphens,
zero-width spaces and narrow spaces into numbers; Chinese and Japanese text has full-width digits.
Patterns are written for plain text: they search a normalised view, and their matches are mapped
back to spans of the original.
"""

from __future__ import annotations

import html
import re
import sys
import unicodedata
from bisect import bisect_right
from dataclasses import dataclass

from textmill.safety.numbers import Span

_MAX_LAYERS = 4  # nested escapes, such as &amp;#64; or %2540

_HIDDEN = "\x00\xad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff"
_SPACES = "\xa0\u2000-\u200a\u202f\u205f\u3000"
_HYPHENS = "\u2010\u2011\u2212\ufe63\uff0d"
_DASHES = "\u2012\u2013"  # only between digits: they join words as well
# Full-width commas, colons and brackets are ordinary punctuation in Chinese: left as they are.
_WIDE = "\uff0b\uff0e\uff20-\uff3a\uff3f\uff41-\uff5a\ufe52\ufe6b"
# Limited to the Basic Multilingual Plane: with other planes, `re` takes a hundred times as long to
# search for a set.
DIGITS = "".join(c for c in map(chr, range(0x660, 0xFFFF)) if unicodedata.category(c) == "Nd")
"""Digits outside ASCII."""
_NAMES = (
    "amp|commat|period|lowbar|hyphen|dash|ndash|minus|plus|num|percnt|colon|sol|lpar|rpar|shy|nbsp"
    "|ensp|emsp|thinsp|NonBreakingSpace|ThinSpace|ZeroWidthSpace|NoBreak|zwnj|zwj|lrm|rlm|Tab"
    "|NewLine"
)
_BRACKETED = {"at": "@", "@": "@", "dot": ".", ".": ".", "ät": "@", "punkt": ".", ":": ":"}
_ASCII_MARKERS = "&\\%[({\x00"
# One character class first, which `re` searches for fastest; then the context each one requires.
_OBFUSCATED = re.compile(
    rf"[&\\%\[({{{_HIDDEN}{_SPACES}{_HYPHENS}{_DASHES}{_WIDE}{DIGITS}]"
    r"(?:"
    rf"(?<=&)(?:(?:\#0{{0,4}}[1-9][0-9]{{1,5}}+|{_NAMES});|\#0{{0,4}}[1-9][0-9]{{1,5}}+(?![0-9])"
    r"|\#[xX][0-9A-Fa-f]{1,6}+;)"
    r"|(?<=\\)(?<!\\\\)(?:\\*+(?:u[0-9A-Fa-f]{4}|u\{[0-9A-Fa-f]{1,6}\}|x[0-9A-Fa-f]{2})|/"
    r"|\\{0,8}[nrt](?=[0-9+(A-Z]))"
    r"|(?<=%)[2-7][0-9A-Fa-f]"
    r"|(?<=[\[({])\ ?(?:[Aa][Tt]|[Dd][Oo][Tt]|[Ää][Tt]|[Pp]unkt|PUNKT|[@.:])\ ?[\])}]\ {0,2}"
    rf"|(?<=[{_HIDDEN}{_WIDE}{DIGITS}])"
    rf"|(?<=[0-9A-Z)\]][{_SPACES}])(?=[0-9A-Z(\[])"
    rf"|(?<=[0-9A-Za-z)][{_HYPHENS}])(?=[0-9A-Za-z(])"
    rf"|(?<=[0-9)][{_DASHES}])(?=[0-9(])"
    r")"
)
_HIDDEN_ONE = re.compile(f"[{_HIDDEN}]")
_SPACE = re.compile(f"[{_SPACES}]")
_WHITESPACE_ESCAPES = {"n": "\n", "r": "\n", "t": "\t"}


@dataclass(frozen=True)
class View:
    """A normalised text, with the mapping from its spans to those of the source text."""

    text: str
    _starts: list[int]
    """Start of each segment in the view, ascending."""
    _originals: list[int]
    """Start of each segment in the source text."""
    _widths: list[int]
    """Source characters per character of the segment."""

    def original_span(self, start: int, end: int) -> Span:
        """Return the span in the source text that a span of the view stands for."""
        return self._span(start)[0], self._span(end - 1)[1]

    def _span(self, at: int) -> Span:
        part = bisect_right(self._starts, at) - 1
        begin = self._originals[part] + at - self._starts[part]
        return begin, begin + self._widths[part]


def deobfuscate(text: str) -> list[View]:
    """Return successive views of a text, each decoding one layer of the one before.

    Empty if the text is not obfuscated.
    """
    views: list[View] = []
    if text.isascii() and not any(map(text.__contains__, _ASCII_MARKERS)):
        return views
    while len(views) < _MAX_LAYERS and (match := _OBFUSCATED.search(text)):
        view = _view(text, match)
        if view.text == text:
            break
        views.append(view)
        text = view.text
    return views


def original_span(views: list[View], span: Span) -> Span:
    """Return the span in the original text of a span in the last of its views."""
    for view in reversed(views):
        span = view.original_span(*span)
    return span


def _view(text: str, match: re.Match[str] | None) -> View:
    """Return the view of a text with its outermost layer of escapes decoded."""
    pieces: list[str] = []
    starts: list[int] = []
    spans: list[int] = []
    widths: list[int] = []
    length = done = 0

    def add(piece: str, place: int, width: int) -> None:
        nonlocal length
        if piece:
            pieces.append(piece)
            starts.append(length)
            spans.append(place)
            widths.append(width)
            length += len(piece)

    while match is not None:
        start, end = match.span()
        plain = _normalize(match[0])
        if plain is not None:
            before = text[done:start]
            # The spaces around "(at)" belong to it.
            add(before.rstrip(" ") if match[0][0] in "[({" else before, done, 1)
            add(plain, start, end - start)
            done = end
        match = _OBFUSCATED.search(text, end)
    add(text[done:], done, 1)
    return View("".join(pieces), starts, spans, widths)


def _normalize(disguise: str) -> str | None:
    """Return the plain character, empty for an invisible one; None if it encodes no character."""
    first = disguise[0]
    if first in "&\\%":
        return _unescape(disguise)
    if first in "[({":
        return _BRACKETED[disguise[1:].strip(" ])}").lower()]
    if _HIDDEN_ONE.match(first):
        return ""
    if _SPACE.match(first):
        return " "
    if (value := unicodedata.decimal(first, None)) is not None:
        return str(value)
    plain = unicodedata.normalize("NFKC", first)
    return plain if plain.isascii() else "-"


def _unescape(escape: str) -> str | None:
    if escape[0] == "%":
        return chr(int(escape[1:], 16))
    if escape[0] == "&":
        return _valid_character(html.unescape(escape if escape[-1] == ";" else f"{escape};"))
    rest = escape.lstrip("\\")
    if rest[0] in "ux":
        return _valid_character(int(rest[1:].strip("{}"), 16))
    return _WHITESPACE_ESCAPES.get(rest, rest)


def _valid_character(meant: str | int) -> str | None:
    """Return a character that is valid in text; None for a lone surrogate or an invalid code."""
    if isinstance(meant, int):
        meant = chr(meant) if meant <= sys.maxunicode else ""
    is_one = len(meant) == 1 and meant != "\ufffd" and not "\ud800" <= meant <= "\udfff"
    return meant if is_one else None
