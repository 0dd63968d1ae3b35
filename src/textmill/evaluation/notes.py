"""What a person should know of a task's examples before believing its scores."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from textmill.files import read_json, write_json

NAME = "notes.json"
LEAK = "leak"
"""The name of the note that test texts are training texts too."""


@dataclass(frozen=True)
class Note:
    """A finding, in words."""

    name: str
    what: str
    where: str = ""
    """Lines of the files, counted from 1: the first of those that it is about."""
    is_doubt: bool = True
    """Whether the scores say less for it."""

    def __str__(self) -> str:
        return f"{self.what} ({self.where})" if self.where else self.what


def write_notes(notes: Iterable[Note], folder: Path) -> None:
    """Write notes into the output of a step."""
    write_json(folder / NAME, [asdict(note) for note in notes])


def read_notes(folder: Path) -> tuple[Note, ...]:
    """Return the notes in the output of a step; none if it has no such file."""
    file = folder / NAME
    return tuple(Note(**values) for values in read_json(file)) if file.exists() else ()


def doubts(notes: Iterable[Note]) -> str:
    """Return in words what takes something from the scores; empty if nothing does."""
    return "; ".join(note.what for note in notes if note.is_doubt)
