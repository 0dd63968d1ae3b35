"""Changes of a text that must not change what a model says of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from random import Random
from typing import Literal

from textmill.tasks.behaviour.templates import Filled

Perturbation = Literal["typo", "lowercase", "uppercase", "no_final_punctuation"]
"""The name of a perturbation in tests."""
MIN_TYPO_CHARS = 4
"""Minimum characters of a word with a typing error, of which the first is kept."""
_LETTERS = re.compile(r"[^\W\d_]+")


def typo(given: Filled, rng: Random) -> Filled:
    """Return the text with two neighbouring letters of a word swapped, outside of the slots.

    A text without a word that is long enough stays as it is.
    """
    spots = [
        at
        for word in _LETTERS.finditer(given.text)
        if len(word[0]) >= MIN_TYPO_CHARS
        for at in range(word.start() + 1, word.end() - 1)
        if given.text[at] != given.text[at + 1] and not _is_in_slot(given, at, at + 2)
    ]
    if not spots:
        return given
    at, text = rng.choice(spots), given.text
    return Filled(f"{text[:at]}{text[at + 1]}{text[at]}{text[at + 2 :]}", given.places, text)


def lowercase(given: Filled, rng: Random) -> Filled:
    """Return the text in lower case."""
    return Filled("".join(_same_length(c, c.lower()) for c in given.text), given.places)


def uppercase(given: Filled, rng: Random) -> Filled:
    """Return the text in upper case."""
    return Filled("".join(_same_length(c, c.upper()) for c in given.text), given.places)


def no_final_punctuation(given: Filled, rng: Random) -> Filled:
    """Return the text without the punctuation at its end."""
    ends = [end for _, end, _ in given.places]
    kept = max([len(given.text.rstrip(" .!?…。！？")), *ends])
    return Filled(given.text[:kept], given.places)


PERTURBATIONS: Mapping[Perturbation, Callable[[Filled, Random], Filled]] = {
    "typo": typo,
    "lowercase": lowercase,
    "uppercase": uppercase,
    "no_final_punctuation": no_final_punctuation,
}


def _is_in_slot(given: Filled, begin: int, end: int) -> bool:
    return any(first < end and begin < last for first, last, _ in given.places)


def _same_length(before: str, after: str) -> str:
    """Return a changed character, unless it became several: the places of slots are kept."""
    return after if len(after) == 1 else before
