"""Leaked examples (in both training and test), and conflicting labels of a text."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from textmill.config import TaskConfig
from textmill.errors import InputError, listed
from textmill.tasks.inputs import text_key
from textmill.tasks.kinds import Examples
from textmill.tasks.rows import Rows


@dataclass(frozen=True)
class Overlap:
    """The overlap of training and test examples, as indices."""

    leaked: tuple[int, ...]
    """Test examples whose text is also a training text."""
    copied: tuple[int, ...]
    """Training examples whose text is also a test text."""
    n_same_answer: int
    """Number of leaked examples with the same answer in training."""
    conflicting: tuple[tuple[int, ...], tuple[int, ...]]
    """Training and test examples whose text also occurs with another label."""


def find_overlap(kind: Examples, train: Sequence[Any], test: Sequence[Any]) -> Overlap:
    """Return the overlap of the examples; no conflicts if a text may have several answers."""
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
    return Overlap(
        leaked=leaked,
        copied=tuple(i for i, key in enumerate(keys[0]) if key in answers[1]),
        n_same_answer=sum(_answer(kind, test[i]) in answers[0][keys[1][i]] for i in leaked),
        conflicting=(
            tuple(i for i, key in enumerate(keys[0]) if key in conflicts),
            tuple(i for i, key in enumerate(keys[1]) if key in conflicts),
        ),
    )


def _answer(kind: Examples, example: Any) -> Any:
    answer = kind.reference(example)["reference"]
    return tuple(answer) if isinstance(answer, list) else answer


def kept_examples(config: TaskConfig, train: Rows[Any], shared: Overlap) -> Rows[Any]:
    """Return the training examples that remain after applying `on_leak`.

    Raises:
        InputError: `on_leak` is "refuse" and there are leaks, or no example remains.
    """
    setting = f"tasks.{config.name}.on_leak"
    if config.on_leak == "refuse" and shared.leaked:
        raise InputError(
            f"tasks.{config.name}: {len(shared.leaked):,} test texts are training texts too "
            f"({lines_of('training', train, shared.copied)}), which {setting}=refuse forbids: "
            "remove them from the training file, or set it to drop, which does so, or to report."
        )
    if config.on_leak != "drop" or not shared.copied:
        return train
    copied = set(shared.copied)
    kept: Rows[Any] = Rows(example for i, example in enumerate(train) if i not in copied)
    kept.n_bad, kept.normalized = train.n_bad, train.normalized
    if not kept:
        raise InputError(
            f"tasks.{config.name}: every training text is a test text too, so {setting}=drop "
            "leaves no training examples: set another test file."
        )
    return kept


def lines_of(split: str, examples: Sequence[Any], indices: Sequence[int]) -> str:
    """Return the line numbers of examples, without the file: results do not depend on its path.

    After the examples of the file of a split come those of labels saved by hand.
    """
    numbers: list[str] = []
    saved: list[str] = []
    for i in indices:
        number = examples[i].place.rpartition(":")[2]
        (saved if is_saved(examples, i) else numbers).append(number)
    groups = {f"{split} lines": numbers, "lines of saved labels": saved}
    return ", ".join(f"{name} {listed(group)}" for name, group in groups.items() if group)


def is_saved(examples: Sequence[Any], index: int) -> bool:
    """Return whether a training example is a label saved by hand, which follow those of a file."""
    first, own = (examples[i].place.rpartition(":")[0] for i in (0, index))
    return bool(own != first)
