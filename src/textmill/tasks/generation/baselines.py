"""Baselines of generation: the most frequent response, and that of the most similar prompt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import TfidfVectorizer

from textmill.corpus.words import split_words
from textmill.tasks.ensemble.baseline_files import load_baseline, write_baseline
from textmill.tasks.generation.examples import Example, Spec

CLASSICAL_BASELINE = "nearest_prompt"
"""The baseline that the model is compared with, and that can be the model."""

TRIVIAL_BASELINE = "most_frequent"
"""The baseline that learns almost nothing."""

MAX_PROMPTS = 100_000
"""Maximum training prompts that are compared, evenly spaced ones of more."""
N_COMPARED = 256
"""Prompts whose similarities with all training prompts are in memory at a time."""


def baselines(
    spec: Spec, train: Sequence[Example], test: Sequence[Example]
) -> Iterator[tuple[str, list[dict[str, Any]], str]]:
    """Yield name and predictions of each baseline, and a note if it was limited to save memory."""
    counts = Counter(example.target for example in train)
    common = min(counts, key=lambda text: (-counts[text], text))
    yield TRIVIAL_BASELINE, [{"response": common, "is_cut": False} for _ in test], ""
    model = fit(spec, train)
    rows = [{"response": t, "is_cut": c} for t, c in model.score([e.source for e in test])]
    yield CLASSICAL_BASELINE, rows, model.note


def fit(spec: Spec, train: Sequence[Example]) -> NearestPrompt:
    """Return the training prompts and their responses."""
    used = train[:: -(-len(train) // MAX_PROMPTS)]
    vectorizer = _vectorizer()
    prompts = vectorizer.fit_transform([example.source for example in used])
    note = ""
    if len(used) < len(train):
        note = f"compared with {len(used):,} of {len(train):,} prompts to save memory"
    names = [*map(str, vectorizer.get_feature_names_out())]
    responses = [example.target for example in used]
    return NearestPrompt(names, vectorizer.idf_, csr_matrix(prompts), responses, note)


def load(spec: Spec, folder: Path) -> NearestPrompt:
    """Return the model that was saved in a folder.

    Raises:
        InputError: a file is missing or damaged.
    """

    def build(values: Any, arrays: dict[str, NDArray[Any]]) -> NearestPrompt:
        words, responses = ([*map(str, values[name])] for name in ("words", "responses"))
        if not responses:
            raise ValueError("there are no responses")
        parts = (arrays["data"], arrays["indices"], arrays["indptr"])
        prompts = csr_matrix(parts, shape=(len(responses), len(words)))
        prompts.check_format()
        return NearestPrompt(words, arrays["idf"], prompts, responses)

    return load_baseline(folder, build)


class NearestPrompt:
    """Answers as the training prompt whose words are most similar was answered.

    Args:
        words: words and pairs of words, in the order of the features.
        idf: their inverse document frequencies.
        prompts: the features of the training prompts, (prompts, words).
        responses: to these prompts.
        note: how it was limited to save memory; empty if it was not.
    """

    def __init__(
        self,
        words: list[str],
        idf: NDArray[np.floating],
        prompts: csr_matrix,
        responses: list[str],
        note: str = "",
    ) -> None:
        self.words, self.idf, self.note = words, idf.astype(np.float64), note
        self.prompts, self.responses = prompts, responses
        self.vectorizer = _vectorizer(words)
        self.vectorizer.idf_ = self.idf

    @property
    def n_parameters(self) -> int:
        """Number of values of the training prompts."""
        return int(self.prompts.nnz)

    def score(self, prepared: Sequence[str]) -> Iterator[tuple[str, bool]]:
        """Yield the response to each prompt, and False: none is truncated."""
        for at in range(0, len(prepared), N_COMPARED):
            features = self.vectorizer.transform(prepared[at : at + N_COMPARED])
            for row in (features @ self.prompts.T).toarray():
                yield self.responses[int(row.argmax())], False

    def save(self, folder: Path) -> None:
        """Write the model to a folder, from which `load` reads it."""
        parts = {name: getattr(self.prompts, name) for name in ("data", "indices", "indptr")}
        values = {"words": self.words, "responses": self.responses}
        write_baseline(folder, values, {"idf": self.idf, **parts})


def _vectorizer(words: list[str] | None = None) -> TfidfVectorizer:
    return TfidfVectorizer(
        tokenizer=split_words,
        token_pattern=None,
        ngram_range=(1, 2),
        sublinear_tf=True,
        vocabulary=words,
    )
