"""Test examples that are training examples too, and texts under more than one label.

Texts are compared without regard to case, to white space and to how Unicode composes a letter:
copies that differ in these alone are what spreadsheets and scrapers make of one text.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from textmill.config import TaskConfig
from textmill.errors import InputError, listed
from textmill.tasks.kinds import Examples
from textmill.tasks.rows import Rows


@dataclass(frozen=True)
class Shared:
    """What training and test examples share; all are indices."""

    leaked: tuple[int, ...]
    """Test examples whose text is that of a training example."""
    copied: tuple[int, ...]
    """Training examples whose text is that of a test example."""
    n_whole: int
    """Leaked examples whose answer is that of the training example as well."""
    conflicting: tuple[tuple[int, ...], tuple[int, ...]]
    """Training and test examples whose text has another label elsewhere."""


def find_shared(kind: Examples, train: Sequence[Any], test: Sequence[Any]) -> Shared:
    """Return what the examples share; texts that may have several answers are in no conflict."""
    keys = tuple([text_key(kind.model_input(e)) for e in examples] for examples in (train, test))
    answers: tuple[defaultdict[bytes, set[Any]], ...] = (defaultdict(set), defaultdict(set))
    for split, examples in enumerate((train, test)):
        for key, example in zip(keys[split], examples, strict=True):
            answers[split][key].add(_answer(kind, example))
    leaked = tuple(i for i, key in enumerate(keys[1]) if key in answers[0])
    conflicts = {
        key
        for key in {*answers[0], *answers[1]}
        if kind.ONE_ANSWER and len(answers[0].get(key, set()) | answers[1].get(key, set())) > 1
    }
    return Shared(
        leaked=leaked,
        copied=tuple(i for i, key in enumerate(keys[0]) if key in answers[1]),
        n_whole=sum(_answer(kind, test[i]) in answers[0][keys[1][i]] for i in leaked),
        conflicting=(
            tuple(i for i, key in enumerate(keys[0]) if key in conflicts),
            tuple(i for i, key in enumerate(keys[1]) if key in conflicts),
        ),
    )


def text_key(text: str | Sequence[str]) -> bytes:
    """Return what texts that count as one have in common; of words, their running text."""
    words = text.split() if isinstance(text, str) else text
    plain = unicodedata.normalize("NFC", " ".join(" ".join(words).split())).casefold()
    return hashlib.blake2b(plain.encode(errors="surrogatepass"), digest_size=16).digest()


def _answer(kind: Examples, example: Any) -> Any:
    answer = kind.reference(example)["reference"]
    return tuple(answer) if isinstance(answer, list) else answer


def kept_examples(config: TaskConfig, train: Rows[Any], shared: Shared) -> Rows[Any]:
    """Return the training examples that `on_leak` leaves.

    Raises:
        InputError: it refuses what is shared, or nothing is left.
    """
    setting = f"tasks.{config.name}.on_leak"
    if config.on_leak == "refuse" and shared.leaked:
        raise InputError(
            f"tasks.{config.name}: {len(shared.leaked):,} test texts are training texts too "
            f"({lines_of('training', train, shared.copied)}), and {setting} refuses that: take "
            "them out of the training file, or set it to drop, which does so, or to report."
        )
    if config.on_leak != "drop" or not shared.copied:
        return train
    copied = set(shared.copied)
    kept: Rows[Any] = Rows(example for i, example in enumerate(train) if i not in copied)
    kept.n_bad, kept.respelled = train.n_bad, train.respelled
    if not kept:
        raise InputError(
            f"tasks.{config.name}: every training text is a test text too, so {setting}=drop "
            "leaves nothing to train on: give another test file."
        )
    return kept


def lines_of(split: str, examples: Sequence[Any], indices: Sequence[int]) -> str:
    """Return where examples stand, without their file: results do not tell where files lie."""
    numbers = [examples[i].place.rpartition(":")[2] for i in indices]
    return f"{split} lines {listed(numbers)}" if numbers else ""
