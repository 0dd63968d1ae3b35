"""Lists of words, phrases and regular expressions: the shipped ones, and files of users."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from textmill.errors import InputError
from textmill.safety.filtering.bounded import problem_of
from textmill.safety.filtering.phrases import Phrase, parse_phrase

REGEX = "re:"
"""Begins a line with a regular expression."""
COMMENT = "#"
MAX_BYTES = 16 << 20
"""Maximum size of a file."""
_FOLDER = Path(__file__).with_name("lists")


@dataclass(frozen=True)
class WordList:
    """The content of a list."""

    phrases: tuple[Phrase, ...] = ()
    patterns: tuple[re.Pattern[str], ...] = ()


@cache
def shipped_list(category: str, language: str) -> WordList:
    """Return the shipped list of a category in a language."""
    file = _FOLDER / language / f"{category}.txt"
    return parse_list(file.read_text("utf-8").splitlines(), str(file))


def shipped_languages(category: str) -> list[str]:
    """Return the languages in which a category has a shipped list."""
    return sorted(file.parent.name for file in _FOLDER.glob(f"*/{category}.txt"))


def read_list(file: Path) -> WordList:
    """Return the list in a file.

    Raises:
        InputError: it cannot be read, or a line is wrong.
    """
    return parse_list(read_lines(file), str(file))


def read_lines(file: Path) -> list[str]:
    """Return the lines of the file of a list.

    Raises:
        InputError: it cannot be read.
    """
    try:
        if file.stat().st_size > MAX_BYTES:
            raise InputError(f"{file} has more than {MAX_BYTES >> 20} MiB: shorten the list.")
        text = file.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise InputError(f"{file} is not UTF-8 text: convert it.") from None
    return text.split("\n")


def parse_list(lines: Iterable[str], place: str) -> WordList:
    """Return the list in some lines.

    Args:
        lines: words, phrases, regular expressions after `re:`, and comments after #.
        place: where they are, for messages.

    Raises:
        InputError: a line is wrong; the message names it.
    """
    phrases: list[Phrase] = []
    patterns: list[re.Pattern[str]] = []
    for number, line in _entries(lines):
        if not line.startswith(REGEX):
            try:
                phrases.append(parse_phrase(line))
            except ValueError as error:
                raise InputError(f"{place}, line {number}: {line!r} {error}.") from None
            continue
        written = line.removeprefix(REGEX).strip()
        if problem := problem_of(written):
            raise InputError(f"{place}, line {number}: {written!r} {problem}.")
        patterns.append(re.compile(written, re.IGNORECASE))
    return WordList(tuple(phrases), tuple(patterns))


def _entries(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Yield number and content of the lines that are neither blank nor comments."""
    for number, line in enumerate(lines, 1):
        if (stripped := line.strip()) and not stripped.startswith(COMMENT):
            yield number, stripped
