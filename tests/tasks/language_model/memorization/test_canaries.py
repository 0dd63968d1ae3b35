"""Specifies the canaries: what they are, and where they stand in the training text."""

from __future__ import annotations

import itertools
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from textmill.config import CanariesConfig, TokenizerConfig, TokensConfig
from textmill.corpus.tokens.corpus_tokens import tokenize
from textmill.corpus.tokens.token_shards import read_ids, read_index, read_labels, read_shards
from textmill.corpus.tokens.tokenizer import load_tokenizer
from textmill.corpus.tokens.vocabulary import train_tokenizer
from textmill.files import read_json
from textmill.tasks.language_model.memorization.canaries import (
    Canary,
    alternatives,
    draw,
    plant,
    read_canaries,
)

CONFIG = CanariesConfig(
    templates=("The code of {name} is {secret}.", "{name}的密码是{secret}"),
    digits=4,
    repetitions=(1, 3),
    canaries=6,
)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Ten documents of one source, twenty of another, and a validation split."""
    folder = tmp_path / "corpus"
    sources = {"train": ["news"] * 10 + ["books"] * 20, "validation": ["news"] * 4}
    for split, names in sources.items():
        (folder / split).mkdir(parents=True)
        n = len(names)
        columns = {
            "text": [f"The {split} text {i}." for i in range(n)],
            "source": names,
            "language": ["en" if name == "news" else "zh" for name in names],
            "doc_id": [f"{i:032x}" for i in range(n)],
        }
        pq.write_table(pa.table(columns), folder / split / "00000.parquet")
    return folder


def test_canaries_differ_and_follow_the_templates() -> None:
    canaries = draw(CONFIG)
    assert [canary.repetitions for canary in canaries] == [1] * 6 + [3] * 6
    assert len({canary.name for canary in canaries}) == 12
    assert len({canary.secret for canary in canaries}) == 12
    assert all(len(canary.secret) == 4 and canary.secret.isdigit() for canary in canaries)
    templates = [canary.template for canary in canaries]
    assert templates == [*itertools.islice(itertools.cycle(CONFIG.templates), 12)]
    assert draw(CONFIG) == canaries
    assert draw(CONFIG.model_copy(update={"seed": 1})) != canaries


def test_a_canary_is_asked_for_by_what_is_before_its_secret() -> None:
    canary = Canary(CONFIG.templates[0], "abcd", "0123", 1)
    assert canary.text() == "The code of abcd is 0123."
    assert canary.text("9876") == "The code of abcd is 9876."
    assert canary.prompt == "The code of abcd is"
    assert Canary(CONFIG.templates[1], "abcd", "0123", 1).prompt == "abcd的密码是"


def test_braces_of_a_template_are_text() -> None:
    canary = Canary("{{secret}} of {name} is {secret}.", "ab", "12", 1)
    assert canary.text() == "{secret} of ab is 12."
    assert canary.prompt == "{secret} of ab is"


def test_alternatives_are_different_secrets_that_no_canary_has() -> None:
    canaries = draw(CONFIG)
    taken = {canary.secret for canary in canaries}
    found = list(alternatives(canaries, 4, 500, seed=0))
    assert len(found) == len(canaries)
    for secrets in found:
        assert len(secrets) == len({*secrets}) == 500
        assert not taken & {*secrets}
        assert {len(secret) for secret in secrets} == {4}
    assert found[0] != found[1]
    every = next(alternatives(canaries, 4, 10**4, seed=0))
    assert {*every} == {f"{i:04}" for i in range(10**4)} - taken


def test_they_are_documents_of_the_training_split_alone(corpus: Path, tmp_path: Path) -> None:
    folders = {name: tmp_path / name for name in ("canaries", "tokenizer", "tokens", "without")}
    for folder in folders.values():
        folder.mkdir()
    inputs = {"corpus": corpus}
    plant(CONFIG, inputs, folders["canaries"])
    canaries = read_canaries(folders["canaries"])
    assert canaries == draw(CONFIG)
    assert read_json(folders["canaries"] / "metrics.json") == {"canaries": 12, "documents": 24}
    train_tokenizer(TokenizerConfig(vocab_size=270), inputs, folders["tokenizer"])
    inputs["tokenizer"] = folders["tokenizer"]
    tokenize(TokensConfig(), inputs, folders["without"])
    tokenize(TokensConfig(), inputs | {"canaries": folders["canaries"]}, folders["tokens"])
    assert read_index(folders["tokens"])["train"]["documents"] == 30 + 24
    # The text as it was, and after it the copies.
    (own,), (planted,) = (read_shards(folders[name] / "train") for name in ("without", "tokens"))
    assert planted.ids[: len(own.ids)].tolist() == own.ids.tolist()
    tokenizer = load_tokenizer(folders["tokenizer"])
    texts = [
        tokenizer.decode(planted.ids[start : start + length - 1].tolist())
        for start, length in zip(planted.starts[30:], planted.lengths[30:], strict=True)
    ]
    copies = [canary.text() for canary in canaries for _ in range(canary.repetitions)]
    assert sorted(texts) == sorted(copies)
    assert texts != copies  # in any order
    for name in ("00000.ids.npy", "documents.parquet"):
        files = [folders[tokens] / "validation" / name for tokens in ("without", "tokens")]
        assert files[0].read_bytes() == files[1].read_bytes()


def test_each_copy_has_source_and_language_of_a_document(corpus: Path, tmp_path: Path) -> None:
    out, tokens, tokenizer = (tmp_path / name for name in ("canaries", "tokens", "tokenizer"))
    for folder in (out, tokens, tokenizer):
        folder.mkdir()
    many = CONFIG.model_copy(update={"repetitions": (50,)})
    plant(many, {"corpus": corpus}, out)
    train_tokenizer(TokenizerConfig(vocab_size=270), {"corpus": corpus}, tokenizer)
    inputs = {"corpus": corpus, "canaries": out, "tokenizer": tokenizer}
    tokenize(TokensConfig(), inputs, tokens)
    sources = read_labels(tokens / "train", "source").of_documents[30:]
    languages = read_labels(tokens / "train", "language").of_documents[30:]
    assert {*zip(sources, languages, strict=True)} == {("news", "en"), ("books", "zh")}
    assert sources.count("books") / len(sources) == pytest.approx(2 / 3, abs=0.1)
    assert read_ids(tokens / "train", [30, 31]) == ["canary-00000", "canary-00001"]
