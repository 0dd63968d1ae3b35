"""Languages of a task's examples, identified by their texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from textmill.corpus.cleaning.language import UNKNOWN, identify_language
from textmill.tasks.inputs import text_of
from textmill.tasks.kinds import Examples

MIN_BYTES = 40
"""Minimum size of a text whose language is identified. Of SST-2's, 99.8 % are then identified as
English, and of the tweets of Broad Twitter 90 %."""
MAX_TEXTS = 1000
"""Maximum texts of a split that are identified, evenly spaced."""
MIN_TEXTS = 20
"""Minimum identified texts of a split of which anything is said."""
MIN_SHARE = 0.1
"""Minimum share of a language's texts: fewer may be mistakes of the identification."""
CHINESE = frozenset({"yue", "wuu"})
"""Cantonese and Wu, which are identified in a third of the Chinese CVs of Resume NER."""


def language_of(kind: Examples, example: Any) -> str:
    """Return the ISO 639-1 code of the language of an example's text; "und" if it is too short."""
    text = text_of(kind.model_input(example))
    if len(text.encode(errors="surrogatepass")) < MIN_BYTES:
        return UNKNOWN
    tag = identify_language(text)
    return "zh" if tag in CHINESE else tag


def shares_of(kind: Examples, examples: Sequence[Any]) -> dict[str, float]:
    """Return the share of the texts in each language, largest first; empty if they are too few."""
    sample = examples[:: max(1, -(-len(examples) // MAX_TEXTS))]
    counts = Counter(language_of(kind, example) for example in sample)
    del counts[UNKNOWN]
    if counts.total() < MIN_TEXTS:
        return {}
    return {tag: n / counts.total() for tag, n in counts.most_common()}


def common(shares: Mapping[str, float]) -> list[str]:
    """Return the languages that are no mistakes of the identification, most frequent first."""
    return [tag for tag, share in shares.items() if share >= MIN_SHARE]
