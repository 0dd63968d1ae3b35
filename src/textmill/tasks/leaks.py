"""Test examples that are training examples too, and texts under more than one label.

Texts are compared without regard to case, to white space and to how Unicode composes a letter:
copies that differ in these alone are what spreadsheets and scrapers make of one text.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from textmill.config import TaskConfig
from textmill.errors import InputError, listed
from textmill.evaluation.notes import LEAK, Note
from textmill.tasks.kinds import Kind
from textmill.tasks.labels import respelling_note
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


def find_shared(kind: Kind, train: Sequence[Any], test: Sequence[Any]) -> Shared:
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


def _answer(kind: Kind, example: Any) -> Any:
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
            f"({_lines('training', train, shared.copied)}), and {setting} refuses that: take them "
            "out of the training file, or set it to drop, which does so, or to report."
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


def find_notes(
    config: TaskConfig, train: Rows[Any], test: Rows[Any], shared: Shared
) -> Iterator[Note]:
    """Yield what is to be said of the examples, before anything is trained on them."""
    if shared.leaked:
        what = f"{len(shared.leaked):,} of {len(test):,} test texts are training texts too"
        if shared.n_whole < len(shared.leaked):
            what += f", {shared.n_whole:,} of them with the same answer"
        is_dropped = config.on_leak == "drop"
        if is_dropped:
            what += f"; {len(shared.copied):,} training examples are dropped for it"
        yield Note(LEAK, what, _lines("test", test, shared.leaked), not is_dropped)
    n_conflicting = sum(map(len, shared.conflicting))
    if n_conflicting:
        where = (
            _lines("training", train, shared.conflicting[0]),
            _lines("test", test, shared.conflicting[1]),
        )
        yield Note(
            "conflict",
            f"{n_conflicting:,} of {len(train) + len(test):,} examples have a text that stands "
            "under another label too",
            "; ".join(filter(None, where)),
        )
    if note := respelling_note({**train.respelled, **test.respelled}):
        yield Note("spelling", note, is_doubt=False)


def shared_metrics(shared: Shared) -> dict[str, float]:
    """Return the counts of what is shared, by name."""
    return {
        "leaked_examples": len(shared.leaked),
        "conflicting_examples": sum(map(len, shared.conflicting)),
    }


def _lines(split: str, examples: Sequence[Any], indices: Sequence[int]) -> str:
    """Return where examples stand, without their file: results do not tell where files lie."""
    numbers = [examples[i].place.rpartition(":")[2] for i in indices]
    return f"{split} lines {listed(numbers)}" if numbers else ""
