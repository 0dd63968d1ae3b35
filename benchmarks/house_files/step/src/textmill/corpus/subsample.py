"""The step that keeps a share of the training documents, to measure what more text is worth."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from textmill.config import SubsampleConfig
from textmill.files import write_json


def subsample(config: SubsampleConfig, inputs: Mapping[str, Path], out: Path) -> None:
    """Write a corpus with a share of the training documents, chosen by the hash of their ids.

    Args:
        config: the share.
        inputs: `corpus`, a folder of the step clean.
        out: an empty folder; gets the training documents that are kept, and the validation split.
    """
    shutil.copytree(inputs["corpus"] / "validation", out / "validation")
    (out / "train").mkdir()
    n_documents = 0
    for shard in sorted((inputs["corpus"] / "train").glob("*.parquet")):
        table = pq.read_table(shard)
        # The beginning of the id has chosen the split.
        parts = [int(one[-16:], 16) for one in table.column("doc_id").to_pylist()]
        kept = table.filter(pa.array([part < config.share * (1 << 64) for part in parts]))
        pq.write_table(kept, out / "train" / shard.name, compression="zstd")
        n_documents += len(kept)
    write_json(out / "metrics.json", {"train_documents": n_documents})
