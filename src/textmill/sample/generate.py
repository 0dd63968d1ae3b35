"""The step that generates the sample data: raw text with planted noise, and labelled examples."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import accumulate
from pathlib import Path
from random import Random
from typing import Protocol

from textmill.config import SampleConfig
from textmill.sample.bilingual import write_foreign, write_pair
from textmill.sample.chats import write_chat
from textmill.sample.dirt import Document, plant
from textmill.sample.entities import write_tagged
from textmill.sample.language.news import TOPICS
from textmill.sample.language.patterns import Span, plain
from textmill.sample.language.world import World, build_world
from textmill.sample.opinions import SENTIMENTS, write_raw_review, write_review
from textmill.sample.pairs import write_relation
from textmill.sample.prose import write_letter, write_note
from textmill.sample.questions import write_question
from textmill.sample.raw_files import (
    write_articles,
    write_letters,
    write_lines,
    write_notes,
    write_reviews,
    write_text,
)
from textmill.sample.subjects import write_subjects
from textmill.sample.topics import write_article, write_topic

WRITERS: dict[str, tuple[int, Callable[[World, Random], list[Span]]]] = {
    "articles": (33, write_article),
    "reviews": (25, write_raw_review),
    "notes": (16, write_note),
    "letters": (8, write_letter),
    "german": (12, partial(write_foreign, "de")),
    "chinese": (6, partial(write_foreign, "zh")),
}
"""Percentage of the documents, and writer, by source of raw text."""

CLEAN_SOURCES = ("german", "chinese")
"""Sources without planted noise, which is all in English."""

Row = Mapping[str, object]
"""An example by column, as JSON."""


class LabelledWriter(Protocol):
    """Writes the text of an example with a given label."""

    def __call__(self, label: str, world: World, rng: Random, *, is_test: bool) -> list[Span]:
        """Return an example with the label, from the training or test split."""


class RowWriter(Protocol):
    """Writes a whole example."""

    def __call__(self, world: World, rng: Random, *, is_test: bool) -> Row:
        """Return an example from the training or test split."""


LABELLED_TASKS: dict[str, tuple[tuple[str, ...], LabelledWriter]] = {
    "topic": (tuple(TOPICS), write_topic),
    "sentiment": (SENTIMENTS, write_review),
}
"""Labels and writer, by task; the columns are text and label."""

OTHER_TASKS: dict[str, tuple[int, RowWriter]] = {
    "ner": (1, write_tagged),
    "qa": (2, write_question),
    "entailment": (2, write_relation),
    "chat": (2, write_chat),
    "subjects": (1, write_subjects),
    "translation-de": (2, partial(write_pair, "de")),
    "translation-zh": (2, partial(write_pair, "zh")),
}
"""Multiple of the configured number of training examples, and writer, by task."""


def generate(config: SampleConfig, inputs: Mapping[str, Path], out: Path) -> None:
    """Write the sample data: text/, a folder per task, and planted.json with the planted noise.

    The same seed gives the same data everywhere; the bytes of the two compressed files also depend
    on the versions of zlib and pyarrow.

    Args:
        config: seed and sizes.
        inputs: none.
        out: an empty folder.
    """
    world = build_world()
    _write_raw(config, world, out)
    for task in [*LABELLED_TASKS, *OTHER_TASKS]:
        (out / task).mkdir()
        for split, is_test in (("train", False), ("test", True)):
            part = world.part(is_held_out=is_test)
            rng = Random(f"{config.seed} {task} {split}")
            rows = _draw_rows(task, config, part, rng, is_test=is_test)
            lines = [json.dumps(row, ensure_ascii=False) for row in rows]
            write_lines(lines, out / task / f"{split}.jsonl")


def _write_raw(config: SampleConfig, world: World, out: Path) -> None:
    documents = _write_documents(config, world)
    planted = plant(
        [document for document in documents if document.source not in CLEAN_SOURCES],
        Random(f"{config.seed} dirt"),
    )
    texts: dict[str, list[str]] = {source: [] for source in WRITERS}
    for document in documents:
        texts[document.source].append(document.text)
    folder = out / "text"
    folder.mkdir()
    planted["broken_lines"] = write_articles(
        texts["articles"], folder / "articles.jsonl.gz", Random(f"{config.seed} broken lines")
    )
    write_reviews(texts["reviews"], folder / "reviews.csv")
    write_notes(texts["notes"], folder / "notes")
    write_letters(texts["letters"], folder / "letters.parquet")
    write_lines(texts["german"], folder / "german.txt")
    write_lines(texts["chinese"], folder / "chinese.txt")
    record = {
        "documents": {source: len(texts[source]) for source in WRITERS},
        "counts": {kind: len(entries) for kind, entries in planted.items()},
        **planted,
    }
    write_text(out / "planted.json", json.dumps(record, ensure_ascii=False, indent=1) + "\n")


def _write_documents(config: SampleConfig, world: World) -> list[Document]:
    """Return the documents of all sources before planting noise, with distinct texts."""
    rng = Random(f"{config.seed} text")
    seen: set[str] = set()
    documents = []
    n_before = 0
    # Cumulative shares are rounded, so that the numbers of documents add up.
    ends = accumulate(share for share, _ in WRITERS.values())
    for (source, (_, write)), end in zip(WRITERS.items(), ends, strict=True):
        n_documents = config.n_documents * end // 100 - n_before
        n_before += n_documents
        for index in range(n_documents):
            text = _new_text(partial(write, world, rng), seen)
            documents.append(Document(source, index, text))
    return documents


def _draw_rows(
    task: str, config: SampleConfig, world: World, rng: Random, *, is_test: bool
) -> Iterator[Row]:
    """Yield the configured number of distinct examples of a task."""
    n_rows = config.n_test if is_test else config.n_train
    seen: set[str] = set()
    if task in LABELLED_TASKS:
        labels, write = LABELLED_TASKS[task]
        for label in _draw_labels(labels, n_rows, rng):
            text = _new_text(partial(write, label, world, rng, is_test=is_test), seen)
            yield {"text": text, "label": label}
        return
    factor, write_row = OTHER_TASKS[task]
    for _ in range(n_rows if is_test else factor * n_rows):
        while (key := str(row := write_row(world, rng, is_test=is_test))) in seen:
            pass
        seen.add(key)
        yield row


def _draw_labels(labels: tuple[str, ...], n_rows: int, rng: Random) -> list[str]:
    """Return labels in random order, with nearly equal frequencies."""
    drawn = [
        rng.choice(labels) if rng.random() < 0.2 else labels[row % len(labels)]
        for row in range(n_rows)
    ]
    rng.shuffle(drawn)
    return drawn


def _new_text(write: Callable[[], list[Span]], seen: set[str]) -> str:
    """Return the first text that has not been seen before, and add it to those seen."""
    while (text := plain(write())) in seen:
        pass
    seen.add(text)
    return text
