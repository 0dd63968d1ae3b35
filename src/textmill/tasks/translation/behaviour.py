"""What behaviour tests expect of a translation: words that it contains."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from textmill.tasks.behaviour.judging import Answer, Given
from textmill.tasks.behaviour.templates import fill, slots_in, values_of
from textmill.tasks.behaviour.whole_words import whole_words
from textmill.tasks.translation.examples import Spec

TEXT = "translation"

check_label = probability = None
"""Texts have no labels."""


def expected(spec: Spec, expect: Any, given: Given) -> list[str]:
    """Return texts that the answer must contain, with the values of their slots.

    Raises:
        ValueError: they are neither a text nor a list of texts, or the input has no such slot.
    """
    return [*words_of(expect, given)]


def words_of(expect: Any, given: Given) -> Iterator[str]:
    """Yield the texts of `expect` with the values of their slots; errors as in `expected`."""
    values = values_of(given)
    for one in expect if isinstance(expect, list) else [expect]:
        if not isinstance(one, str) or not one:
            raise ValueError("expect is a text that the answer contains, or a list of them")
        for slot in slots_in(one):
            if slot not in values:
                raise ValueError(f"the text has no slot {{{slot}}}")
        yield fill(one, values).text


def is_right(answer: Answer, expected: list[str]) -> bool:
    """Return whether the translation contains the texts."""
    return contains(answer[TEXT], expected)


def contains(text: str, parts: list[str]) -> bool:
    """Return whether a text contains all parts, without regard to case."""
    return all(part.casefold() in text.casefold() for part in parts)


def decision(answer: Answer, given: Given) -> str:
    """Return the translation, with the names of slots for the values that it contains."""
    return with_names(answer[TEXT], given)


def with_names(text: str, given: Given) -> str:
    """Return a text in lower case, with the names of slots for the values that it contains."""
    text = text.casefold()
    names = {value.casefold(): f"{{{slot}}}" for slot, value in values_of(given).items() if value}
    if not names:
        return text
    names = {f"{value}s": f"{name}s" for value, name in names.items()} | names  # Annas Haus
    # The pattern takes Turkish letters for each other: a dotless i is not found here.
    return whole_words(names).sub(lambda match: names.get(match[0], match[0]), text)


def show(answer: Answer) -> str:
    """Return the translation."""
    return str(answer[TEXT])
