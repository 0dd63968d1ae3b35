"""The labelled sets of texts, and scores by kind and language, or by kind and form.

labelled.txt holds sentences as people write them, public.txt examples of published documents (RFCs,
registries, payment services, makers of keys), the same in disguise, and look-alikes: those were not
written with the patterns in view, and not all of them are found.

The lines below `# language kind`, or `# form kind`, are texts about that kind. Brackets ⟦ ⟧ stand
around what is to be found; a text without any holds look-alikes that must stay. ⏎ is a line break,
‹200B› that character. A · inside a key is left out: it keeps scanners for leaked keys from
reporting these files.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from textmill.config import RedactionConfig
from textmill.safety.redaction import find_personal_data

FOLDER = Path(__file__).parent
SETS = ("labelled", "public")


@dataclass(frozen=True)
class Labelled:
    """A text and the places of the data in it, all of one kind."""

    language: str
    """Or the form of writing."""
    kind: str
    text: str
    places: frozenset[tuple[int, int]]


@dataclass
class Score:
    """How many places were found, and how many of them rightly."""

    expected: int = 0
    found: int = 0
    right: int = 0

    @property
    def recall(self) -> float:
        return self.right / self.expected if self.expected else 0.0

    @property
    def precision(self) -> float:
        return self.right / self.found if self.found else 0.0


def read_labelled(name: str = "labelled") -> list[Labelled]:
    """Return the texts of a labelled set."""
    language = kind = ""
    labelled = []
    for line in (FOLDER / f"{name}.txt").read_text("utf-8").splitlines():
        if line.startswith("# "):
            _, language, kind = line.split(" ")
        else:
            text, places = _parsed(_with_characters(line))
            labelled.append(Labelled(language, kind, text, places))
    return labelled


def _with_characters(line: str) -> str:
    line = line.replace("⏎", "\n").replace("·", "")
    return re.sub("‹([0-9A-F]+)›", lambda match: chr(int(match[1], 16)), line)


def _parsed(marked: str) -> tuple[str, frozenset[tuple[int, int]]]:
    text = ""
    places = []
    for piece in re.split("(⟦[^⟧]*⟧)", marked):
        value = piece.strip("⟦⟧")
        if value != piece:
            places.append((len(text), len(text) + len(value)))
        text += value
    return text, frozenset(places)


def scores(labelled: list[Labelled], config: RedactionConfig) -> dict[tuple[str, str], Score]:
    """Return the scores by kind and language; a place counts only if both of its ends are right.

    What is found of another kind than the text is about counts against that kind's precision.
    """
    by_kind: dict[tuple[str, str], Score] = defaultdict(Score)
    for item in labelled:
        by_kind[item.kind, item.language].expected += len(item.places)
        for finding in find_personal_data(item.text, config):
            score = by_kind[finding.kind, item.language]
            score.found += 1
            is_right = finding.kind == item.kind and (finding.start, finding.end) in item.places
            score.right += is_right
    return by_kind
