"""What reading long texts in windows gains over cutting them to the context.

    python benchmarks/long_texts.py --data FOLDER [NAME ...] [--context N] [--epochs N] ...

FOLDER has the folders squad and broad_twitter. Without names, both are measured.

    answers     SQuAD: questions on the last fifth of the training file's passages, and of those the
                texts of three to five contexts, question included
    entities    Broad Twitter: tweets of the validation file, joined up to four contexts

Networks have 2 layers of 128 channels, and weights that were random before they were fine-tuned on
the other passages, or the training tweets. Texts are read by the network as it is; by the same
network, cut; and, as for questions training texts are long too, by one that was trained on cut
passages, without those that have lost the answer. Words that are cut are in no entity. Differences
have 95 % intervals of a bootstrap over passages, which several questions share. No test file is
read.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from textmill.config import UNREDACTED, ModelConfig, TaskConfig, TokenizerConfig, settings_of
from textmill.corpus.tokens.vocabulary import train_on
from textmill.evaluation.significance import ExampleStatistics, differences
from textmill.hardware import n_cores, set_up_torch
from textmill.model import GPT
from textmill.tasks.ensemble.example_rows import predict_examples
from textmill.tasks.ensemble.predictor import Predictor, network_scorer
from textmill.tasks.finetune import split_off
from textmill.tasks.inputs import text_of
from textmill.tasks.kinds import examples_of, network_of
from textmill.tasks.question_answering.examples import Example as Question
from textmill.tasks.question_answering.passages import split_passage
from textmill.tasks.statistics import tabulate
from textmill.tasks.tagging.examples import Example as Sentence
from textmill.tasks.tagging.iob2 import OUTSIDE
from textmill.tasks.tuning.best_epoch import train_network

SHAPE: dict[str, Any] = {"n_layer": 2, "n_head": 4, "n_embd": 128}
VOCAB_SIZE = 8192
N_CONTEXTS = 4
"""The length of texts, in contexts."""
HELD_OUT_SHARE = 0.2
ONE_WINDOW = 2**20
"""A context that holds all texts."""


@dataclass(frozen=True)
class Given:
    """The arguments of the command."""

    data: Path
    context: int
    epochs: int
    n_examples: int | None
    """Maximum number of training examples."""


@dataclass(frozen=True)
class Task:
    """A task whose texts can be cut; its networks begin with the same random weights."""

    given: Given
    config: TaskConfig
    train: list[Any]
    cut: Callable[[Any, int], Any]
    """Returns an example with its first words alone."""
    is_usable: Callable[[Any], bool] | None = None
    """Whether a cut example can be trained on; None: training texts are short."""

    @cached_property
    def spec(self) -> Any:
        """The settings of the models."""
        return examples_of(self.config.kind).make_spec(self.config, self.train)

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """That of the training texts."""
        kind = examples_of(self.config.kind)
        texts = dict.fromkeys(text_of(kind.model_input(example)) for example in self.train)
        return train_on(TokenizerConfig(vocab_size=VOCAB_SIZE), texts)

    def windows(self, example: Any, context: int) -> Any:
        """Return the windows of an example."""
        network = network_of(self.config.kind)
        return network.encode(self.tokenizer, self.spec, [example], context)[0].windows

    def n_tokens(self, example: Any) -> int:
        """Return the number of tokens of an example, with those that begin a window."""
        [(ids, _)] = self.windows(example, ONE_WINDOW)
        return len(ids)

    def to_context(self, example: Any) -> Any:
        """Return an example with the words of its first window alone."""
        ids, owners = self.windows(example, self.given.context)[0]
        [(_, all_owners)] = self.windows(example, ONE_WINDOW)
        n_read = len(ids) - owners.index(0)
        others = all_owners[all_owners.index(0) + n_read :]
        return self.cut(example, others[0]) if others else example

    def predictor(self, examples: list[Any]) -> Predictor:
        """Return the predictor of a network that was trained on these examples."""
        shape = ModelConfig(**SHAPE, block_size=self.given.context, vocab_size=VOCAB_SIZE)
        splits = split_off(self.config, examples_of(self.config.kind), examples)
        with tempfile.TemporaryDirectory() as work:
            trained = train_network(
                self.config, self.spec, lambda p: GPT(shape.model_copy(update={"dropout": p})),
                self.tokenizer, splits, {}, Path(work),
            )  # fmt: skip
        kind = self.config.kind
        scorer = network_scorer(kind, self.spec, trained.network, self.tokenizer, "cpu")
        return Predictor(kind, self.spec, [(scorer, 1.0)])


def make_config(kind: str, given: Given, **files: Path) -> TaskConfig:
    """Return a task that trains a network with the defaults of its kind."""
    return settings_of(kind).model_validate(
        {
            "kind": kind,
            "name": "task",
            "test": "unused",
            "finetune": {
                "epochs": given.epochs, "patience": None, "candidates": ["network"],
                "micro_batch_size": 16, "accelerator": "cpu",
            },
        }
        | {split: str(file) for split, file in files.items()}
    )  # fmt: skip


def answers(given: Given) -> None:
    """Print what windows gain on answers."""
    config = make_config("question_answering", given, train=given.data / "squad/train.jsonl.gz")
    examples = examples_of(config.kind).read_examples(config, "train")
    passages = [*dict.fromkeys(example.context for example in examples)]
    held_out = {*passages[-round(HELD_OUT_SHARE * len(passages)) :]}
    train = [example for example in examples if example.context not in held_out]

    def cut(example: Question, n_words: int) -> Question:
        end = split_passage(example.context, UNREDACTED).offsets[n_words - 1][1]
        kept = tuple(span for span in example.answers if span[1] <= end)
        return replace(example, context=example.context[:end], answers=kept)

    task = Task(
        given, config, train[: given.n_examples],
        cut=cut, is_usable=lambda example: bool(example.answers),
    )  # fmt: skip
    low, high = ((N_CONTEXTS + side) * given.context for side in (-1, 1))
    texts = [e for e in examples if e.context in held_out and low <= task.n_tokens(e) < high]
    measure("answers", task, texts)


def entities(given: Given) -> None:
    """Print what windows gain on entities."""
    folder = given.data / "broad_twitter"
    files = {split: folder / f"{split}.jsonl" for split in ("train", "validation")}
    config = make_config("tagging", given, **files)
    kind = examples_of(config.kind)
    task = Task(
        given, config, kind.read_examples(config, "train")[: given.n_examples],
        cut=lambda e, n: replace(e, words=e.words[:n], tags=e.tags[:n]),
    )  # fmt: skip
    measure("entities", task, [*joined(task, kind.read_examples(config, "validation"))])


def joined(task: Task, sentences: Sequence[Sentence]) -> Iterator[Sentence]:
    """Yield sentences joined to texts of four contexts."""
    parts: list[Sentence] = []
    for sentence in sentences:
        parts.append(sentence)
        if sum(map(task.n_tokens, parts)) >= N_CONTEXTS * task.given.context:
            words, tags = (
                tuple(chain.from_iterable(getattr(part, name) for part in parts))
                for name in ("words", "tags")
            )
            yield Sentence(words, tags, parts[0].place)
            parts = []


def measure(name: str, task: Task, texts: Sequence[Any]) -> None:
    """Print the scores of texts in windows and cut, and the differences."""
    kind = examples_of(task.config.kind)
    n_contexts = np.mean([task.n_tokens(text) / task.given.context for text in texts])
    groups = [kind.group(text) for text in texts]
    print(
        f"{name}: {len(texts):,} texts of {n_contexts:.1f} contexts "
        f"({len({*groups}):,} different), {len(task.train):,} training examples",
        flush=True,
    )
    cut_texts = [task.to_context(text) for text in texts]
    predictor = timed(name, "whole", task, task.train)
    rows = {
        "windows": predict_examples(kind, predictor, texts),
        "cut": predict_examples(kind, predictor, cut_texts),
    }
    if task.is_usable is not None:
        share = sum(map(task.is_usable, cut_texts)) / len(texts)
        print(f"{name}: {share:.0%} of the answers are in the cut texts", flush=True)
        cut_train = [*filter(task.is_usable, map(task.to_context, task.train))]
        predictor = timed(name, "cut", task, cut_train)
        rows["cut, also in training"] = predict_examples(kind, predictor, cut_texts)
    references = [*map(kind.reference, texts)]
    found = [[*map(completed, own, references)] for own in rows.values()]
    statistics = by_group(tabulate(task.config.kind, found), groups)
    for number, read in enumerate(rows):
        score = statistics.values(number)[statistics.leading]
        line = f"{name}: {read:<22} F1 {score:.3f}"
        if number:
            gain = differences(statistics, number, 0)[statistics.leading].gain
            line += f"   windows gain {gain.value:+.3f} ({gain.low:+.3f} to {gain.high:+.3f})"
        print(line, flush=True)


def timed(name: str, what: str, task: Task, examples: list[Any]) -> Predictor:
    """Return the predictor of a network that was trained on these examples; print the time."""
    start_s = time.perf_counter()
    predictor = task.predictor(examples)
    seconds = time.perf_counter() - start_s
    print(f"{name}: trained on {len(examples):,} {what} texts in {seconds:.0f} s", flush=True)
    return predictor


def completed(row: dict[str, Any], reference: dict[str, Any]) -> dict[str, Any]:
    """Return the prediction for a cut text as that for the whole one."""
    row = row | reference
    if "tags" in row:
        n_missing = len(reference["tokens"]) - len(row["tags"])
        row["tags"] = [*row["tags"], *[OUTSIDE] * n_missing]
    return row


def by_group(examples: ExampleStatistics, groups: Sequence[str]) -> ExampleStatistics:
    """Return the statistics of groups of examples, which are resampled as a whole."""
    numbers = {group: number for number, group in enumerate(dict.fromkeys(groups))}
    n_models, _, n_statistics = examples.statistics.shape
    sums = np.zeros((n_models, len(numbers), n_statistics))
    np.add.at(sums, np.s_[:, [numbers[group] for group in groups]], examples.statistics)
    return replace(examples, statistics=sums)


MEASUREMENTS = (answers, entities)


def main() -> None:
    """Take the measurements named on the command line, or all."""
    parser = argparse.ArgumentParser(description=__doc__ and __doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--context", type=int, default=64, help="in tokens")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--examples", type=int, help="of training; default: all")
    parser.add_argument("--threads", type=int, default=n_cores())
    parser.add_argument("names", nargs="*", choices=[[], *(m.__name__ for m in MEASUREMENTS)])
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.ERROR)  # what Lightning announces
    set_up_torch(asked.threads)
    for take in MEASUREMENTS:
        if not asked.names or take.__name__ in asked.names:
            take(Given(asked.data, asked.context, asked.epochs, asked.examples))


if __name__ == "__main__":
    main()
