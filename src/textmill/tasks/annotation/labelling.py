"""Labels that people give to texts, for kinds of task that take them: `labelling.py`.

It is in no key: what people have labelled are training examples like any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, cast

from textmill.tasks.kinds import load_part

Label = str | list[str]
"""The label of a text, or its labels."""


class Labelling(Protocol):
    """Labels of the kind: `labelling.py`; does not import torch."""

    def uncertainty(self, spec: Any, answer: Mapping[str, Any]) -> float:
        """Return how unsure the model is of its answer, which has its details; at most 1."""

    def column(self, config: Any) -> str:
        """Return the column of the label in training data."""

    def predicted(self, answer: Mapping[str, Any]) -> Label:
        """Return the label in an answer of the model."""

    def known(self, config: Any, spec: Any, value: object) -> Label:
        """Return the label in a column of a file.

        Raises:
            ValueError: it is none, or does not occur in training.
        """

    def typed(self, spec: Any, word: str) -> Label:
        """Return the label that a person means: by its name, number (from 1) or beginning.

        Raises:
            ValueError: it is not known, or ambiguous.
        """

    def show(self, label: Label) -> str:
        """Return a label on one line."""


def labelling_of(kind: str) -> Labelling:
    """Return the labelling module of a kind.

    Raises:
        KeyError: there is no such kind.
    """
    return cast(Labelling, load_part(kind, "labelling"))


def find_label(labels: tuple[str, ...], word: str) -> str:
    """Return the label that a person means: by its name, number (from 1) or beginning.

    Raises:
        ValueError: it is not known, or ambiguous.
    """
    word = word.strip()
    if word in labels:
        return word
    plain = word.casefold()
    if plain.isdecimal() and 1 <= int(plain) <= len(labels):
        return labels[int(plain) - 1]
    exact = [label for label in labels if label.casefold() == plain]
    begun = [label for label in labels if plain and label.casefold().startswith(plain)]
    found = exact or begun
    if len(found) != 1:
        several = f"may be {', '.join(found)}" if found else "is none of the labels"
        raise ValueError(f"{word!r} {several}")
    return found[0]
