"""Specifies the evaluation of a language model: its loss, the baseline, and the samples."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from textmill import model as models
from textmill.config import LanguageModelStepConfig, ModelConfig, TokenizerConfig, TokensConfig
from textmill.corpus.tokens.corpus_tokens import tokenize
from textmill.corpus.tokens.packing import PackedBlocks
from textmill.corpus.tokens.token_shards import Labels, write_shards
from textmill.corpus.tokens.tokenizer import TOKENIZER_FILES, load_tokenizer
from textmill.corpus.tokens.vocabulary import train_tokenizer
from textmill.errors import InputError
from textmill.files import read_json
from textmill.model import GPT
from textmill.tasks.language_model.evaluate import (
    DOCUMENTS,
    bits_by_language,
    document_sizes,
    evaluate_lm,
    unigram_nll,
)
from textmill.training.likelihood import document_nll, packed
from textmill.training.objectives import token_nll
from textmill.training.writing import write_texts

LANGUAGES = ["en", "zh", "und", "en"]
HELD_OUT = ["The cat sat.", "那只猫", "", "The mat was under the cat, and the dog was not there."]
TRAIN = ["The cat sat on the mat, and the dog sat on the cat.", "那只猫坐在垫子上。"] * 30
GENERATION = LanguageModelStepConfig(prompts=("The", "那"), max_new_tokens=12, accelerator="cpu")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    base = tmp_path_factory.mktemp("evaluate")
    folders = {name: base / name for name in ("corpus", "backbone", "tokens", "out")}
    for folder in folders.values():
        folder.mkdir()
    for split, texts in (("train", TRAIN), ("validation", HELD_OUT)):
        (folders["corpus"] / split).mkdir()
        about = {name: ["x"] * len(texts) for name in ("source", "doc_id")}
        about["language"] = LANGUAGES * (len(texts) // len(LANGUAGES))
        pq.write_table(
            pa.table({"text": texts, **about}), folders["corpus"] / split / "00000.parquet"
        )
    train_tokenizer(TokenizerConfig(vocab_size=300), folders, folders["backbone"])
    tokenize(TokensConfig(), folders | {"tokenizer": folders["backbone"]}, folders["tokens"])
    torch.manual_seed(0)
    shape = ModelConfig(n_layer=2, n_head=2, n_embd=16, block_size=12, vocab_size=300)
    network = GPT(shape)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.2)
    models.save(network, folders["backbone"])
    evaluate_lm(GENERATION, folders, folders["out"])
    return folders


@pytest.fixture(scope="module")
def metrics(folders: dict[str, Path]) -> dict[str, Any]:
    values: dict[str, Any] = json.loads((folders["out"] / "metrics.json").read_text())
    return values


def test_the_loss_equals_that_of_separate_documents(
    folders: dict[str, Path], metrics: dict[str, Any]
) -> None:
    network, tokenizer = models.load(folders["backbone"]), load_tokenizer(folders["backbone"])
    losses = []
    for text in HELD_OUT:
        ids = torch.tensor([0, *tokenizer.encode(text).ids, 0])
        for at in range(0, len(ids) - 1, 12):
            piece = ids[None, at : at + 13]
            losses.append(token_nll(network(piece[:, :-1]), piece[:, 1:])[0])
    nll = torch.cat(losses)
    assert metrics["val_loss"] == pytest.approx(nll.mean().item(), rel=1e-5)
    assert metrics["validation_targets"] == len(nll)
    bits = nll.sum().item() / math.log(2) / len("".join(HELD_OUT).encode())
    assert metrics["bits_per_byte"] == pytest.approx(bits, rel=1e-5)
    assert metrics["perplexity"] == pytest.approx(math.exp(nll.mean().item()), rel=1e-4)


def test_every_document_has_its_share_of_the_loss(folders: dict[str, Path]) -> None:
    network, tokenizer = models.load(folders["backbone"]), load_tokenizer(folders["backbone"])
    lines = (folders["out"] / DOCUMENTS).read_text().splitlines()
    for text, row in zip(HELD_OUT, map(json.loads, lines), strict=True):
        ids = torch.tensor([0, *tokenizer.encode(text).ids, 0])
        nll = 0.0
        for at in range(0, len(ids) - 1, 12):
            piece = ids[None, at : at + 13]
            nll += token_nll(network(piece[:, :-1]), piece[:, 1:]).sum().item()
        assert row["nll"] == pytest.approx(nll, rel=1e-5)
        assert (row["targets"], row["bytes"]) == (len(ids) - 1, len(text.encode()))


def test_documents_of_several_shards_keep_their_order(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    network, tokenizer = models.load(folders["backbone"]), load_tokenizer(folders["backbone"])
    documents = [tokenizer.encode(text).ids for text in HELD_OUT]
    write_shards(tmp_path, documents, np.dtype(np.uint16), shard_tokens=9)
    blocks = PackedBlocks(tmp_path, 12)
    assert len(blocks.shards) > 1
    whole = PackedBlocks(folders["tokens"] / "validation", 12)
    losses = [document_nll(network, packed(b, 8), len(HELD_OUT))[0] for b in (blocks, whole)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    sizes = document_sizes(blocks.shards, tokenizer)
    assert sizes.tolist() == document_sizes(whole.shards, tokenizer).tolist()


def test_metrics_include_the_unigram_baseline(
    folders: dict[str, Path], metrics: dict[str, Any]
) -> None:
    loss = unigram_nll(folders["tokens"]).sum() / metrics["validation_targets"]
    assert metrics["unigram/val_loss"] == pytest.approx(loss)
    assert metrics["unigram/perplexity"] == pytest.approx(math.exp(loss))
    ratio = metrics["unigram/bits_per_byte"] / metrics["bits_per_byte"]
    assert ratio == pytest.approx(loss / metrics["val_loss"])


def test_the_unigram_loss_by_hand(tmp_path: Path) -> None:
    for split, documents in (("train", [[2, 2, 3], [2]]), ("validation", [[2, 1], [3]])):
        (tmp_path / split).mkdir()
        write_shards(tmp_path / split, documents, np.dtype(np.uint16))
    (tmp_path / "index.json").write_text('{"vocab_size": 4}')
    # Seen, with one added: END 2+1, 1 0+1, 2 3+1, 3 1+1 of ten. Held out: 2, 1, END; 3, END.
    expected = [-math.log(0.4 * 0.1 * 0.3), -math.log(0.2 * 0.3)]
    assert unigram_nll(tmp_path).tolist() == pytest.approx(expected)


def test_bits_per_byte_are_given_for_each_of_several_languages(
    folders: dict[str, Path], metrics: dict[str, Any]
) -> None:
    rows = [*map(json.loads, (folders["out"] / DOCUMENTS).read_text().splitlines())]
    assert [row["language"] for row in rows] == LANGUAGES
    of_english = [row for row in rows if row["language"] == "en"]
    bits = sum(row["nll"] for row in of_english) / math.log(2)
    assert metrics["bits_per_byte/en"] == pytest.approx(bits / sum(r["bytes"] for r in of_english))
    assert metrics["unigram/bits_per_byte/zh"] > 0
    # A language without any bytes has none.
    assert {name for name in metrics if name.startswith("bits_per_byte/")} == {
        "bits_per_byte/en",
        "bits_per_byte/zh",
    }
    nll, sizes = np.array([1.0, 2.0]), np.array([3, 4])
    assert bits_by_language(nll, sizes, Labels(["en"], np.zeros(2, np.int64))) == {}


def test_the_samples_are_prompts_with_completions(folders: dict[str, Path]) -> None:
    network, tokenizer = models.load(folders["backbone"]), load_tokenizer(folders["backbone"])
    samples = read_json(folders["out"] / "samples.json")
    expected = [p + write_texts(network, tokenizer, p, GENERATION)[0] for p in ("The", "那")]
    assert samples == expected


def test_evaluating_again_writes_the_same_bytes(folders: dict[str, Path], tmp_path: Path) -> None:
    evaluate_lm(GENERATION, folders, tmp_path)
    files = sorted(file.name for file in tmp_path.iterdir())
    assert files == ["documents.jsonl", "metrics.json", "samples.json"]
    for file in files:
        assert (tmp_path / file).read_bytes() == (folders["out"] / file).read_bytes()


def test_the_backbone_brings_its_tokenizer(folders: dict[str, Path]) -> None:
    assert all((folders["backbone"] / name).exists() for name in TOKENIZER_FILES)


@pytest.mark.usefixtures("gpu")
def test_a_gpu_measures_what_the_cpu_does(folders: dict[str, Path], tmp_path: Path) -> None:
    evaluate_lm(GENERATION.model_copy(update={"accelerator": "cuda"}), folders, tmp_path)
    here, there = (read_json(folder / "metrics.json") for folder in (folders["out"], tmp_path))
    assert there == pytest.approx(here, rel=1e-4)
    samples = read_json(tmp_path / "samples.json")
    assert all(map(str.startswith, samples, GENERATION.prompts))


def test_a_gpu_that_is_missing_is_named(
    folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match=r"pretrain\.accelerator=cuda: .* set it to cpu"):
        evaluate_lm(GENERATION.model_copy(update={"accelerator": "cuda"}), folders, tmp_path)
