"""Reading and checking of texts with their translations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from textmill.safety.redaction import redact
from textmill.tasks.labels import as_text
from textmill.tasks.rows import Rows, read_rows
from textmill.tasks.translation.settings import TranslationConfig

# BLEU would require generating every validation text after every epoch; the accuracy of next tokens
# takes a single forward pass.
SELECTION = "token_accuracy"
"""The validation metric that selects the best epoch."""

ONE_ANSWER = False
"""Whether each text has one correct answer, so that examples with different ones conflict."""

stratum = group = None
"""Examples have no single label, and belong to no groups."""


@dataclass(frozen=True)
class Example:
    """A text with its translation, and its location (FILE:LINE)."""

    source: str
    target: str
    place: str


@dataclass(frozen=True)
class Spec:
    """Settings of a fine-tuned model besides its weights."""

    source_share: float
    """Maximum share of the context for the source."""
    beams: int = 1
    """Beams of the search; models without this entry were evaluated with greedy decoding."""
    splits_numbers: bool = False
    """Whether numbers are encoded digit by digit; False for models without this entry."""
    has_pointer: bool = False
    """Whether the network may copy tokens of the source; False for models without this entry."""
    reads_both_ways: bool = False
    """Whether tokens of the source attend to those after them; False for models without it."""
    keeps_end: bool = False
    """Whether it is the beginning of a long source that is not read, as of a chat."""


def read_examples(config: TranslationConfig, split: str) -> Rows[Example]:
    """Return the examples of a split.

    Raises:
        InputError: the data is invalid; the message names the file, the line and the fix.
    """

    def parse(values: dict[str, Any], place: str) -> Example:
        texts = [as_text(values[name], name) for name in (config.source, config.target)]
        source, target = (redact(text, config.redaction)[0] for text in texts)
        return Example(source, target, place)

    return read_rows(config, split, {"source": config.source, "target": config.target}, parse)


def make_spec(config: TranslationConfig, train: Sequence[Example]) -> Spec:
    """Return the settings of encoding and decoding."""
    return Spec(
        config.source_share,
        config.beams,
        splits_numbers=True,
        has_pointer=True,
        reads_both_ways=True,
    )


def check_examples(config: TranslationConfig, spec: Spec, examples: Sequence[Example]) -> None:
    """Accept all examples: any text can be translated."""


def reference(example: Example) -> dict[str, Any]:
    """Return the fields of the predictions file that are the input and reference of an example."""
    return {"text": example.source, "reference": example.target}


def model_input(example: Example) -> str:
    """Return the input of the model."""
    return example.source
