"""The notation of words and phrases in lists, and their parts.

- `word`: the word, in any case, without accents; ideographs are found within longer text too
- `two words`: with spaces or punctuation within a sentence between them
- `word*`: the word with any ending
- `one ... two`: with up to five other words in between, or eight ideographs
- `(a|b|)`: one of the alternatives, or none
- `mother-tongue`: written with a hyphen, a space, or as one word
- `don't`: also without the apostrophe
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from textmill.safety.characters import UNSPACED
from textmill.safety.filtering.folding import fold

_IS_UNSPACED = re.compile(f"[{UNSPACED}]")
_TOKEN = re.compile(r"\.\.\.|\s+|.")
_MAX_DEPTH = 4


class Part(Enum):
    """A part of a phrase that is not a certain character."""

    SPACE = "a space, or punctuation between words"
    JOIN = "a hyphen, a space, or nothing"
    APOSTROPHE = "an apostrophe, or nothing"
    ENDING = "any number of letters"
    GAP = "some words, or ideographs"


@dataclass(frozen=True)
class Char:
    """A character of a phrase, folded."""

    char: str
    is_inner_vowel: bool = False
    """Whether it may be written as an asterisk: f*ck."""


@dataclass(frozen=True)
class Choice:
    """Alternatives of which one stands in the phrase."""

    options: tuple[Phrase, ...]


Phrase = tuple[Part | Char | Choice, ...]


def is_ideograph(char: str) -> bool:
    """Return whether a character is part of a script without spaces."""
    return _IS_UNSPACED.match(char) is not None


def parse_phrase(line: str) -> Phrase:
    """Return the phrase that a line of a list stands for.

    Raises:
        ValueError: the notation is wrong; the message says how to fix it.
    """
    tokens = [match[0] for match in _TOKEN.finditer(fold(line.strip()).text)]
    phrase, rest = _sequence(tokens, 0, 0)
    if rest < len(tokens):
        raise ValueError("has a ')' or '|' without '(': add it")
    if not _has_char(phrase):
        raise ValueError("may be empty: add a word outside of brackets")
    return phrase


def _sequence(tokens: list[str], at: int, depth: int) -> tuple[Phrase, int]:
    """Return the parts up to the end or a closing sign, and the index of that."""
    parts: list[Part | Char | Choice] = []
    while at < len(tokens) and tokens[at] not in "|)":
        if tokens[at] == "(":
            choice, at = _choice(tokens, at + 1, depth + 1)
            parts.append(choice)
        else:
            if tokens[at] == "..." and parts[-1:] == [Part.SPACE]:
                parts.pop()  # the gap begins with its own
            parts.append(_part(tokens, at))
        at += 1
    return tuple(parts), at


def _choice(tokens: list[str], at: int, depth: int) -> tuple[Choice, int]:
    if depth > _MAX_DEPTH:
        raise ValueError(f"has more than {_MAX_DEPTH} '(' in each other: make it several lines")
    options: list[Phrase] = []
    while True:
        option, at = _sequence(tokens, at, depth)
        options.append(option)
        if at == len(tokens):
            raise ValueError("has a '(' without ')': add it")
        if tokens[at] == ")":
            return Choice(tuple(options)), at
        at += 1


def _part(tokens: list[str], at: int) -> Part | Char:
    token = tokens[at]
    if token.isspace():
        return Part.SPACE
    match token:
        case "...":
            return Part.GAP
        case "*":
            return Part.ENDING
        case "-":
            return Part.JOIN
        case "'":
            return Part.APOSTROPHE
    if not token.isalnum():
        raise ValueError(
            f"has the character {token!r}, which is none of the notation: remove it, or write a "
            "regular expression after re:"
        )
    is_inner = _is_letter(tokens, at - 1) and _is_letter(tokens, at + 1)
    return Char(token, is_inner and token in "aeiou")


def _is_letter(tokens: list[str], at: int) -> bool:
    return 0 <= at < len(tokens) and "a" <= tokens[at] <= "z"


def _has_char(phrase: Phrase) -> bool:
    """Return whether a phrase always has a character."""
    return any(
        all(map(_has_char, part.options)) if isinstance(part, Choice) else isinstance(part, Char)
        for part in phrase
    )
