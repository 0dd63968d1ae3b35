"""Decontamination: rejects documents that share a word n-gram with the test set of a task.

Source: Brown et al. 2020 ("Language Models are Few-Shot Learners"), appendix C, whose 13-grams and
minimum length of 8 words are the defaults. Shorter examples are too common to be significant inside
of a document, and only reject documents that consist of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from textmill.config import CleanConfig, CorpusConfig, DecontaminationConfig
from textmill.corpus.cleaning.document import Document, Verdict
from textmill.corpus.cleaning.filters.contract import Filter
from textmill.corpus.cleaning.final_text import FinalTexts
from textmill.corpus.shingles import Hashes, hash_runs, hash_words, read_characters, slices
from textmill.corpus.task_texts import TEST, read_task_texts, task_names

_BATCH_CHARS = 1 << 17
_SHOWN_CHARS = 120


@dataclass(frozen=True)
class Contamination(Filter):
    """Rejects documents that share a word n-gram with the test set of a task."""

    name = "contaminated"
    description = "text of test sets"
    ngrams: TestNgrams | None = None

    def is_enabled(self, config: CorpusConfig) -> bool:
        """Return whether decontamination is enabled."""
        return bool(config.decontamination.enabled)

    def configured(self, config: CleanConfig) -> Contamination:
        """Return the filter with the n-grams of the texts of tests."""
        texts: dict[str, list[str]] = {}
        if config.task_texts_folder is not None:
            folder, clean = Path(config.task_texts_folder), FinalTexts(config).final_text
            for task in task_names(folder, TEST):
                texts[task] = [clean(one.text) for one in read_task_texts(folder, TEST, task)]
        return Contamination(TestNgrams(config.decontamination, texts))

    def judge(self, documents: Sequence[Document]) -> Iterator[Verdict]:
        """Yield the tasks and the first n-gram that each document shares with test sets."""
        assert self.ngrams is not None, "not configured"
        for shared in self.ngrams.find([document.text for document in documents]):
            if shared is None:
                yield None
            else:
                detail = f"{', '.join(shared.tasks)}: {shared.words}"
                yield self.reject(detail, contaminates=shared.tasks)


@dataclass(frozen=True)
class SharedNgram:
    """A word n-gram that a document shares with test sets."""

    tasks: tuple[str, ...]
    """The tasks whose test sets share an n-gram, by name."""
    words: str
    """The first shared n-gram, in lower case."""


class TestNgrams:
    """Hashes of the word n-grams of all test sets.

    Args:
        config: settings such as the length of n-grams.
        texts: the texts of each task's test set, cleaned like the documents.
    """

    __test__ = False  # not a test class, despite its name

    def __init__(self, config: DecontaminationConfig, texts: Mapping[str, Sequence[str]]) -> None:
        by_length: defaultdict[int, dict[str, Hashes]] = defaultdict(dict)
        for task, of_task in texts.items():
            for length, hashes in _ngrams(of_task, config).items():
                by_length[length][task] = hashes
        self._by_length = dict(sorted(by_length.items()))
        self._min_words = config.min_words

    def find(self, texts: Sequence[str]) -> list[SharedNgram | None]:
        """Return the n-gram that each text shares with the test sets; None if there is none."""
        found: list[SharedNgram | None] = []
        for batch in slices(map(len, texts), _BATCH_CHARS):
            found += self._find(texts[batch])
        return found

    def _find(self, texts: Sequence[str]) -> list[SharedNgram | None]:
        words = hash_words(read_characters(texts))
        counts = np.bincount(words.documents, minlength=len(texts))
        has_short = bool((counts < self._min_words).any())
        tasks: list[set[str]] = [set() for _ in texts]
        spans: dict[int, tuple[int, int]] = {}  # of the first shared n-gram of each text
        for length, by_task in self._by_length.items():
            if length < self._min_words and not has_short:
                continue
            hashes, first = hash_runs(words, length, keep_short=False)
            if length < self._min_words:
                is_whole = counts[words.documents[first]] == length
                hashes, first = hashes[is_whole], first[is_whole]
            for task, known in by_task.items():
                for word in first[_are_in(hashes, known)].tolist():
                    index = int(words.documents[word])
                    tasks[index].add(task)
                    span = (int(words.starts[word]), int(words.starts[word + length - 1]))
                    spans[index] = min(spans.get(index, span), span)
        return [
            _shared_ngram(text, sorted(found), spans.get(index))
            for index, (text, found) in enumerate(zip(texts, tasks, strict=True))
        ]


def _shared_ngram(
    text: str, tasks: Sequence[str], span: tuple[int, int] | None
) -> SharedNgram | None:
    if span is None:
        return None
    shown = " ".join(text.lower()[span[0] :][:_SHOWN_CHARS].split())
    return SharedNgram(tuple(tasks), shown)


def _ngrams(texts: Sequence[str], config: DecontaminationConfig) -> dict[int, Hashes]:
    """Return the sorted unique hashes of the n-grams of texts, by their length."""
    found: defaultdict[int, list[Hashes]] = defaultdict(list)
    for batch in slices(map(len, texts), _BATCH_CHARS):
        words = hash_words(read_characters(texts[batch]))
        found[config.ngram].append(hash_runs(words, config.ngram, keep_short=False)[0])
        counts = np.bincount(words.documents, minlength=len(texts[batch]))
        for length in range(1, config.ngram):
            hashes, first = hash_runs(words, length, keep_short=False)
            found[length].append(hashes[counts[words.documents[first]] == length])
    joined = {length: np.unique(np.concatenate(hashes)) for length, hashes in found.items()}
    return {length: hashes for length, hashes in joined.items() if len(hashes)}


def _are_in(hashes: Hashes, known: Hashes) -> NDArray[np.bool_]:
    positions = np.minimum(np.searchsorted(known, hashes), len(known) - 1)
    found: NDArray[np.bool_] = known[positions] == hashes
    return found
