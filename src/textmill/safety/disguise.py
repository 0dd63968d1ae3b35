r"""Texts in disguise: what they say once escapes and look-alike characters are undone.

Raw text holds an at sign as `&#64;`, `\u0040` or `%40`; typography puts soft hyphens, zero-width
spaces and narrow spaces into numbers; Chinese and Japanese text has full-width digits. Patterns are
written for plain text, so they are shown a view of it, and what they find is looked up in the text.
"""

from __future__ import annotations

import html
import re
import sys
import unicodedata
from bisect import bisect_right
from dataclasses import dataclass

from textmill.safety.numbers import Place

_LAYERS = 4  # of escapes inside escapes, such as &amp;#64; or %2540

_HIDDEN = "\x00\xad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff"
_BLANKS = "\xa0\u2000-\u200a\u202f\u205f\u3000"
_HYPHENS = "\u2010\u2011\u2212\ufe63\uff0d"
_DASHES = "\u2012\u2013"  # between digits alone: they join words as well
# Full-width commas, colons and brackets are the usual ones in Chinese, and end what stands there.
_WIDE = "\uff0b\uff0e\uff20-\uff3a\uff3f\uff41-\uff5a\ufe52\ufe6b"
# Of the Basic Multilingual Plane: with others, `re` searches for a set a hundred times as long.
DIGITS = "".join(c for c in map(chr, range(0x660, 0xFFFF)) if unicodedata.category(c) == "Nd")
"""Digits other than those of ASCII."""
_NAMES = (
    "amp|commat|period|lowbar|hyphen|dash|ndash|minus|plus|num|percnt|colon|sol|lpar|rpar|shy|nbsp"
    "|ensp|emsp|thinsp|NonBreakingSpace|ThinSpace|ZeroWidthSpace|NoBreak|zwnj|zwj|lrm|rlm|Tab"
    "|NewLine"
)
_BRACKETED = {"at": "@", "@": "@", "dot": ".", ".": ".", "ät": "@", "punkt": ".", ":": ":"}
_ASCII_SIGNS = "&\\%[({\x00"
# One set of characters first, which `re` searches for fastest; then what each of them must be with.
_DISGUISE = re.compile(
    rf"[&\\%\[({{{_HIDDEN}{_BLANKS}{_HYPHENS}{_DASHES}{_WIDE}{DIGITS}]"
    r"(?:"
    rf"(?<=&)(?:(?:\#0{{0,4}}[1-9][0-9]{{1,5}}+|{_NAMES});|\#0{{0,4}}[1-9][0-9]{{1,5}}+(?![0-9])"
    r"|\#[xX][0-9A-Fa-f]{1,6}+;)"
    r"|(?<=\\)(?<!\\\\)(?:\\*+(?:u[0-9A-Fa-f]{4}|u\{[0-9A-Fa-f]{1,6}\}|x[0-9A-Fa-f]{2})|/"
    r"|\\{0,8}[nrt](?=[0-9+(A-Z]))"
    r"|(?<=%)[2-7][0-9A-Fa-f]"
    r"|(?<=[\[({])\ ?(?:[Aa][Tt]|[Dd][Oo][Tt]|[Ää][Tt]|[Pp]unkt|PUNKT|[@.:])\ ?[\])}]\ {0,2}"
    rf"|(?<=[{_HIDDEN}{_WIDE}{DIGITS}])"
    rf"|(?<=[0-9A-Z)\]][{_BLANKS}])(?=[0-9A-Z(\[])"
    rf"|(?<=[0-9A-Za-z)][{_HYPHENS}])(?=[0-9A-Za-z(])"
    rf"|(?<=[0-9)][{_DASHES}])(?=[0-9(])"
    r")"
)
_HIDDEN_ONE = re.compile(f"[{_HIDDEN}]")
_BLANK = re.compile(f"[{_BLANKS}]")
_BLANK_ESCAPES = {"n": "\n", "r": "\n", "t": "\t"}


@dataclass(frozen=True)
class View:
    """A text without disguise, and where its parts stand in the text that it is a view of."""

    text: str
    _starts: list[int]
    """Where the parts begin in this text, in order."""
    _places: list[int]
    """Where they begin in the other one."""
    _widths: list[int]
    """Characters of the other one that each character of a part stands for."""

    def place(self, start: int, end: int) -> Place:
        """Return the place in the text that this is a view of."""
        return self._span(start)[0], self._span(end - 1)[1]

    def _span(self, at: int) -> Place:
        part = bisect_right(self._starts, at) - 1
        begin = self._places[part] + at - self._starts[part]
        return begin, begin + self._widths[part]


def undisguise(text: str) -> list[View]:
    """Return views of a text, each of the one before it; none if nothing is in disguise."""
    views: list[View] = []
    if text.isascii() and not any(map(text.__contains__, _ASCII_SIGNS)):
        return views
    while len(views) < _LAYERS and (match := _DISGUISE.search(text)):
        view = _view(text, match)
        if view.text == text:
            break
        views.append(view)
        text = view.text
    return views


def place_in(views: list[View], place: Place) -> Place:
    """Return the place in the text of what stands in the last of its views."""
    for view in reversed(views):
        place = view.place(*place)
    return place


def _view(text: str, match: re.Match[str] | None) -> View:
    """Return the view of a text, without the outermost layer of its disguise."""
    pieces: list[str] = []
    starts: list[int] = []
    places: list[int] = []
    widths: list[int] = []
    length = done = 0

    def add(piece: str, place: int, width: int) -> None:
        nonlocal length
        if piece:
            pieces.append(piece)
            starts.append(length)
            places.append(place)
            widths.append(width)
            length += len(piece)

    while match is not None:
        start, end = match.span()
        plain = _plain(match[0])
        if plain is not None:
            before = text[done:start]
            # The spaces around "(at)" belong to it.
            add(before.rstrip(" ") if match[0][0] in "[({" else before, done, 1)
            add(plain, start, end - start)
            done = end
        match = _DISGUISE.search(text, end)
    add(text[done:], done, 1)
    return View("".join(pieces), starts, places, widths)


def _plain(disguise: str) -> str | None:
    """Return the character that is meant, nothing for a hidden one; None if it is no character."""
    first = disguise[0]
    if first in "&\\%":
        return _unescaped(disguise)
    if first in "[({":
        return _BRACKETED[disguise[1:].strip(" ])}").lower()]
    if _HIDDEN_ONE.match(first):
        return ""
    if _BLANK.match(first):
        return " "
    if (value := unicodedata.decimal(first, None)) is not None:
        return str(value)
    plain = unicodedata.normalize("NFKC", first)
    return plain if plain.isascii() else "-"


def _unescaped(escape: str) -> str | None:
    if escape[0] == "%":
        return chr(int(escape[1:], 16))
    if escape[0] == "&":
        return _one_character(html.unescape(escape if escape[-1] == ";" else f"{escape};"))
    rest = escape.lstrip("\\")
    if rest[0] in "ux":
        return _one_character(int(rest[1:].strip("{}"), 16))
    return _BLANK_ESCAPES.get(rest, rest)


def _one_character(meant: str | int) -> str | None:
    """Return a character that can stand in a text; None for half of one."""
    if isinstance(meant, int):
        meant = chr(meant) if meant <= sys.maxunicode else ""
    is_one = len(meant) == 1 and meant != "\ufffd" and not "\ud800" <= meant <= "\udfff"
    return meant if is_one else None
