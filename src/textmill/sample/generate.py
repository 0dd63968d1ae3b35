"""The step that writes the sample data: raw text with planted dirt, and labelled examples."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from random import Random
from typing import Protocol

from textmill.config import SampleConfig
from textmill.sample.dirt import Document, plant
from textmill.sample.opinions import SENTIMENTS, write_raw_review, write_review
from textmill.sample.patterns import Span, plain
from textmill.sample.prose import write_letter, write_note
from textmill.sample.sources import (
    write_articles,
    write_letters,
    write_notes,
    write_reviews,
    write_text,
)
from textmill.sample.topic_patterns import TOPICS
from textmill.sample.topics import write_article, write_topic
from textmill.sample.world import World, build_world

WRITERS: dict[str, tuple[int, Callable[[World, Random], list[Span]]]] = {
    "articles": (4, write_article),
    "reviews": (3, write_raw_review),
    "notes": (2, write_note),
    "letters": (1, write_letter),
}
"""Tenths of the documents and writer, by source of raw text."""


class LabelledWriter(Protocol):
    """Writes one labelled example."""

    def __call__(self, label: str, world: World, rng: Random, *, is_test: bool) -> list[Span]:
        """Return an example with the label, from the side of the split asked for."""


TASKS: dict[str, tuple[tuple[str, ...], LabelledWriter]] = {
    "topic": (tuple(TOPICS), write_topic),
    "sentiment": (SENTIMENTS, write_review),
}
"""Labels and writer, by task."""


def generate(config: SampleConfig, inputs: Mapping[str, Path], out: Path) -> None:
    """Write the sample data: text/, topic/, sentiment/, and planted.json, which lists the dirt.

    The same seed gives the same data everywhere; the bytes of the two compressed files also hang
    on the versions of zlib and pyarrow.

    Args:
        config: seed and sizes.
        inputs: none.
        out: an empty folder.
    """
    world = build_world()
    _write_raw(config, world, out)
    for task in TASKS:
        (out / task).mkdir()
        _write_labelled(task, config, world, out / task / "train.jsonl", is_test=False)
        _write_labelled(task, config, world, out / task / "test.jsonl", is_test=True)


def _write_raw(config: SampleConfig, world: World, out: Path) -> None:
    documents = _write_documents(config, world)
    planted = plant(documents, Random(f"{config.seed} dirt"))
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
    record = {
        "documents": {source: len(texts[source]) for source in WRITERS},
        "counts": {kind: len(entries) for kind, entries in planted.items()},
        **planted,
    }
    write_text(out / "planted.json", json.dumps(record, ensure_ascii=False, indent=1) + "\n")


def _write_documents(config: SampleConfig, world: World) -> list[Document]:
    """Return the clean documents of all sources; no two have the same text."""
    tenths = [source for source, (share, _) in WRITERS.items() for _ in range(share)]
    n_documents = Counter(tenths[number % len(tenths)] for number in range(config.n_documents))
    rng = Random(f"{config.seed} text")
    seen: set[str] = set()
    return [
        Document(source, index, _new_text(partial(write, world, rng), seen))
        for source, (_, write) in WRITERS.items()
        for index in range(n_documents[source])
    ]


def _write_labelled(
    task: str, config: SampleConfig, world: World, path: Path, *, is_test: bool
) -> None:
    """Write distinct examples as JSON Lines with the columns text and label."""
    labels, write = TASKS[task]
    part = world.part(is_held_out=is_test)
    n_rows = config.n_test if is_test else config.n_train
    rng = Random(f"{config.seed} {task} {path.stem}")
    seen: set[str] = set()
    lines = []
    for label in _draw_labels(labels, n_rows, rng):
        text = _new_text(partial(write, label, part, rng, is_test=is_test), seen)
        lines.append(json.dumps({"text": text, "label": label}, ensure_ascii=False) + "\n")
    write_text(path, "".join(lines))


def _draw_labels(labels: tuple[str, ...], n_rows: int, rng: Random) -> list[str]:
    """Return labels in random order: all of them, nearly as often as each other."""
    drawn = [
        rng.choice(labels) if rng.random() < 0.2 else labels[row % len(labels)]
        for row in range(n_rows)
    ]
    rng.shuffle(drawn)
    return drawn


def _new_text(write: Callable[[], list[Span]], seen: set[str]) -> str:
    """Return the first text written that is not among those seen, and remember it."""
    while (text := plain(write())) in seen:
        pass
    seen.add(text)
    return text
