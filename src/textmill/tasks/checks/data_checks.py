"""Checks of a task's examples before anything is trained, in every run and by `textmill doctor`.

They find leaks, conflicts, repetitions, unbalanced and likely wrong labels, languages that differ,
and long texts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from textmill.config import UNREDACTED, TaskConfig
from textmill.corpus.words import split_words
from textmill.evaluation.notes import LEAK, Note
from textmill.files import write_json
from textmill.tasks.checks.leaks import (
    Overlap,
    find_overlap,
    is_saved,
    kept_examples,
    lines_of,
)
from textmill.tasks.checks.multilingual import common, shares_of
from textmill.tasks.inputs import text_key, text_of
from textmill.tasks.kinds import Examples, answers_of, baselines_of, examples_of
from textmill.tasks.labels import normalization_note
from textmill.tasks.rows import Rows

MIN_BALANCE = 0.1
"""Minimum ratio of the rarest label's examples to the most frequent one's without a note."""
MIN_LANGUAGE_RATIO = 0.1
"""Minimum share of a language in training, beside that in the test, without a note."""
BYTES_PER_TOKEN = 4
"""Of English text, with vocabularies of several thousand tokens."""
N_FOLDS = 5
MAX_CHECKED = 5000
"""Maximum training examples whose labels are checked, a random sample of all."""
SUSPECTS = "suspects.json"
"""File of the training examples with likely wrong labels, the most confident first."""
MIN_CONFIDENCE = 0.9
"""Minimum probability of another label than the given one, which is then likely wrong."""


@dataclass(frozen=True)
class Suspect:
    """A training example whose label is likely wrong."""

    index: int
    """Among the training examples."""
    label: str
    suggestion: str
    probability: float
    """Of the suggestion, by a model that was not trained on the example."""


@dataclass(frozen=True)
class Checked:
    """The examples of a task, and what is to be said of them."""

    train: Rows[Any]
    """The training examples that remain after applying `on_leak`."""
    validation: Rows[Any] | None
    """None: they are split off the training examples."""
    test: Rows[Any]
    spec: Any
    """The kind's settings of a model of all training examples."""
    shared: Overlap
    """Of all training examples and the test."""
    suspects: list[Suspect]
    """Among the training examples."""
    notes: list[Note]


def check_data(config: TaskConfig) -> Checked:
    """Return the examples of a task, with the findings of all checks.

    Raises:
        InputError: the examples are invalid, such as a test label that training lacks; or
            `on_leak` is "refuse", and there are leaks.
    """
    kind = examples_of(config.kind)
    train, test = kind.read_examples(config, "train"), kind.read_examples(config, "test")
    validation = None
    if config.validation is not None:
        validation = kind.read_examples(config, "validation")
    shared = find_overlap(kind, train, test)
    notes = list(find_notes(config, train, test, shared))
    notes += language_notes(shares_of(kind, train), shares_of(kind, test))
    train = kept_examples(config, train, shared)
    spec = kind.make_spec(config, train)
    kind.check_examples(config, spec, test)
    if validation is not None:
        kind.check_examples(config, spec, validation)
        notes += validation_notes(kind, train, validation, test)
    suspects = find_suspects(config, spec, train)
    if suspects:
        notes.append(suspects_note(train, suspects))
    return Checked(train, validation, test, spec, shared, suspects, notes)


