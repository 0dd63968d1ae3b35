"""Notes on problems of a task's examples, which affect how its scores are interpreted."""

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
    """A finding about the examples of a task."""

    name: str
    what: str
    where: str = ""
    """Line numbers of the first affected examples, counted from 1."""
    is_doubt: bool = True
    """Whether it makes the scores less reliable."""

    def __str__(self) -> str:
        return f"{self.what} ({self.where})" if self.where else self.what


def write_notes(notes: Iterable[Note], folder: Path) -> None:
    """Write notes to the output of a step."""
    write_json(folder / NAME, [asdict(note) for note in notes])


def read_notes(folder: Path) -> tuple[Note, ...]:
    """Return the notes in the output of a step; none if it has no such file."""
    file = folder / NAME
    return tuple(Note(**values) for values in read_json(file)) if file.exists() else ()


def doubts(notes: Iterable[Note]) -> str:
    """Return the findings that make scores less reliable, as text; empty if there are none."""
    return "; ".join(note.what for note in notes if note.is_doubt)
