from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from textmill.corpus.tokens.token_shards import Shard


def documents_of(shards: list[Shard]) -> list[list[int]]:
    """The documents without their ENDs, from the starts alone."""
    return [
        shard.ids[start : end - 1].tolist()
        for shard in shards
        for start, end in zip(shard.starts, [*shard.starts[1:], len(shard.ids)], strict=True)
    ]


def write_corpus(folder: Path, *shards: list[str], split: str = "train") -> Path:
    (folder / split).mkdir(parents=True)
    for number, texts in enumerate(shards):
        pq.write_table(pa.table({"text": texts}), folder / split / f"{number:05}.parquet")
    return folder
