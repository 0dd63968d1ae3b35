"""Mutations of a stored file: functions from its content to a changed one, or None."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Stored:
    """A file of the store, and the files that it can be swapped with."""

    path: Path
    content: bytes
    others: list[Path]
    """Files of the same name elsewhere in the store."""


Change = Callable[[Stored, random.Random], bytes | None]


def flip(file: Stored, rng: random.Random) -> bytes | None:
    """Return the content with one bit flipped."""
    if not file.content:
        return None
    changed = bytearray(file.content)
    changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def cut(file: Stored, rng: random.Random) -> bytes | None:
    """Return the content truncated at a random position."""
    return file.content[: rng.randrange(len(file.content))] if file.content else None


def swap(file: Stored, rng: random.Random) -> bytes | None:
    """Return the content of another file of the same name, such as another run's."""
    contents = [other.read_bytes() for other in file.others]
    others = [content for content in contents if content != file.content]
    return rng.choice(others) if others else None


def _json_of(file: Stored) -> Any:
    """Return the value of a JSON file, or of the first line of a JSON Lines file."""
    try:
        return json.loads(file.content.splitlines()[0] if _has_lines(file) else file.content)
    except (ValueError, IndexError):
        return None


def _has_lines(file: Stored) -> bool:
    return file.path.suffix == ".jsonl"


def _with_json(file: Stored, text: str) -> bytes:
    """Return the file with its value, or its first line, replaced by a text."""
    rest = file.content.partition(b"\n")[2] if _has_lines(file) else b""
    return text.encode(errors="surrogateescape") + b"\n" + rest


def _edited(edit: Callable[[Any, random.Random], str]) -> Change:
    def change(file: Stored, rng: random.Random) -> bytes | None:
        value = _json_of(file)
        return None if value is None else _with_json(file, edit(value, rng))

    return change


def _slots(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every container in a nested value, with each of its keys or indices."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in list(items):
        yield value, key
        if isinstance(item, dict | list):
            yield from _slots(item)


def _retyped(value: Any, rng: random.Random) -> str:
    """Return the value with one of its parts replaced by a value of another type."""
    slots = list(_slots(value)) if isinstance(value, dict | list) else []
    others: list[Any] = [None, "text", 7, [], {}, [[1]], True]
    if not slots:
        return json.dumps(rng.choice(others))
    container, key = rng.choice(slots)
    part = container[key]
    container[key] = rng.choice([other for other in others if type(other) is not type(part)])
    return json.dumps(value)


def _replaced(text: str) -> Callable[[Any, random.Random], str]:
    """Return an edit that replaces one part of the value by a text."""

    def edit(value: Any, rng: random.Random) -> str:
        slots = list(_slots(value)) if isinstance(value, dict | list) else []
        if not slots:
            return text
        container, key = rng.choice(slots)
        container[key] = "@@"
        return json.dumps(value).replace('"@@"', text)

    return edit


def _reordered(value: Any, rng: random.Random) -> str:
    if isinstance(value, dict):
        return json.dumps({key: value[key] for key in reversed(value)}, indent=1)
    return json.dumps(value[::-1] if isinstance(value, list) else value, indent=1)


def _doubled(value: Any, rng: random.Random) -> str:
    """Return the value with a duplicate key that has another value."""
    if not isinstance(value, dict) or not value:
        return json.dumps([value, value])
    return f'{json.dumps(value)[:-1]}, {json.dumps(rng.choice(list(value)))}: "twice"}}'


CHANGES: dict[str, Change] = {
    "flip a bit": flip,
    "cut": cut,
    "empty": lambda file, rng: b"" if file.content else None,
    "append": lambda file, rng: file.content + rng.randbytes(9),
    "garbage": lambda file, rng: rng.randbytes(max(9, len(file.content) % 5000)),
    "invalid UTF-8": lambda file, rng: b"\xff\xfe" + file.content,
    "swap": swap,
}
"""Mutations of any file, in addition to deleting it."""
OF_JSON: dict[str, Change] = {
    "other type": _edited(_retyped),
    "nested deeply": _edited(_replaced('{"a":' * 100_000 + "1" + "}" * 100_000)),
    "huge number": _edited(_replaced("9" * 5000)),
    "NaN": _edited(_replaced("NaN")),
    "key twice": _edited(_doubled),
    "other order": _edited(_reordered),
}
OF_DATABASES: dict[str, Change] = {
    "cut": cut,
    "empty": lambda file, rng: b"",
    "garbage": lambda file, rng: rng.randbytes(len(file.content)),
    "garbage head": lambda file, rng: rng.randbytes(100) + file.content[100:],
}
