"""Simple translators: the source itself, and a table of words."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textmill.corpus.words import split_words
from textmill.safety.characters import UNSPACED
from textmill.tasks.translation.examples import Example

CLASSICAL_BASELINE = "word_by_word"
"""The baseline whose scores stand beside the model's."""

TRIVIAL_BASELINE = "copy_source"
"""The baseline that learns next to nothing."""

Words = Sequence[str]

MODEL1_PAIRS = 50_000
"""Sentence pairs that a word table is learned from; more would take memory and add little."""
MODEL1_ENTRIES = 16_000_000
"""Of source words that a target word could come from, in all pairs together, some 200 bytes each:
fewer pairs are learned from where sentences are long."""
_NO_BLANK_BEFORE = re.compile(rf"[{UNSPACED}.,;:!?)\]}}%’”»、。，；：！？）】》」』…]")
_NO_BLANK_AFTER = re.compile(rf"[{UNSPACED}(\[{{‘“«„、。，；：！？（【《「『]")


def baselines(
    train: Sequence[Example], test: Sequence[Example]
) -> Iterator[tuple[str, list[dict[str, Any]], str]]:
    """Yield name and predictions of each simple model, and what was done to save memory."""
    asked = [e.source for e in test]
    yield "copy_source", [{"translation": text} for text in copy_source(asked)], ""
    answers, note = word_by_word([e.source for e in train], [e.target for e in train], asked)
    yield CLASSICAL_BASELINE, [{"translation": text} for text in answers], note


def copy_source(sources: Sequence[str]) -> list[str]:
    """Return the texts as they are: what translations share with their source scores something."""
    return list(sources)


def word_by_word(
    sources: Sequence[str], targets: Sequence[str], test: Sequence[str], n_iterations: int = 8
) -> tuple[list[str], str]:
    """Return the test texts with every word replaced by the likeliest one of the other language.

    And what was done to save memory; empty: nothing. The likelihoods are those of IBM Model 1; a
    word that training lacks stays as it is. In scripts without spaces every character counts as a
    word.
    """
    spelled = [split_words(text) for text in targets[:MODEL1_PAIRS]]
    forms = _forms(spelled)
    pairs = [
        (split_words(source.lower()), [word.lower() for word in target])
        for source, target in zip(sources, spelled, strict=False)
    ]
    n_entries = np.cumsum([(len(source) + 1) * len(target) for source, target in pairs])
    n_learned = max(1, int(np.searchsorted(n_entries, MODEL1_ENTRIES, side="right")))
    table = ibm_model_1(pairs[:n_learned], n_iterations)
    best = {
        word: min(likely, key=lambda target: (-likely[target], target))
        for word, likely in table.items()
    }
    answers = []
    for text in test:
        words = split_words(text)
        found = [best.get(word.lower()) for word in words]
        answer = _join([forms[f] if f else w for f, w in zip(found, words, strict=True)])
        answers.append(answer[:1].upper() + answer[1:] if text[:1].isupper() else answer)
    is_bounded = n_learned < len(sources)
    note = f"learned from the first {n_learned:,} of {len(sources):,} pairs to save memory"
    return answers, note if is_bounded else ""


def ibm_model_1(
    pairs: Sequence[tuple[Words, Words]], n_iterations: int
) -> dict[str, dict[str, float]]:
    """Return t(target word | source word) for all that occur together, by expectation maximisation.

    Each target word comes from one of the source words, or from none of them, all equally likely
    beforehand. Source: Brown et al. 1993, section 4.1, with the empty word of section 3.
    """
    empty = ""
    source_ids: dict[str, int] = {empty: 0}
    target_ids: dict[str, int] = {}
    rows, columns, slots = [], [], []
    n_slots = 0
    for source, target in pairs:
        s = np.array([source_ids.setdefault(w, len(source_ids)) for w in (empty, *source)])
        t = np.array([target_ids.setdefault(w, len(target_ids)) for w in target], dtype=int)
        rows.append(np.tile(s, len(t)))
        columns.append(np.repeat(t, len(s)))
        slots.append(np.repeat(np.arange(n_slots, n_slots + len(t)), len(s)))
        n_slots += len(t)
    # One entry for each source word that a target word in its place (its slot) could come from.
    slot = np.concatenate(slots)
    together = np.concatenate(rows) * len(target_ids) + np.concatenate(columns)
    cells, cell = np.unique(together, return_inverse=True)
    of_source, of_target = np.divmod(cells, len(target_ids))
    probability: NDArray[np.float64] = np.full(len(cells), 1.0 / len(target_ids))
    for _ in range(n_iterations):
        likely = probability[cell]
        expected = likely / np.bincount(slot, likely)[slot]  # equations 16 and 17
        count = np.bincount(cell, expected, minlength=len(cells))
        probability = count / np.bincount(of_source, count)[of_source]  # equation 14
    sources, targets = list(source_ids), list(target_ids)
    table: dict[str, dict[str, float]] = defaultdict(dict)
    for s, t, p in zip(of_source.tolist(), of_target.tolist(), probability.tolist(), strict=True):
        if s:
            table[sources[s]][targets[t]] = p
    return dict(table)


def _forms(texts: Sequence[Words]) -> dict[str, str]:
    """Return the commonest spelling of every lower-case word; a text's first word counts little."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for words in texts:
        for index, word in enumerate(words):
            # Capitals at the beginning say nothing, unless the word stands nowhere else.
            counts[word.lower()][word] += 1 if index == 0 else 1000
    return {word: min(seen, key=lambda form: (-seen[form], form)) for word, seen in counts.items()}


def _join(words: Sequence[str]) -> str:
    text = ""
    for before, word in pairwise(("", *words)):
        is_apart = text and not _NO_BLANK_BEFORE.match(word) and not _NO_BLANK_AFTER.match(before)
        text += f" {word}" if is_apart else word
    return text