def find_notes(
    config: TaskConfig, train: Rows[Any], test: Rows[Any], shared: Overlap
) -> Iterator[Note]:
    """Yield notes about examples: leaked, conflicting, repeated or normalized ones, and balance.

    Args:
        config: the task.
        train: the training examples.
        test: the test examples.
        shared: their overlap.
    """
    kind = examples_of(config.kind)
    if shared.leaked:
        what = f"{len(shared.leaked):,} of {len(test):,} test texts are training texts too"
        if shared.n_same_answer < len(shared.leaked):
            what += f", {shared.n_same_answer:,} of them with the same answer"
        is_dropped = config.on_leak == "drop"
        if is_dropped:
            what += f"; {len(shared.copied):,} training examples are dropped"
        yield Note(LEAK, what, lines_of("test", test, shared.leaked), not is_dropped)
    n_conflicting = sum(map(len, shared.conflicting))
    if n_conflicting:
        where = (
            lines_of("training", train, shared.conflicting[0]),
            lines_of("test", test, shared.conflicting[1]),
        )
        yield Note(
            "conflict",
            f"{n_conflicting:,} of {len(train) + len(test):,} examples have a text that also "
            "occurs with another label",
            "; ".join(filter(None, where)),
        )
    if repeated := repeated_examples(kind, train):
        yield Note(
            "repetition",
            f"{len(repeated):,} of {len(train):,} training examples repeat an earlier one",
            lines_of("training", train, repeated),
            is_doubt=False,
        )
    if note := balance_note(kind, train):
        yield Note("balance", note, is_doubt=False)
    if note := normalization_note({**train.normalized, **test.normalized}):
        yield Note("spelling", note, is_doubt=False)


def validation_notes(
    kind: Examples, train: Rows[Any], validation: Rows[Any], test: Rows[Any]
) -> Iterator[Note]:
    """Yield notes about texts of a validation file that are also those of another split.

    Args:
        kind: the examples module of its kind.
        train: the training examples that are used.
        validation: the examples that select the best epoch and candidate.
        test: the test examples.
    """
    n = len(validation)
    if copied := find_overlap(kind, train, validation).leaked:
        yield Note(
            "validation",
            f"{len(copied):,} of {n:,} validation texts are training texts too: the best epoch "
            "and candidate are selected by what the model has learned by heart",
            lines_of("validation", validation, copied),
            is_doubt=False,
        )
    if leaked := find_overlap(kind, validation, test).leaked:
        yield Note(
            "validation leak",
            f"{len(leaked):,} of {len(test):,} test texts are validation texts too, by which the "
            "model is selected",
            lines_of("test", test, leaked),
        )


def language_notes(train: Mapping[str, float], test: Mapping[str, float]) -> Iterator[Note]:
    """Yield notes about several languages, and about those of the test that training lacks.

    Args:
        train: the share of each language in the training texts.
        test: the same of the test texts.
    """
    if not train or not test:
        return
    missing = [
        f"{test[tag]:.0%} of the test texts are in {tag}, but {train.get(tag, 0.0):.0%} of the "
        "training texts"
        for tag in common(test)
        if train.get(tag, 0.0) < MIN_LANGUAGE_RATIO * test[tag]
    ]
    if missing:
        yield Note("language", f"languages differ: {'; '.join(missing)}")
    several = [f"{tag} {train[tag]:.0%}" for tag in common(train)]
    if len(several) > 1:
        yield Note("languages", f"training texts are in {', '.join(several)}", is_doubt=False)


def length_note(kind: Examples, train: Sequence[Any], block_size: int, reading: str) -> Note | None:
    """Return a note about texts that are longer than the context, or None if there are none.

    There is no tokenizer yet: a token is taken for a word, a character of scripts without spaces,
    or four bytes of longer words.

    Args:
        kind: the examples module of its kind.
        train: the training examples.
        block_size: the context, in tokens.
        reading: how the kind of task reads long texts, as a clause.
    """
    texts = (text_of(kind.model_input(example)) for example in train)
    long = [index for index, text in enumerate(texts) if _about_tokens(text) > block_size]
    if not long:
        return None
    return Note(
        "length",
        f"about {len(long):,} of {len(train):,} training texts are longer than the context of "
        f"{block_size:,} tokens: {reading}",
        lines_of("training", train, long),
        is_doubt=False,
    )


