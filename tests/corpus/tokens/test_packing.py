"""Specifies packing: every token is learned from once, and documents do not meet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from textmill.config import ModelConfig
from textmill.corpus.tokens.packing import PackedBlocks
from textmill.corpus.tokens.token_shards import write_shards
from textmill.model.gpt import GPT
from textmill.training.objectives import token_nll

UINT16 = np.dtype(np.uint16)
LENGTHS = st.lists(st.integers(0, 40), min_size=1, max_size=25)


def numbered(lengths: list[int]) -> list[list[int]]:
    """Documents of these lengths in which every token occurs once."""
    starts = np.cumsum([5, *lengths[:-1]])
    return [
        list(range(start, start + length)) for start, length in zip(starts, lengths, strict=True)
    ]


def packed(
    folder: Path, documents: list[list[int]], block_size: int, shard_tokens: int = 1000, **how: Any
) -> PackedBlocks:
    write_shards(folder, documents, UINT16, shard_tokens)
    return PackedBlocks(folder, block_size, **how)


HOW = st.fixed_dictionaries(
    {"packing": st.sampled_from(["whole", "fill"]), "overlap": st.integers(0, 15)}
)


@settings(deadline=None)
@given(lengths=LENGTHS, block_size=st.integers(2, 16), shard_tokens=st.integers(1, 100), how=HOW)
def test_every_token_of_the_corpus_is_a_target_once(
    tmp_path_factory: pytest.TempPathFactory,
    lengths: list[int],
    block_size: int,
    shard_tokens: int,
    how: dict[str, Any],
) -> None:
    documents = numbered(lengths)
    folder = tmp_path_factory.mktemp("tokens")
    how["overlap"] %= block_size
    blocks = packed(folder, documents, block_size, shard_tokens, **how)
    rows = blocks.rows(range(len(blocks)))
    expected = sorted([token for document in documents for token in document] + [0] * len(lengths))
    assert sorted(rows["targets"][rows["loss_mask"]].tolist()) == expected
    assert rows["targets"].shape == (len(blocks), block_size)
    assert blocks.padding_share == pytest.approx((rows["documents"] < 0).mean())


@settings(deadline=None)
@given(lengths=LENGTHS, block_size=st.integers(2, 16), how=HOW)
def test_targets_are_the_tokens_after_the_inputs(
    tmp_path_factory: pytest.TempPathFactory,
    lengths: list[int],
    block_size: int,
    how: dict[str, Any],
) -> None:
    how["overlap"] %= block_size
    documents = numbered(lengths)
    after = {
        (a, b)
        for document in documents
        for a, b in zip([0, *document], [*document, 0], strict=True)
    }
    blocks = packed(tmp_path_factory.mktemp("tokens"), documents, block_size, **how)
    rows = blocks.rows(range(len(blocks)))
    mask = rows["documents"] >= 0
    pairs = zip(rows["input_ids"][mask].tolist(), rows["targets"][mask].tolist(), strict=True)
    assert set(pairs) == after
    inside = (rows["documents"][:, 1:] == rows["documents"][:, :-1]) & mask[:, 1:]
    assert (rows["input_ids"][:, 1:] == rows["targets"][:, :-1])[inside].all()


def test_a_block_holds_its_pieces_in_numbered_runs_and_then_padding(tmp_path: Path) -> None:
    blocks = packed(tmp_path, [[7, 8], [9]], block_size=6)
    [row] = [{name: array[0].tolist() for name, array in blocks.rows([0]).items()}]
    assert row == {
        "input_ids": [0, 7, 8, 0, 9, 1],
        "targets": [7, 8, 0, 9, 0, 1],
        "loss_mask": [True] * 5 + [False],
        "documents": [0, 0, 0, 1, 1, -1],
    }


def test_documents_are_numbered_across_shards(tmp_path: Path) -> None:
    lengths = [2, 9, 0, 5]
    blocks = packed(tmp_path, numbered(lengths), block_size=4, shard_tokens=8)
    assert len(blocks.shards) > 1
    rows = blocks.rows(range(len(blocks)))
    targets = np.bincount(rows["documents"][rows["loss_mask"]])
    assert targets.tolist() == [length + 1 for length in lengths]
    assert blocks.n_documents == len(lengths)


def test_two_packings_are_the_same(tmp_path: Path) -> None:
    lengths = np.random.default_rng(0).integers(0, 40, 60).tolist()
    first = packed(tmp_path, numbered(lengths), block_size=16)
    second = PackedBlocks(tmp_path, 16)
    assert len(first) == len(second)
    rows, again = (blocks.rows(range(len(first))) for blocks in (first, second))
    for name, array in rows.items():
        assert (array == again[name]).all()


def test_context_is_seen_again_and_is_no_target_again(tmp_path: Path) -> None:
    blocks = packed(tmp_path, [[5, 6, 7, 8, 9]], block_size=4, overlap=2)
    rows = {name: array.tolist() for name, array in blocks.rows([0, 1]).items()}
    assert rows == {
        "input_ids": [[0, 5, 6, 7], [6, 7, 8, 9]],
        "targets": [[5, 6, 7, 8], [7, 8, 9, 0]],
        "loss_mask": [[True] * 4, [False] * 2 + [True] * 2],
        "documents": [[0] * 4, [0] * 4],
    }


def test_documents_of_different_groups_share_no_block(tmp_path: Path) -> None:
    lengths = np.random.default_rng(0).integers(0, 40, 60)
    groups = np.arange(60) % 3
    blocks = packed(tmp_path, numbered(lengths.tolist()), block_size=16, groups=groups)
    documents = blocks.rows(range(len(blocks)))["documents"]
    start = 0
    for group, end in enumerate(blocks.group_ends):
        inside = documents[start:end]
        assert set(inside[inside >= 0].tolist()) == set(range(group, 60, 3))
        start = end
    assert start == len(blocks)


def test_targets_are_counted_by_group_and_by_how_often_a_block_is_taken(tmp_path: Path) -> None:
    lengths = np.random.default_rng(0).integers(0, 40, 60)
    groups = np.arange(60) % 3
    blocks = packed(tmp_path, numbered(lengths.tolist()), block_size=16, overlap=3)
    times = np.arange(len(blocks)) % 4
    expected = np.zeros(3, int)
    rows = blocks.rows(range(len(blocks)))
    for block, n in enumerate(times):
        numbers = rows["documents"][block][rows["loss_mask"][block]]
        expected += n * np.bincount(groups[numbers], minlength=3)
    assert blocks.targets(times, groups).tolist() == expected.tolist()


def test_packed_documents_have_the_losses_that_they_have_apart(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = GPT(ModelConfig(n_layer=2, n_head=2, n_embd=16, block_size=16, vocab_size=300))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.3)
    model = model.double().eval()
    documents = numbered([3, 0, 14, 7, 5, 15, 1])
    blocks = packed(tmp_path, documents, block_size=16)
    rows = {name: torch.from_numpy(a) for name, a in blocks.rows(range(len(blocks))).items()}
    nll = token_nll(model(rows["input_ids"], rows["documents"]), rows["targets"])
    mask = rows["loss_mask"]
    found = dict(
        zip(
            zip(rows["input_ids"][mask].tolist(), rows["targets"][mask].tolist(), strict=True),
            nll[mask].tolist(),
            strict=True,
        )
    )
    expected = {}
    for document in documents:
        ids = torch.tensor([[0, *document, 0]])
        apart = token_nll(model(ids[:, :-1]), ids[:, 1:])[0].tolist()
        expected |= dict(
            zip(zip(ids[0, :-1].tolist(), ids[0, 1:].tolist(), strict=True), apart, strict=True)
        )
    assert found == pytest.approx(expected, abs=1e-5)
