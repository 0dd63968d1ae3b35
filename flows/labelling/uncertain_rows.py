"""The rows of a source that a model is least sure of."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from textmill.config import UNREDACTED, RedactionConfig, TaskConfig
from textmill.evaluation.similarity import jaccard, pieces
from textmill.tasks.annotation.labelling import Label, labelling_of
from textmill.tasks.ensemble.predictor import Predictor
from textmill.tasks.inputs import Input, text_key, text_of
from textmill.tasks.kinds import examples_of
from textmill_flows.answering.input_rows import BadRow, InputRow
from textmill_flows.answering.row_prediction import BadRows, blocks

SPARE = 4
"""Rows that are kept for each one that is asked for, of which similar ones are left out."""
COPY_OVERLAP = 0.7
"""Jaccard similarity of words and character bigrams from which on texts count as copies."""


@dataclass(frozen=True)
class Candidate:
    """A row that a person may label."""

    row: InputRow
    predicted: Label
    uncertainty: float
    key: bytes
    """Equal for rows whose texts count as the same."""


def key_of(predictor: Predictor, given: Input, redaction: RedactionConfig) -> bytes:
    """Return the key of an input, which personal data do not change."""
    [prepared] = predictor.kind.prepare(predictor.spec, [given], redaction)
    return text_key(prepared)


def known_keys(predictor: Predictor, config: TaskConfig) -> set[bytes]:
    """Return the keys of all labelled texts of a task.

    Those of the test are among them: training on them would spoil it.

    Raises:
        InputError: a file is missing or invalid.
    """
    kind = examples_of(config.kind)
    splits = ("train", "test") if config.validation is None else ("train", "test", "validation")
    return {
        key_of(predictor, kind.model_input(example), UNREDACTED)  # examples are redacted already
        for split in splits
        for example in kind.read_examples(config, split)
    }


def most_uncertain(
    predictor: Predictor,
    rows: Iterable[InputRow | BadRow],
    known: Collection[bytes],
    count: int,
    bad: BadRows,
    show: Callable[[int], None],
) -> list[Candidate]:
    """Return the rows that a model is least sure of, the least sure first, without copies.

    Memory does not depend on the number of rows.

    Args:
        predictor: the model.
        rows: the rows.
        known: keys of texts that are left out.
        count: maximum number of rows.
        bad: what to do with bad rows.
        show: shows the number of rows that are done.

    Raises:
        InputError: a row is bad.
    """
    kept: dict[bytes, Candidate] = {}
    n_rows = 0
    for block in blocks(rows, bad):
        n_rows += len(block)
        new: dict[bytes, InputRow] = {}
        for row in block:
            key = key_of(predictor, row.given, predictor.redaction)
            if key not in known and key not in kept:
                new.setdefault(key, row)
        all_found = chain(kept.values(), _candidates(predictor, new))
        best = heapq.nlargest(SPARE * count, all_found, key=lambda one: one.uncertainty)
        kept = {candidate.key: candidate for candidate in best}
        show(n_rows)
    return varied([*kept.values()], count)


def _candidates(predictor: Predictor, rows: Mapping[bytes, InputRow]) -> Iterator[Candidate]:
    """Yield rows, given by their keys, with the answers of the model."""
    labelling = labelling_of(predictor.kind_name)
    inputs = [row.given for row in rows.values()]
    answers = predictor.stream_weighted(inputs, [predictor.weights], with_details=True)
    for (key, row), (answer,) in zip(rows.items(), answers, strict=True):
        uncertainty = labelling.uncertainty(predictor.spec, answer)
        yield Candidate(row, labelling.predicted(answer), uncertainty, key)


def varied(candidates: Sequence[Candidate], count: int) -> list[Candidate]:
    """Return up to `count` of these in their order, without near copies of those before."""
    chosen: list[tuple[Candidate, frozenset[str]]] = []
    for candidate in candidates:
        own = pieces(text_of(candidate.row.given))
        if all(jaccard(own, other) < COPY_OVERLAP for _, other in chosen):
            chosen.append((candidate, own))
        if len(chosen) == count:
            break
    return [candidate for candidate, _ in chosen]
