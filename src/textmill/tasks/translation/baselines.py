"""Baselines of translation: the source itself, and word-by-word translation."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textmill.corpus.words import split_words
from textmill.safety.characters import UNSPACED
from textmill.tasks.ensemble.baseline_files import load_baseline, write_baseline
from textmill.tasks.translation.examples import Example, Spec

CLASSICAL_BASELINE = "word_by_word"
"""The baseline that the model is compared with, and that can be the model."""

TRIVIAL_BASELINE = "copy_source"
"""The baseline that learns almost nothing."""

Words = Sequence[str]

MAX_MODEL1_PAIRS = 50_000
"""Maximum number of sentence pairs for training; more would need memory and improve little."""
MAX_MODEL1_ALIGNMENTS = 16_000_000
"""Maximum number of possible alignments of source and target words in all pairs, about 200 bytes
each: with long sentences, fewer pairs are used."""
N_ITERATIONS = 8
_NO_SPACE_BEFORE = re.compile(rf"[{UNSPACED}.,;:!?)\]}}%’”»、。，；：！？）】》」』…]")
_NO_SPACE_AFTER = re.compile(rf"[{UNSPACED}(\[{{‘“«„、。，；：！？（【《「『]")


def baselines(
    spec: Spec, train: Sequence[Example], test: Sequence[Example]
) -> Iterator[tuple[str, list[dict[str, Any]], str]]:
    """Yield name and predictions of each baseline, and a note if it was limited to save memory."""
    texts = [example.source for example in test]
    yield TRIVIAL_BASELINE, [{"translation": text} for text in texts], ""
    model = fit(spec, train)
    yield CLASSICAL_BASELINE, [{"translation": text} for text, _ in model.score(texts)], model.note


def fit(spec: Spec, train: Sequence[Example]) -> WordTable:
    """Return the table of the most probable translations by IBM Model 1 of single words.

    In scripts without spaces, every character is a word.
    """
    spelled = [split_words(example.target) for example in train[:MAX_MODEL1_PAIRS]]
    pairs = [
        (split_words(example.source.lower()), [word.lower() for word in target])
        for example, target in zip(train, spelled, strict=False)
    ]
    n_entries = np.cumsum([(len(source) + 1) * len(target) for source, target in pairs])
    n_learned = max(1, int(np.searchsorted(n_entries, MAX_MODEL1_ALIGNMENTS, side="right")))
    table = ibm_model_1(pairs[:n_learned], N_ITERATIONS)
    forms = _common_spellings(spelled)
    best = {
        word: forms[min(likely, key=lambda target: (-likely[target], target))]
        for word, likely in table.items()
    }
    is_bounded = n_learned < len(train)
    note = f"learned from the first {n_learned:,} of {len(train):,} pairs to save memory"
    return WordTable(best, note if is_bounded else "")


def load(spec: Spec, folder: Path) -> WordTable:
    """Return the table that was saved in a folder.

    Raises:
        InputError: a file is missing or damaged.
    """
    return load_baseline(
        folder, lambda values, _: WordTable({word: str(text) for word, text in values.items()})
    )


class WordTable:
    """Replaces every word by its most probable translation; unknown words are kept.

    Args:
        table: lower-case words and their translations.
        note: how it was limited to save memory; empty if it was not.
    """

    def __init__(self, table: dict[str, str], note: str = "") -> None:
        self.table, self.note = table, note

    @property
    def n_parameters(self) -> int:
        """Number of entries."""
        return len(self.table)

    def score(self, prepared: Sequence[str]) -> Iterator[tuple[str, bool]]:
        """Yield the translation of each text, which is never truncated."""
        for text in prepared:
            words = split_words(text)
            answer = _join([self.table.get(word.lower(), word) for word in words])
            yield answer[:1].upper() + answer[1:] if text[:1].isupper() else answer, False

    def save(self, folder: Path) -> None:
        """Write the table to a folder, from which `load` reads it."""
        write_baseline(folder, self.table, {})


def ibm_model_1(
    pairs: Sequence[tuple[Words, Words]], n_iterations: int
) -> dict[str, dict[str, float]]:
    """Return t(target word | source word) of co-occurring words, by expectation maximization.

    Each target word is aligned to one source word or the empty word, with a uniform prior. Source:
    Brown et al. 1993, section 4.1, with the empty word of section 3.
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
    # One entry for each possible alignment of a source word to a target position (slot).
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


def _common_spellings(texts: Sequence[Words]) -> dict[str, str]:
    """Return the most frequent spelling of every lower-case word."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for words in texts:
        for index, word in enumerate(words):
            # The first word is capitalized in any case: it counts only if the word occurs nowhere
            # else.
            counts[word.lower()][word] += 1 if index == 0 else 1000
    return {word: min(seen, key=lambda form: (-seen[form], form)) for word, seen in counts.items()}


def _join(words: Sequence[str]) -> str:
    text = ""
    for before, word in pairwise(("", *words)):
        has_space = text and not _NO_SPACE_BEFORE.match(word) and not _NO_SPACE_AFTER.match(before)
        text += f" {word}" if has_space else word
    return text
