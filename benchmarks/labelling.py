"""What labels of texts that a model is least sure of are worth, beside labels of random texts.

    python benchmarks/labelling.py --ag-news FOLDER [--seeds 5] [--labels 500] [--round 50]

FOLDER has train.jsonl.gz and test.jsonl.gz with text and label. A person is simulated by the labels
of the training file: 100 random texts are labelled first, and then in every round those that the
model of the texts so far is least sure of, without near copies, as `textmill label` offers them.
Random choice begins with the same texts. The model is the classical candidate of the task, naive
Bayes with logistic regression on n-grams, which trains in a second.

The measure of uncertainty (Settles 2009) is chosen by the accuracy on 2,000 of the training texts,
which are never labelled; the test file is then used with that measure alone. Differences are those
of the same seed; their 95 % interval is Student's, over the seeds.
"""

from __future__ import annotations

import argparse
import gzip
import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, hstack
from scipy.stats import t as student
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.preprocessing import normalize

from textmill.tasks.classification.baselines import NgramClassifier, fit, prepared_texts
from textmill.tasks.classification.examples import Example, Spec
from textmill_flows.answering.input_rows import InputRow
from textmill_flows.labelling.uncertain_rows import SPARE, Candidate, varied

Floats = NDArray[np.floating]
N_FIRST, N_VALIDATION = 100, 2000
RANDOM = "random"
MEASURES: dict[str, Callable[[Floats], Floats]] = {
    "least confidence": lambda p: 1 - p.max(axis=1),
    "margin": lambda p: 1 - np.diff(np.sort(p, axis=1)[:, -2:], axis=1)[:, 0],
    "entropy": lambda p: -(p * np.log(np.maximum(p, 1e-12))).sum(axis=1),
}


class CountedTexts:
    """Texts whose n-grams are counted once: scores of many models without tokenizing again.

    Args:
        spec: the labels.
        examples: the texts.
    """

    def __init__(self, spec: Spec, examples: Sequence[Example]) -> None:
        self.n_labels = len(spec.labels)
        texts = ["\n".join(row) for row in prepared_texts(spec, examples)]
        self.parts = []
        for vectorizer in fit(spec, examples[:N_FIRST]).vectorizers:
            # An n-gram of one text alone occurs in no text that is scored by a model of others.
            counter = CountVectorizer(analyzer=vectorizer.build_analyzer(), min_df=2)
            counts = counter.fit_transform(texts).astype(np.float64)
            counts.data = 1 + np.log(counts.data)
            self.parts.append((counter.vocabulary_, counts.tocsr()))

    def score(self, model: NgramClassifier, rows: NDArray[np.integer]) -> Floats:
        """Return the probabilities that `NgramClassifier.score` returns for these texts."""
        start, features = 0, []
        for ngrams, (vocabulary, counts) in zip(model.ngrams, self.parts, strict=True):
            idf = model.idf[start : start + len(ngrams)].astype(np.float64)
            start += len(ngrams)
            pairs = [(vocabulary[g], j) for j, g in enumerate(ngrams) if g in vocabulary]
            origin, place = (np.array(side) for side in zip(*pairs, strict=True))
            chosen = csr_matrix((idf[place], (origin, place)), (counts.shape[1], len(ngrams)))
            features.append(normalize(counts[rows] @ chosen))
        return model.classifier.probabilities(hstack(features).tocsr(), self.n_labels)


