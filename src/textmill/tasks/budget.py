"""The step `budget`: chooses the sizes of models and trainings for a budget of time and memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from textmill.config import BudgetStepConfig, OpenTokenizerConfig, TaskConfig
from textmill.corpus.reading.labelled import read_labelled
from textmill.corpus.reading.records import BadRecord
from textmill.corpus.tokens.conversion import convert
from textmill.corpus.tokens.corpus_texts import corpus_shards, read_sample
from textmill.corpus.tokens.vocabulary import train_on
from textmill.errors import InputError
from textmill.files import read_json, write_json
from textmill.hub_models import TOKENIZER_PARTS, local_folder
from textmill.tasks.kinds import network_of
from textmill.training.passes import default_epochs
from textmill.training.planning.backbones import TaskTexts, Text
from textmill.training.planning.cost import Cost, Point
from textmill.training.planning.sizes import choose

if TYPE_CHECKING:
    from tokenizers import Tokenizer

SIZES = "sizes.json"
VOCABULARIES = (512, 1024, 2048, 4096, 8192, 16384)
SAMPLE_BYTES = 1 << 21
"""Text on which vocabularies are tried, and of each task, on which its tokens are counted."""
MIN_COUNT = 25
"""Minimum occurrences in the training text of half of the entries that occur at all: most of the
256 bytes occur in no text."""


def budget(config: BudgetStepConfig, inputs: Mapping[str, Path], out: Path) -> None:
    """Write the chosen sizes with the reasons as sizes.json, and the forecast as metrics.json.

    Args:
        config: the budget, and the sizes that are set.
        inputs: `corpus` and `speed`, output folders of the steps `clean` and `measure`.
        out: an empty folder.

    Raises:
        InputError: the budget is too small for any model, or for the tasks.
    """
    points = [Point.model_validate(values) for values in read_json(inputs["speed"] / "points.json")]
    text, tokenizers = read_text(config.tokenizer, inputs["corpus"])
    tasks = [read_task(task, tokenizers) for task in config.tasks]
    sizes, metrics = choose(config, text, tasks, Cost(points))
    write_json(out / SIZES, sizes.model_dump(mode="json"))
    write_json(out / "metrics.json", metrics)


def read_text(config: OpenTokenizerConfig, corpus: Path) -> tuple[Text, dict[int, Tokenizer]]:
    """Return the size of a corpus, and tokenizers of the vocabularies that it can have, by size.

    Raises:
        InputError: there is no text.
    """
    n_bytes = _n_bytes(corpus / "train")
    sample = list(read_sample(corpus, "train", SAMPLE_BYTES))
    if not n_bytes or not sample:
        raise InputError(
            "The corpus has no text to train on: add text, or check data/rejected of the step "
            "clean for the reasons of rejection."
        )
    vocabularies = list(_vocabularies(config, sample, n_bytes))
    text = Text(
        n_bytes=n_bytes,
        validation_bytes=_n_bytes(corpus / "validation"),
        bytes_per_token={found.size: found.bytes_per_token for found in vocabularies},
    )
    return text, {found.size: found.tokenizer for found in vocabularies}


def _n_bytes(folder: Path) -> int:
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    sizes = (
        pc.sum(pc.binary_length(pq.read_table(shard, columns=["text"])["text"])).as_py()
        for shard in corpus_shards(folder)
    )
    return sum(size or 0 for size in sizes)


class Vocabulary(NamedTuple):
    """A vocabulary that a corpus can have, tried on a sample."""

    size: int
    bytes_per_token: float
    tokenizer: Tokenizer


def _vocabularies(
    config: OpenTokenizerConfig, sample: Sequence[str], n_bytes: int
) -> Iterator[Vocabulary]:
    """Yield the vocabularies that a corpus can have, the smallest first.

    These are the size that is set; or those of which all but a few entries occur often (Gowda & May
    2020), and at least the smallest.
    """
    sample_bytes = sum(len(text.encode()) for text in sample)
    if config.init_from is not None:
        tokenizer = convert(local_folder(config.init_from, TOKENIZER_PARTS))
        counts = Counter(i for e in tokenizer.encode_batch_fast(sample) for i in e.ids)
        yield Vocabulary(tokenizer.get_vocab_size(), sample_bytes / counts.total(), tokenizer)
        return
    for size in VOCABULARIES if config.vocab_size is None else (config.vocab_size,):
        trained = config.model_copy(update={"vocab_size": size}).sized()
        tokenizer = train_on(trained, iter(sample))
        n_entries = tokenizer.get_vocab_size()
        counts = Counter(i for e in tokenizer.encode_batch_fast(sample) for i in e.ids)
        in_text = n_bytes / sample_bytes * median(counts.values())
        is_first = size == VOCABULARIES[0] or config.vocab_size is not None
        if not is_first and in_text < MIN_COUNT:
            return
        is_exhausted = n_entries < size and config.vocab_size is None
        reached = n_entries if is_exhausted else size
        yield Vocabulary(reached, sample_bytes / counts.total(), tokenizer)
        if is_exhausted:
            return


def read_task(config: TaskConfig, tokenizers: Mapping[int, Tokenizer]) -> TaskTexts:
    """Return the training texts of a task; invalid records are left to its own steps.

    Args:
        config: the task.
        tokenizers: of the vocabularies that are tried, by size.

    Raises:
        InputError: a file or column is missing.
        RunError: the hub cannot be reached.
    """
    sample: list[str] = []
    n_bytes = n_texts = 0
    for text in _texts(config):
        n_texts += 1
        if n_bytes < SAMPLE_BYTES:
            sample.append(text)
            n_bytes += len(text.encode())
    sample = sample or [""]  # if all are invalid, training will report it
    split_off = 0.0 if config.validation is not None else config.validation_share
    n_examples = max(1, round(n_texts * (1 - split_off)))
    network = network_of(config.kind)
    return TaskTexts(
        config=config,
        n_examples=n_examples,
        epochs=config.finetune.epochs or default_epochs(n_examples, network.SEEN_EXAMPLES),
        lengths={
            size: [len(encoding.ids) for encoding in tokenizer.encode_batch_fast(sample)]
            for size, tokenizer in tokenizers.items()
        },
        max_windows=network.MAX_TRAINING_WINDOWS,
    )


def _texts(config: TaskConfig) -> Iterator[str]:
    """Yield the texts of each example, joined."""
    columns = dict.fromkeys(config.example_columns, f"tasks.{config.name}")
    places = [getattr(config, setting) for setting in config.settings_of("train")]
    records = read_labelled(
        places, columns, config.hub, config.subset, config.revision, config.encoding
    )
    for record in records:
        if not isinstance(record, BadRecord):
            yield " ".join(_joined(record.values[column]) for column in columns)


def _joined(value: object) -> str:
    """Return the text of a value: of words, or of the messages of a chat, joined."""
    if isinstance(value, list):
        return " ".join(map(_joined, value))
    return str(value.get("content")) if isinstance(value, dict) else str(value)
