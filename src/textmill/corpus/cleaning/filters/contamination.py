"""Decontamination: rejects documents that share a word n-gram with the test set of a task.

Source: Brown et al. 2020 ("Language Models are Few-Shot Learners"), appendix C, whose 13-grams and
minimum length of 8 words are the defaults; shorter examples are too common to be significant.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from textmill.config import CleanConfig, CorpusConfig, DecontaminationConfig, TestSetConfig
from textmill.corpus.cleaning.document import Document, Verdict
from textmill.corpus.cleaning.filters.contract import Filter
from textmill.corpus.cleaning.final_text import FinalTexts
from textmill.corpus.reading.labelled import read_labelled
from textmill.corpus.reading.records import BadRecord
from textmill.corpus.shingles import Hashes, hash_runs, hash_words, read_characters, slices

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
        return config.decontamination.enabled

    def configured(self, config: CleanConfig) -> Contamination:
        """Return the filter with the n-grams of the configured test sets, which are read.

        Raises:
            InputError: a test set cannot be read.
            RunError: the hub cannot be reached.
        """
        clean = FinalTexts(config).final_text
        return Contamination(TestNgrams(config.decontamination, config.test_sets, clean))

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
    """The tasks whose test sets share an n-gram, in the order of the configuration."""
    words: str
    """The first shared n-gram, in lower case."""


class TestNgrams:
    """Hashes of the word n-grams of all test sets.

    Args:
        config: settings such as the length of n-grams.
        test_sets: the test sets.
        clean: cleans a text like the documents.

    Raises:
        InputError: a test set cannot be read.
        RunError: the hub cannot be reached.
    """

    __test__ = False  # not a test class, despite its name

    def __init__(
        self,
        config: DecontaminationConfig,
        test_sets: Sequence[TestSetConfig],
        clean: Callable[[str], str],
    ) -> None:
        self._tasks = tuple(test_set.name for test_set in test_sets)
        by_length: defaultdict[int, dict[str, Hashes]] = defaultdict(dict)
        for test_set in test_sets:
            texts = list(map(clean, _test_texts(test_set)))
            for length, hashes in _ngrams(texts, config).items():
                by_length[length][test_set.name] = hashes
        self._by_length = dict(sorted(by_length.items()))

    def find(self, texts: Sequence[str]) -> list[SharedNgram | None]:
        """Return the n-gram that each text shares with the test sets; None if there is none."""
        found: list[SharedNgram | None] = []
        for batch in slices(map(len, texts), _BATCH_CHARS):
            found += self._find(texts[batch])
        return found

    def _find(self, texts: Sequence[str]) -> list[SharedNgram | None]:
        words = hash_words(read_characters(texts))
        tasks: list[set[str]] = [set() for _ in texts]
        spans: dict[int, tuple[int, int]] = {}  # of the first shared n-gram of each text
        for length, by_task in self._by_length.items():
            hashes, first = hash_runs(words, length, keep_short=False)
            for task, known in by_task.items():
                for word in first[_are_in(hashes, known)].tolist():
                    index = int(words.documents[word])
                    tasks[index].add(task)
                    span = (int(words.starts[word]), int(words.starts[word + length - 1]))
                    spans[index] = min(spans.get(index, span), span)
        return [
            _shared_ngram(text, [task for task in self._tasks if task in found], spans.get(index))
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
        for length in range(config.min_words, config.ngram):
            hashes, first = hash_runs(words, length, keep_short=False)
            found[length].append(hashes[counts[words.documents[first]] == length])
    joined = {length: np.unique(np.concatenate(hashes)) for length, hashes in found.items()}
    return {length: hashes for length, hashes in joined.items() if len(hashes)}


def _are_in(hashes: Hashes, known: Hashes) -> NDArray[np.bool_]:
    positions = np.minimum(np.searchsorted(known, hashes), len(known) - 1)
    found: NDArray[np.bool_] = known[positions] == hashes
    return found


def _test_texts(test_set: TestSetConfig) -> Iterator[str]:
    """Yield the texts of a test set; bad records are left to the step that evaluates it."""
    settings = {column: f"tasks.{test_set.name}" for column in test_set.columns}
    for record in read_labelled(
        test_set.places,
        settings,
        test_set.hub,
        test_set.subset,
        test_set.revision,
        test_set.encoding,
    ):
        if isinstance(record, BadRecord):
            continue
        for column in test_set.columns:
            value = record.values[column]
            if isinstance(value, list):
                yield " ".join(map(str, value))
            elif isinstance(value, str):
                yield value
