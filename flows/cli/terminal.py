"""Process setup of every command: streams, arguments, garbage collection."""

from __future__ import annotations

import atexit
import codecs
import gc
import io
import json
import os
import sys
from collections.abc import Iterable
from typing import Any

from textmill.corpus.reading.line_ends import json_line
from textmill.errors import InputError
from textmill.files import has_undecodable_bytes, printable

YOUNG_OBJECTS = 100_000
"""Garbage collection threshold; Python's default of 700 suits smaller programs."""
ESCAPE = "textmill.escape"
LOOK_ALIKES = {"├": "|", "└": "`", "│": "|", "─": "-", "…": "...", "→": "->", "–": "-", "×": "x"}


def spare_collections() -> None:
    """Reduce the frequency of garbage collection, and skip it at exit.

    Importing MLflow and torch creates two million permanent objects. Collecting them repeatedly,
    and at exit, took a third of the CPU time of `textmill lineage`.
    """
    gc.set_threshold(YOUNG_OBJECTS, 20, 20)
    atexit.register(gc.freeze)


def set_up_streams() -> None:
    r"""Configure the error handling and encoding of standard streams.

    Characters that the output's encoding does not have are escaped, such as \u4e2d; standard input
    is UTF-8 if the locale is ASCII. Undecodable input raises UnicodeDecodeError, which Python would
    suppress in a C locale.
    """
    codecs.register_error(ESCAPE, _escaped)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=ESCAPE)
    if isinstance(sys.stdin, io.TextIOWrapper):
        is_ascii = codecs.lookup(sys.stdin.encoding).name == "ascii"
        sys.stdin.reconfigure(encoding="utf-8" if is_ascii else None, errors="strict")


def _escaped(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    characters = error.object[error.start : error.end]
    shown = (
        LOOK_ALIKES.get(c) or c.encode("ascii", "backslashreplace").decode() for c in characters
    )
    return "".join(shown), error.end


def as_json(value: Any) -> str:
    """Return a line of JSON, in ASCII unless the encoding of standard output is Unicode."""
    is_unicode = codecs.lookup(sys.stdout.encoding or "utf-8").name.startswith("utf")
    return json_line(value)[:-1] if is_unicode else json.dumps(value)


def reject_undecodable_bytes(words: Iterable[str]) -> None:
    """Raise InputError if an argument has undecodable bytes, which JSON and databases reject."""
    for word in words:
        if has_undecodable_bytes(word):
            raise InputError(
                f"The argument {printable(word)} is not text in this terminal's encoding, "
                f"{sys.getfilesystemencoding()}: write it, and name files, in that encoding; or "
                "set PYTHONUTF8=1 if it is UTF-8."
            )


def decode_argument(word: str) -> str:
    """Return a text argument, decoded as UTF-8 if the locale could not decode it.

    Raises:
        InputError: it is not UTF-8 either.
    """
    if not has_undecodable_bytes(word):
        return word
    try:
        return os.fsencode(word).decode()
    except UnicodeError:
        raise InputError(f"The text {printable(word)} is not UTF-8: convert it first.") from None
