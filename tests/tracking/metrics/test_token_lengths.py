"""Specifies the plot of document lengths."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from textmill.corpus.tokens.token_shards import write_shards
from textmill.tracking.metrics.token_lengths import token_lengths


def test_the_histogram_counts_tokens_without_end(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    write_shards(tmp_path / "train", [[7], [7, 8], [7] * 99, [7] * 99], np.dtype(np.uint16), 50)
    (axes,) = token_lengths(tmp_path).axes
    bars = [bar for bar in axes.patches if bar.get_height()]
    assert [bar.get_height() for bar in bars] == [1, 1, 2]
    for bar, length in zip(bars, (1, 2, 99), strict=True):
        assert bar.get_x() <= length < bar.get_x() + bar.get_width()
