import csv
import gzip
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from textmill.config import SampleConfig
from textmill.sample.generate import generate
from textmill.sample.language.world import World, build_world

CONFIG = SampleConfig(seed=3, n_documents=1005, n_train=600, n_test=300)


@dataclass
class Sample:
    """Generated data, read again by other means than it was written with."""

    folder: Path
    planted: dict[str, Any]
    raw: dict[str, list[str]]
    """Texts by source."""
    article_lines: list[str]

    def text_of(self, entry: dict[str, Any]) -> str:
        return self.raw[entry["source"]][entry["index"]]

    def rows(self, task: str, split: str) -> list[dict[str, Any]]:
        lines = (self.folder / task / f"{split}.jsonl").read_text("utf-8").split("\n")
        return [json.loads(line) for line in lines if line]


@pytest.fixture(scope="session")
def world() -> World:
    return build_world()


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    out = tmp_path_factory.mktemp("sample")
    generate(CONFIG, {}, out)
    planted = json.loads((out / "planted.json").read_text("utf-8"))
    text = out / "text"
    lines = gzip.decompress((text / "articles.jsonl.gz").read_bytes()).decode().split("\n")[:-1]
    broken = {entry["line"] for entry in planted["broken_lines"]}
    articles = [json.loads(line)["text"] for n, line in enumerate(lines) if n not in broken]
    with (text / "reviews.csv").open(encoding="utf-8", newline="") as file:
        reviews = [row["review"] for row in csv.DictReader(file)]
    notes = [
        paragraph
        for path in sorted((text / "notes").glob("*.txt"))
        for paragraph in path.read_bytes().decode().removesuffix("\n").split("\n\n")
    ]
    letters = pq.read_table(text / "letters.parquet").column("body").to_pylist()
    raw = {"articles": articles, "reviews": reviews, "notes": notes, "letters": letters}
    for source in ("german", "chinese"):
        raw[source] = (text / f"{source}.txt").read_bytes().decode().split("\n")[:-1]
    return Sample(out, planted, raw, lines)
