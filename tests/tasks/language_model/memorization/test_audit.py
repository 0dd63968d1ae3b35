"""Specifies the audit: what a model that has learnt canaries by heart gives away, and a new one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from textmill import model as models
from textmill.config import (
    AuditStepConfig,
    GenerationConfig,
    ModelConfig,
    TokenizerConfig,
    TokensConfig,
)
from textmill.corpus.tokens.corpus_tokens import tokenize
from textmill.corpus.tokens.encoding import fast_encoder
from textmill.corpus.tokens.packing import PackedBlocks
from textmill.corpus.tokens.token_shards import read_index, read_shards
from textmill.corpus.tokens.tokenizer import load_tokenizer
from textmill.corpus.tokens.vocabulary import train_tokenizer
from textmill.evaluation.exposure import CHANCE
from textmill.files import read_json, write_json
from textmill.model import GPT
from textmill.model.generation import generate
from textmill.tasks.language_model.continuations import score_ends
from textmill.tasks.language_model.memorization.audit import audit, draw_excerpts, text_losses
from textmill.tasks.language_model.memorization.canaries import plant, read_canaries
from textmill.tasks.language_model.memorization.memorized import FILE, Audit
from textmill.training.objectives import token_nll

CONFIG = AuditStepConfig(
    enabled=True,
    digits=4,
    repetitions=(2, 8),
    canaries=6,
    alternatives=200,
    excerpts=20,
    prompt_tokens=6,
    continuation_tokens=10,
    accelerator="cpu",
)
SHAPE = ModelConfig(
    n_layer=2, n_head=2, n_embd=32, block_size=48, position="rotary", vocab_size=280
)
WORDS = ("tree", "house", "river", "stone", "bird", "road", "cloud", "field")
EPOCHS = 150


@dataclass(frozen=True)
class Trained:
    folders: dict[str, Path]
    found: Audit

    @property
    def metrics(self) -> dict[str, float]:
        values: dict[str, float] = read_json(self.folders["out"] / "metrics.json")
        return values


def sentences(n: int, seed: int) -> list[str]:
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, 9).tolist()) + "." for _ in range(n)]


def audited(base: Path, epochs: int) -> Trained:
    """A tiny backbone that has read its text so often, and its audit."""
    names = ("corpus", "canaries", "backbone", "tokens", "out")
    folders = {name: base / name for name in names}
    for folder in folders.values():
        folder.mkdir(parents=True)
    for split, n in (("train", 40), ("validation", 30)):
        (folders["corpus"] / split).mkdir()
        columns = {name: ["x"] * n for name in ("source", "language", "doc_id")}
        table = pa.table({"text": sentences(n, seed=n), **columns})
        pq.write_table(table, folders["corpus"] / split / "00000.parquet")
    plant(CONFIG.planted, folders, folders["canaries"])
    train_tokenizer(TokenizerConfig(vocab_size=SHAPE.vocab_size), folders, folders["backbone"])
    folders["tokenizer"] = folders["backbone"]
    tokenize(TokensConfig(), folders, folders["tokens"])
    network = train(PackedBlocks(folders["tokens"] / "train", SHAPE.block_size), epochs)
    models.save(network, folders["backbone"])
    counts = read_index(folders["tokens"])["train"]
    seen = epochs * (counts["tokens"] + counts["documents"])
    write_json(folders["backbone"] / "metrics.json", {"tokens_seen": seen})
    audit(CONFIG, folders, folders["out"])
    found = Audit.model_validate(read_json(folders["out"] / FILE))
    return Trained(folders, found)


def train(blocks: PackedBlocks, epochs: int) -> GPT:
    torch.manual_seed(0)
    network = GPT(SHAPE)
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.01)
    batch = {k: torch.from_numpy(v) for k, v in blocks.rows(range(len(blocks))).items()}
    for _ in range(epochs):
        logits = network(batch["input_ids"], batch["documents"])
        loss = token_nll(logits, batch["targets"])[batch["loss_mask"]].mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return network.eval()


@pytest.fixture(scope="module")
def overfitted(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return audited(tmp_path_factory.mktemp("overfitted"), EPOCHS)


@pytest.fixture(scope="module")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return audited(tmp_path_factory.mktemp("untrained"), 0)


def test_a_model_that_knows_its_text_by_heart_gives_it_away(overfitted: Trained) -> None:
    scores = overfitted.metrics
    for times in CONFIG.repetitions:
        assert scores[f"audit/exposure/{times}"] > 9
        assert scores[f"audit/extracted/{times}"] > 0.8
    assert scores["audit/verbatim/train"] > 0.5
    assert scores["audit/verbatim/validation"] < 0.1
    excess = scores["audit/verbatim/train"] - scores["audit/verbatim/validation"]
    assert scores["audit/verbatim/excess"] == pytest.approx(excess)
    assert scores["epochs"] == overfitted.found.epochs == EPOCHS
    canary = overfitted.found.canaries[-1]
    assert canary.is_extracted
    assert canary.continuation.strip() == f"{canary.secret}."


def test_an_untrained_model_knows_as_much_as_chance(untrained: Trained) -> None:
    bits = [canary.exposure for canary in untrained.found.canaries]
    # The deviation of one is 1.44 bits as well: three standard errors of the mean.
    assert np.mean(bits) == pytest.approx(CHANCE, abs=3 * CHANCE / math.sqrt(len(bits)))
    scores = untrained.metrics
    assert {scores[f"audit/extracted/{times}"] for times in CONFIG.repetitions} == {0}
    assert (scores["audit/verbatim/train"], scores["epochs"]) == (0, 0)


def test_its_scores_are_those_that_the_gate_knows(overfitted: Trained) -> None:
    counts = {"canaries", "epochs", "train_excerpts", "validation_excerpts"}
    assert overfitted.metrics.keys() - counts == {*CONFIG.scores}
    assert overfitted.metrics["canaries"] == CONFIG.n_canaries
    assert overfitted.metrics["train_excerpts"] == CONFIG.excerpts


def test_texts_that_are_too_short_for_excerpts_are_a_warning(
    untrained: Trained, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    longer = CONFIG.model_copy(update={"continuation_tokens": SHAPE.block_size})
    audit(longer, untrained.folders, tmp_path)
    found = Audit.model_validate(read_json(tmp_path / FILE))
    assert not any("verbatim" in name for name in found.metrics())
    assert [message.partition(": ")[0] for message in caplog.messages] == [
        f"No piece of the {split} text has 54 tokens, so there are no audit/verbatim/{split} and "
        "audit/verbatim/excess"
        for split in ("train", "validation")
    ]
    caplog.clear()
    audit(CONFIG, untrained.folders, tmp_path)
    assert not caplog.messages


def test_losses_are_those_of_whole_documents(overfitted: Trained) -> None:
    network = models.load(overfitted.folders["backbone"])
    tokenizer = load_tokenizer(overfitted.folders["backbone"])
    texts = ["The access code of nobody is 12.", "tree"]
    losses = text_losses(network, fast_encoder(tokenizer), texts)
    for text, loss in zip(texts, losses, strict=True):
        ids = torch.tensor([[0, *tokenizer.encode(text).ids, 0]])
        with torch.inference_mode():
            expected = token_nll(network(ids[:, :-1]), ids[:, 1:]).sum().item()
        assert loss == pytest.approx(expected, rel=1e-5)


def test_excerpts_are_reproduced_as_by_greedy_decoding(overfitted: Trained) -> None:
    network = models.load(overfitted.folders["backbone"])
    folder = overfitted.folders["tokens"] / "train"
    n = CONFIG.continuation_tokens
    drawn = draw_excerpts(folder, CONFIG, SHAPE.block_size, n_canaries=0)
    found = [is_greedy for _, is_greedy in score_ends(network, drawn)]
    prompts = torch.tensor([ids[:-n] for ids, _ in drawn])
    greedy = GenerationConfig(temperature=0, max_new_tokens=n)
    written = torch.stack([*generate(network, prompts, greedy)], dim=1).tolist()
    assert found == [ids[-n:] == text for (ids, _), text in zip(drawn, written, strict=True)]
    assert sum(found) > 0


def test_excerpts_are_of_the_training_text_without_the_canaries(overfitted: Trained) -> None:
    folder = overfitted.folders["tokens"] / "train"
    n_copies = sum(c.repetitions for c in read_canaries(overfitted.folders["canaries"]))
    many = CONFIG.model_copy(update={"excerpts": 1000})
    drawn = draw_excerpts(folder, many, SHAPE.block_size, n_copies)
    (shard,) = read_shards(folder)
    assert len(drawn) == 40  # one of each sentence
    for ids, n in drawn:
        assert n == CONFIG.continuation_tokens
        assert len(ids) == 1 + CONFIG.prompt_tokens + n
        assert ids[0] == 0
    starts = [shard.ids[start : start + 16].tolist() for start in shard.starts[:40]]
    assert sorted(ids[1:] for ids, _ in drawn) == sorted(starts)
    longer = CONFIG.model_copy(update={"continuation_tokens": SHAPE.block_size})
    assert draw_excerpts(folder, longer, SHAPE.block_size, n_copies) == []
