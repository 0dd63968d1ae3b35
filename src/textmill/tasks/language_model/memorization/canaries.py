"""The step `canaries`: random texts that are added to the training text, to be audited.

Source: Carlini et al. 2019, "The Secret Sharer: Evaluating and Testing Unintended Memorization in
Neural Networks", section 4.
"""

from __future__ import annotations

import itertools
import random
import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from textmill.config import CanariesConfig
from textmill.corpus.reading.line_ends import json_line
from textmill.corpus.tokens.corpus_texts import corpus_shards
from textmill.files import parse_lines, write_atomic, write_json

FILE = "canaries.jsonl"
LABELS = ["source", "language"]
NAME_LETTERS = 8


@dataclass(frozen=True)
class Canary:
    """A random text with a secret that nobody can know who has not read it."""

    template: str
    name: str
    """By which it is asked for."""
    secret: str
    """Random digits."""
    repetitions: int
    """How often it is in the training text."""

    def text(self, secret: str | None = None) -> str:
        """Return the text, with another secret if one is given."""
        return self.template.format(name=self.name, secret=secret or self.secret)

    @property
    def prompt(self) -> str:
        """The text before the secret, without a space at the end, which is part of a token."""
        before = ""
        for text, slot, *_ in string.Formatter().parse(self.template):
            before += text
            if slot == "secret":
                break
            before += self.name if slot == "name" else ""
        return before.rstrip()


def plant(config: CanariesConfig, inputs: Mapping[str, Path], out: Path) -> None:
    """Write canaries in the form of a corpus, and a list of them.

    Each copy has source and language of a random training document, so that it is seen in training
    as often as such a document, whatever the weights of sources and languages.

    Args:
        config: number and form of the canaries.
        inputs: `corpus`, a folder of the step clean.
        out: an empty folder.
    """
    canaries = draw(config)
    rng = random.Random(config.seed)
    copies = [canary for canary in canaries for _ in range(canary.repetitions)]
    rng.shuffle(copies)
    labels = _labels(inputs["corpus"] / "train")
    hosts = [rng.randrange(len(labels)) for _ in copies]
    columns = {
        "text": pa.array([canary.text() for canary in copies]),
        **{name: labels[name].take(hosts).cast(pa.string()) for name in LABELS},
        "doc_id": pa.array([f"canary-{number:05}" for number in range(len(copies))]),
    }
    (out / "train").mkdir()
    pq.write_table(pa.table(columns), out / "train" / "00000.parquet")
    write_atomic(out / FILE, "".join(json_line(asdict(canary)) for canary in canaries).encode())
    write_json(out / "metrics.json", {"canaries": len(canaries), "documents": len(copies)})


def _labels(folder: Path) -> pa.Table:
    """Return sources and languages of the documents of one split."""
    shards = corpus_shards(folder)
    return pa.concat_tables(
        pq.read_table(s, columns=LABELS, read_dictionary=LABELS) for s in shards
    )


def draw(config: CanariesConfig) -> list[Canary]:
    """Return the canaries of a configuration, with different names and secrets."""
    rng = random.Random(config.seed)
    secrets = rng.sample(range(10**config.digits), config.n_canaries)
    names = set[str]()
    while len(names) < config.n_canaries:
        names.add("".join(rng.choices(string.ascii_lowercase, k=NAME_LETTERS)))
    groups = [times for times in config.repetitions for _ in range(config.canaries)]
    drawn = zip(itertools.cycle(config.templates), sorted(names), secrets, groups, strict=False)
    return [
        Canary(template, name, _digits(secret, config.digits), times)
        for template, name, secret, times in drawn
    ]


def alternatives(canaries: Sequence[Canary], digits: int, n: int, seed: int) -> Iterator[list[str]]:
    """Yield for each canary up to n different secrets that no canary has, at random.

    Args:
        canaries: all that are in the training text.
        digits: of a secret.
        n: how many; fewer if there are no more.
        seed: of the draws.
    """
    taken = {int(canary.secret) for canary in canaries}
    rng, size = random.Random(seed), 10**digits
    for _ in canaries:
        drawn = rng.sample(range(size), min(n + len(taken), size))
        free = (number for number in drawn if number not in taken)
        yield [_digits(number, digits) for number in itertools.islice(free, n)]


def read_canaries(folder: Path) -> list[Canary]:
    """Return the canaries of a folder of the step."""
    file = folder / FILE
    return [Canary(**row) for row in parse_lines(file.read_bytes(), file)]


def _digits(number: int, digits: int) -> str:
    return f"{number:0{digits}}"
