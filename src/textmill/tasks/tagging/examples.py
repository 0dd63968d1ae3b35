"""Reading and checking of words with one tag each."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from textmill.errors import InputError, listed
from textmill.safety.placeholders import PLACEHOLDERS
from textmill.safety.pretokenized import redact_words
from textmill.tasks.inputs import Input
from textmill.tasks.labels import Labels, as_words, describe_value
from textmill.tasks.rows import Rows, read_rows
from textmill.tasks.tagging.iob2 import OUTSIDE, check_tags, spans, tags_of, types_in
from textmill.tasks.tagging.settings import TaggingConfig

SELECTION = "f1"
"""The validation metric that selects the best epoch."""

ONE_ANSWER = True
"""Whether each text has one correct answer, so that examples with different ones conflict."""

stratum = None
"""Examples have no single label."""

N_SPELLING_ROWS = 2**15
"""Rows of the table of spelling features of new models whose words are characters."""

MAX_UNKNOWN_SHARE = 0.001
"""Maximum share of entities whose type does not occur in training."""

log = logging.getLogger(__name__)

_PLACEHOLDERS = frozenset(PLACEHOLDERS.values())

Words = Sequence[str]


@dataclass(frozen=True)
class Example:
    """Words with their tags, and their location (FILE:LINE)."""

    words: tuple[str, ...]
    tags: tuple[str, ...]
    place: str
    predicate: int | None = None
    """The number of the word that the tags refer to, if they refer to one."""


@dataclass(frozen=True)
class Spec:
    """Settings of a fine-tuned model besides its weights."""

    labels: tuple[str, ...]
    """The tags, in the order of the network's outputs."""
    is_by_character: bool
    """Whether every word of the training examples is one character, as in Chinese."""
    n_spelling_rows: int = 0
    """Rows of the table of spelling features; 0: the network has none."""
    has_crf: bool = False
    """Whether tags depend on the tags around them; older models score each word by itself."""
    outside_penalty: float = 0.0
    """Subtracted from the log-probability that a word is in no entity."""
    has_predicate: bool = False
    """Whether the tags refer to a word that is part of the input."""


def read_examples(config: TaggingConfig, split: str) -> Rows[Example]:
    """Return the examples of a split.

    Raises:
        InputError: the data is invalid; the message names the file, the line and the fix.
    """

    def parse(values: dict[str, Any], place: str) -> Example:
        words = as_words(values[config.tokens], config.tokens)
        tags = labels.tags(values[config.tags])
        if len(words) != len(tags):
            raise ValueError(
                f"there are {len(words)} words in column {config.tokens!r}, but {len(tags)} tags "
                f"in column {config.tags!r}"
            )
        check_tags(tags)
        predicate = None
        if config.predicate is not None:
            predicate = _number(values[config.predicate], config.predicate, len(words))
            tags = _without(tags, predicate)
        return Example(redact_words(words, config.redaction), tags, place, predicate)

    labels = Labels(config, config.tags)
    columns = {"tokens": config.tokens, "tags": config.tags}
    if config.predicate is not None:
        columns["predicate"] = config.predicate
    rows = read_rows(config, split, columns, parse)
    rows.normalized = labels.normalized
    return rows


def _number(value: object, column: str, n_words: int) -> int:
    """Return the number of a word.

    Raises:
        ValueError: the value is no number of a word.
    """
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < n_words:
        raise ValueError(
            f"column {column!r} holds no number of a word from 0 to {n_words - 1}: "
            f"{describe_value(value)}"
        )
    return value


def _without(tags: tuple[str, ...], word: int) -> tuple[str, ...]:
    """Return the tags without the span that contains a word: it is given."""
    for first, after, _ in spans(tags):
        if first <= word < after:
            return (*tags[:first], *[OUTSIDE] * (after - first), *tags[after:])
    return tags


def make_spec(config: TaggingConfig, train: Sequence[Example]) -> Spec:
    """Return the tags of all entity types in the training examples.

    Raises:
        InputError: there are no entities.
    """
    types = {name for example in train for name in types_in(example.tags)}
    if not types:
        raise InputError(
            f"tasks.{config.name}: the training examples have no entities, all tags are O: "
            "add examples with B- tags."
        )
    is_by_character = all(
        len(word) == 1 or word in _PLACEHOLDERS for example in train for word in example.words
    )
    # Words with several characters did not gain by their spelling, see docs/decisions.md.
    n_spelling_rows = N_SPELLING_ROWS if is_by_character else 0
    return Spec(
        tags_of(types),
        is_by_character,
        n_spelling_rows,
        has_crf=True,
        has_predicate=config.predicate is not None,
    )


def check_examples(config: TaggingConfig, spec: Spec, examples: Sequence[Example]) -> None:
    """Raise InputError if entity types do not occur in training, unless they are very rare.

    Rare ones are logged. They count as missed.

    Raises:
        InputError: more than MAX_UNKNOWN_SHARE of the entities have such a type.
    """
    known = types_in(spec.labels)
    n_entities = sum(len(spans(example.tags)) for example in examples)
    unknown = [
        (example.place, name)
        for example in examples
        for _, _, name in spans(example.tags)
        if name not in known
    ]
    if not unknown:
        return
    (place, name), n = unknown[0], len(unknown)
    problem = (
        f"{place}: the entity type {name!r} does not occur in the training data of task "
        f"{config.name!r}, which has {listed(sorted(known))}"
    )
    if n > MAX_UNKNOWN_SHARE * n_entities:
        raise InputError(f"{problem}: correct it, or add training examples of it.")
    log.warning(
        "%s (%d of %d entities have such types, and count as missed).", problem, n, n_entities
    )


def label_number(spec: Spec, tag: str) -> int:
    """Return the number of a tag; that of O if the tag does not occur in training."""
    return spec.labels.index(tag if tag in spec.labels else OUTSIDE)


def reference(example: Example) -> dict[str, Any]:
    """Return the fields of the predictions file that are the input and reference of an example."""
    fields = {"tokens": list(example.words), "reference": list(example.tags)}
    return fields if example.predicate is None else fields | {"predicate": example.predicate}


def model_input(example: Example) -> Input:
    """Return the input of the model."""
    if example.predicate is None:
        return example.words
    return {"text": example.words, "predicate": example.predicate}


def group(example: Example) -> str:
    """Return what examples of one sentence and different predicates have in common."""
    return example.place if example.predicate is None else " ".join(example.words)
