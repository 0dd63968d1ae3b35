"""Specifies mixtures: shares of sources and languages, and the blocks that meet them."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from textmill.config import ModelConfig, PretrainConfig, PretrainStepConfig
from textmill.corpus.tokens.packing import PackedBlocks
from textmill.corpus.tokens.token_shards import DOCUMENTS, write_shards
from textmill.errors import InputError
from textmill.training.batches import shuffled
from textmill.training.mixture import SeenTokens, source_weights, token_shares, training_blocks

COUNTS = np.array([[600.0, 100], [0, 300]])
"""Two sources, two languages."""


@pytest.mark.parametrize(
    ("weights", "alpha", "expected"),
    [
        ([None, None], None, [[0.6, 0.1], [0, 0.3]]),
        ([None, 0.65], None, [[0.3, 0.05], [0, 0.65]]),
        ([1, 3], None, [[0.25 * 6 / 7, 0.25 / 7], [0, 0.75]]),
        ([1, 0], None, [[6 / 7, 1 / 7], [0, 0]]),
        ([None, None], 1.0, [[0.6, 0.1], [0, 0.3]]),
        ([None, None], 0.0, [[0.5, 0.125], [0, 0.375]]),
        # Weights first: 0.2 and 0.8 of the languages are then drawn as 1 to 2.
        ([0.2 * 7 / 6, None], 0.5, [[1 / 3, None], [0, None]]),
    ],
)
def test_shares_by_hand(
    weights: list[float | None], alpha: float | None, expected: list[list[float | None]]
) -> None:
    shares = token_shares(COUNTS, weights, alpha)
    assert shares.sum() == pytest.approx(1)
    for row, expected_row in zip(shares, expected, strict=True):
        for share, wanted in zip(row, expected_row, strict=True):
            assert wanted is None or share == pytest.approx(wanted)


def test_the_weight_of_the_texts_of_tasks_is_split_by_their_sizes() -> None:
    names, sizes = ["books", "task:a", "task:b"], np.array([500.0, 100, 300])
    assert source_weights({"task:": 0.4}, names, sizes) == [None, 0.1, pytest.approx(0.3)]
    assert source_weights({"books": 0.4}, names, sizes) == [0.4, None, None]


def test_a_language_of_a_source_with_weight_0_takes_no_share() -> None:
    shares = token_shares(np.array([[10.0, 0], [0, 10]]), [None, 0.0], 0.0)
    assert shares.tolist() == [[1, 0], [0, 0]]


def test_languages_have_shares_by_a_power_of_their_tokens() -> None:
    """As Conneau et al. 2020 define them."""
    counts = np.array([[1000.0, 100, 10]])
    powers = np.array([1000**0.3, 100**0.3, 10**0.3])
    assert token_shares(counts, [None], 0.3)[0] == pytest.approx(powers / powers.sum())


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    """Documents of two sources, one of them in two languages; those of songs leave much padding."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "train"
    folder.mkdir()
    sources = ["books"] * 200 + ["songs"] * 100
    languages = ["en"] * 150 + ["de"] * 50 + ["en"] * 100
    lengths = [*rng.integers(1, 40, 200), *rng.integers(9, 12, 100)]
    write_shards(folder, [[5] * length for length in lengths], np.dtype(np.uint16))
    about = {"doc_id": [str(n) for n in range(300)], "source": sources, "language": languages}
    pq.write_table(pa.table(about), folder / DOCUMENTS)
    return tmp_path


def config(weights: dict[str, float] | None = None, **pretraining: Any) -> PretrainStepConfig:
    return PretrainStepConfig(
        model=ModelConfig(block_size=16),
        pretrain=PretrainConfig.model_validate({"micro_batch_size": 8} | pretraining),
        weights=weights or {},
    )


def shares_after(tokens: Path, config: PretrainStepConfig, n_batches: int) -> dict[str, float]:
    return SeenTokens(tokens, *training_blocks(tokens, config)).shares(n_batches)


def test_without_weights_the_blocks_are_those_of_the_corpus_in_a_shuffled_order(
    tokens: Path,
) -> None:
    blocks, order = training_blocks(tokens, config(seed=5))
    plain = PackedBlocks(tokens / "train", 16)
    rows, expected = (one.rows(range(len(plain))) for one in (blocks, plain))
    for name, array in expected.items():
        assert (rows[name] == array).all()
    for epoch in (0, 3):
        assert order(epoch) == shuffled(len(plain), 8, seed=5)(epoch)


@pytest.mark.parametrize("packing", ["whole", "fill"])
@pytest.mark.parametrize(
    ("weights", "expected"), [({"songs": 0.1}, 0.1), ({"songs": 3, "books": 1}, 0.75)]
)
def test_sources_are_trained_on_by_their_weights(
    tokens: Path, weights: dict[str, float], expected: float, packing: str
) -> None:
    shares = shares_after(tokens, config(weights, packing=packing), 500)
    assert shares["train/share/source/songs"] == pytest.approx(expected, abs=0.005)
    assert shares["train/share/source/books"] == pytest.approx(1 - expected, abs=0.005)


def test_languages_are_trained_on_by_their_shares(tokens: Path) -> None:
    shares = shares_after(tokens, config(language_alpha=0.0), 500)
    assert shares["train/share/language/de"] == pytest.approx(0.5, abs=0.005)


def test_weights_and_languages_act_together(tokens: Path) -> None:
    shares = shares_after(tokens, config({"songs": 0.0}, language_alpha=0.0), 500)
    assert shares["train/share/language/de"] == pytest.approx(0.5, abs=0.005)
    assert shares["train/share/source/songs"] == 0


def test_a_weight_of_a_source_without_text_is_an_error(tokens: Path) -> None:
    with pytest.raises(
        InputError, match="'wiki' has weight=0.2, and none of its documents are left"
    ):
        training_blocks(tokens, config({"wiki": 0.2}))
    training_blocks(tokens, config({"wiki": 0.0, "books": 0.5}))
    with pytest.raises(InputError, match="only sources of weight 0 have documents"):
        training_blocks(tokens, config({"books": 0.0, "songs": 0.0}))


def test_what_was_taken_is_what_the_batches_hold(tokens: Path) -> None:
    blocks, order = training_blocks(tokens, config({"songs": 0.2}, overlap=4))
    taken = SeenTokens(tokens, blocks, order)
    per_epoch = len(order(0))
    n_batches = per_epoch + 7
    taken.shares(3)  # asked before as well
    indices = list(chain.from_iterable([*order(0), *order(1)[:7]]))
    rows = blocks.rows(indices)
    counts = np.bincount(rows["documents"][rows["loss_mask"]] // 200, minlength=2)
    totals = taken.totals(n_batches)
    assert totals["tokens_seen"] == counts.sum()
    assert [totals[f"tokens_seen/source/{name}"] for name in ("books", "songs")] == counts.tolist()
    n_songs = int(np.concatenate([shard.lengths for shard in blocks.shards])[200:].sum())
    assert totals["epochs/source/songs"] == pytest.approx(counts[1] / n_songs)