class Simulation:
    """Labels of a pool of texts, bought round by round.

    Args:
        spec: the labels.
        examples: all texts; the first of them are the pool.
        n_pool: number of texts of the pool.
    """

    def __init__(self, spec: Spec, examples: Sequence[Example], n_pool: int) -> None:
        self.spec, self.examples = spec, examples
        self.counted = CountedTexts(spec, examples)
        self.pool = np.arange(n_pool)
        self.numbers = np.array([spec.labels.index(example.label) for example in examples])

    def accuracy(self, model: NgramClassifier, rows: NDArray[np.integer]) -> float:
        """Return the accuracy of a model on some of the texts."""
        best = self.counted.score(model, rows).argmax(axis=1)
        return float((best == self.numbers[rows]).mean())

    def models(
        self, seed: int, measure: str, n_labels: int, n_round: int
    ) -> Iterator[tuple[int, NgramClassifier]]:
        """Yield the number of labels and the model of every round."""
        order = np.random.default_rng(seed).permutation(self.pool)
        labelled = [int(row) for row in order[:N_FIRST]]
        while True:
            model = fit(self.spec, [self.examples[row] for row in labelled])
            yield len(labelled), model
            count = min(n_round, n_labels - len(labelled))
            if not count:
                return
            if measure == RANDOM:
                labelled = [int(row) for row in order[: len(labelled) + count]]
            else:
                labelled += self.least_sure(model, measure, labelled, count)

    def least_sure(
        self, model: NgramClassifier, measure: str, labelled: list[int], count: int
    ) -> list[int]:
        """Return the texts of the pool that `textmill label` would offer."""
        rest = np.setdiff1d(self.pool, labelled)
        uncertainty = MEASURES[measure](self.counted.score(model, rest))
        found = []
        for at in np.argsort(-uncertainty)[: SPARE * count]:
            text = self.examples[rest[at]].text
            row = InputRow({}, text, {}, str(rest[at]))
            found.append(Candidate(row, "", float(uncertainty[at]), b""))
        return [int(candidate.row.place) for candidate in varied(found, count)]


def main() -> None:
    """Measure and print, as rows of Markdown tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ag-news", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--labels", type=int, default=500)
    parser.add_argument("--round", type=int, default=50)
    given = parser.parse_args()
    train, test = (read(given.ag_news / f"{name}.jsonl.gz") for name in ("train", "test"))
    shuffled = [train[i] for i in np.random.default_rng(0).permutation(len(train))]
    n_pool = len(train) - N_VALIDATION
    spec = Spec(tuple(sorted({example.label for example in train})))
    begin = time.process_time()
    simulation = Simulation(spec, [*shuffled, *test], n_pool)
    check(simulation)
    validation = np.arange(n_pool, len(train))
    tested = np.arange(len(train), len(train) + len(test))
    print(f"Pool of {n_pool:,} texts; {time.process_time() - begin:.0f} s of CPU time to count.\n")

    print(f"| {given.labels} labels, accuracy on validation | mean | seeds |\n|---|---|---|")
    finals: dict[str, list[NgramClassifier]] = {}
    scores: dict[str, float] = {}
    for name in (RANDOM, *MEASURES):
        runs = [
            [model for _, model in simulation.models(seed, name, given.labels, given.round)][-1]
            for seed in range(given.seeds)
        ]
        of_seeds = [simulation.accuracy(model, validation) for model in runs]
        finals[name], scores[name] = runs, fmean(of_seeds)
        print(f"| {name} | {scores[name]:.4f} | {', '.join(f'{a:.4f}' for a in of_seeds)} |")
    best = max(MEASURES, key=lambda name: scores[name])

    print(f"\n| {given.labels} labels, accuracy on the test | mean | seeds |\n|---|---|---|")
    on_test = {
        name: [simulation.accuracy(model, tested) for model in finals[name]]
        for name in (RANDOM, best)
    }
    for name, of_seeds in on_test.items():
        print(f"| {name} | {fmean(of_seeds):.4f} | {', '.join(f'{a:.4f}' for a in of_seeds)} |")
    gains = [a - b for a, b in zip(on_test[best], on_test[RANDOM], strict=True)]
    half = student.ppf(0.975, len(gains) - 1) * stdev(gains) / len(gains) ** 0.5
    shown = ", ".join(f"{gain:.4f}" for gain in gains)
    print(f"| difference | {fmean(gains):.4f} ± {half:.4f} | {shown} |")
    print(f"\n{time.process_time() - begin:.0f} s of CPU time.")


def read(file: Path) -> list[Example]:
    """Return the examples of a file."""
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        rows: Iterator[dict[str, Any]] = map(json.loads, lines)
        return [Example(row["text"], row["label"], "") for row in rows]


def check(simulation: Simulation) -> None:
    """Raise AssertionError unless counted texts have the scores of the product."""
    model = fit(simulation.spec, simulation.examples[:N_FIRST])
    rows = np.arange(N_FIRST, N_FIRST + 20)
    texts = prepared_texts(simulation.spec, [simulation.examples[row] for row in rows])
    np.testing.assert_allclose(simulation.counted.score(model, rows), model.score(texts), rtol=1e-5)


if __name__ == "__main__":
    main()