def _about_tokens(text: str) -> int:
    return max(len(split_words(text)), len(text.encode(errors="surrogatepass")) // BYTES_PER_TOKEN)


def repeated_examples(kind: Examples, train: Sequence[Any]) -> list[int]:
    """Return the indices of the examples whose text and answer are those of an earlier one."""
    seen: set[tuple[bytes, str]] = set()
    repeated = []
    for index, example in enumerate(train):
        key = (text_key(kind.model_input(example)), repr(kind.reference(example)["reference"]))
        if key in seen:
            repeated.append(index)
        seen.add(key)
    return repeated


def balance_note(kind: Examples, train: Sequence[Any]) -> str:
    """Return a description of unbalanced labels; empty if they are balanced, or there are none."""
    if kind.stratum is None or not train:
        return ""
    counts = Counter(map(kind.stratum, train)).most_common()
    (most, n_most), (least, n_least) = counts[0], counts[-1]
    if n_least >= MIN_BALANCE * n_most:
        return ""
    return (
        f"labels are unbalanced: {n_most / len(train):.1%} of the training examples are {most}, "
        f"{n_least / len(train):.1%} {least}"
    )


def suspects_note(train: Sequence[Any], suspects: Sequence[Suspect]) -> Note:
    """Return the note about likely wrong labels."""
    n_checked = min(len(train), MAX_CHECKED)
    return Note(
        "label",
        f"{len(suspects):,} of {n_checked:,} training labels are likely wrong: the classical "
        "baseline, trained without them, is sure of another",
        lines_of("training", train, [suspect.index for suspect in suspects]),
        is_doubt=False,
    )


def write_suspects(train: Sequence[Any], suspects: Sequence[Suspect], out: Path) -> None:
    """Write the examples with likely wrong labels, with the line of each in its file.

    That is the training file, or if `is_saved` the one of labels saved by hand.
    """
    rows = [
        {
            "line": int(train[suspect.index].place.rpartition(":")[2]),
            "is_saved": is_saved(train, suspect.index),
            "label": suspect.label,
            "suggestion": suspect.suggestion,
            "probability": suspect.probability,
        }
        for suspect in suspects
    ]
    write_json(out / SUSPECTS, rows)


def find_suspects(config: TaskConfig, spec: Any, train: Sequence[Any]) -> list[Suspect]:
    """Return the training examples with likely wrong labels, the most confident first.

    The classical baseline predicts each example from those of the other folds (cross-validated
    confidence; Northcutt et al. 2021, section 3, with one threshold for all labels).

    Args:
        config: the task.
        spec: the kind's settings of the model.
        train: the training examples; kinds without one label for each have no suspects.
    """
    kind = examples_of(config.kind)
    if kind.stratum is None or len(train) < 2 * N_FOLDS:
        return []
    answers = answers_of(config.kind)  # not loaded, and in no key, where it is not used
    if answers.targets is None:
        return []
    chosen = np.random.default_rng(config.finetune.seed).permutation(len(train))[:MAX_CHECKED]
    names = [kind.stratum(example) for example in train]
    numbers = [answers.targets(spec, example)[0] for example in train]
    name_of = dict(zip(numbers, names, strict=True))
    by_label = sorted(chosen.tolist(), key=lambda index: names[index])
    suspects = []
    for fold in range(N_FOLDS):
        held_out = by_label[fold::N_FOLDS]
        others = [index for at, index in enumerate(by_label) if at % N_FOLDS != fold]
        model = baselines_of(config.kind).fit(spec, [train[index] for index in others])
        inputs = [kind.model_input(train[index]) for index in held_out]
        scores = model.score(answers.prepare(spec, inputs, UNREDACTED))
        for index, probabilities in zip(held_out, scores, strict=True):
            best = int(np.argmax(probabilities))
            probability = float(probabilities[best])
            if best != numbers[index] and probability >= MIN_CONFIDENCE:
                suspects.append(Suspect(index, names[index], name_of[best], probability))
    return sorted(suspects, key=lambda suspect: -suspect.probability)
