"""What every command does to its own process before it works: its streams, its memory."""

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
"""Objects made before new ones are looked through for garbage; Python's own 700 suits less work."""
ESCAPE = "textmill.escape"
LOOK_ALIKES = {"├": "|", "└": "`", "│": "|", "─": "-", "…": "...", "→": "->", "–": "-", "×": "x"}


def spare_collections() -> None:
    """Look for garbage more seldom, and not at all at the end.

    Loading MLflow and torch makes two million objects that stay. Python looked through them again
    and again, and once more at its end: a third of the processor time of `textmill lineage`.
    """
    gc.set_threshold(YOUNG_OBJECTS, 20, 20)
    atexit.register(gc.freeze)


def set_up_streams() -> None:
    r"""Let any text be written to the terminal, and none be read that is no text.

    What the encoding of an output cannot hold becomes an escape, such as \u4e2d; standard input is
    UTF-8 where the locale says no more than ASCII. Bytes that are no text raise UnicodeDecodeError
    when they are read: in a C locale Python would hand them on.
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
    """Return a line of JSON, in ASCII where standard output holds no more than some characters."""
    is_unicode = codecs.lookup(sys.stdout.encoding or "utf-8").name.startswith("utf")
    return json_line(value)[:-1] if is_unicode else json.dumps(value)


def reject_undecodable_bytes(words: Iterable[str]) -> None:
    """Raise InputError unless all arguments are text.

    Raises:
        InputError: one holds bytes that are none, which neither JSON nor a database takes.
    """
    for word in words:
        if has_undecodable_bytes(word):
            raise InputError(
                f"The argument {printable(word)} is not text in this terminal's encoding, "
                f"{sys.getfilesystemencoding()}: write it, and name files, in that encoding; or "
                "set PYTHONUTF8=1 if it is UTF-8."
            )


def decode_argument(word: str) -> str:
    """Return an argument that is a text, read as UTF-8 where the locale says no more than ASCII.

    Raises:
        InputError: it is not UTF-8 either.
    """
    if not has_undecodable_bytes(word):
        return word
    try:
        return os.fsencode(word).decode()
    except UnicodeError:
        raise InputError(f"The text {printable(word)} is not UTF-8: convert it first.") from None
