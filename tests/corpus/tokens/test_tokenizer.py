"""Specifies the tokenizer: lossless encoding, and the fixed part of its vocabulary."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from tokenizers import Tokenizer

from tests.corpus.tokens.conftest import write_corpus
from textmill.config import TokenizerConfig
from textmill.config.data import BYTE_VOCAB_SIZE
from textmill.corpus.tokens.conversion import convert
from textmill.corpus.tokens.tokenizer import (
    END_ID,
    MASK_ID,
    PAD_ID,
    SOURCE_ID,
    SPECIAL_TOKENS,
    TARGET_ID,
    load_tokenizer,
)
from textmill.corpus.tokens.vocabulary import train_tokenizer
from textmill.errors import InputError
from textmill.safety.placeholders import PLACEHOLDERS

TEXTS = ["Write to [EMAIL] or call [PHONE].", "The cat sat on the mat.", "那只猫坐在垫子上。"] * 20
STRANGE = [
    "",
    " ",
    "  two spaces,\ttab\r\nline",
    "\x00\x01\x1f\x7f\x85",
    "naïve Ångström e\u0301",
    "👩‍👩‍👧‍👦 🇩🇪 🏳️‍🌈",
    "从前有一座山，山里有一座庙。",
    "\ufffd\ufeff\u200b\u2028",
    "[EMAIL][EMAIL] [EMAIL], [email] [EMAI",
    "".join(SPECIAL_TOKENS),
    "a <|endoftext|> b<|pad|>",
]


def train(corpus: Path, out: Path, vocab_size: int = 300) -> Path:
    out.mkdir()
    train_tokenizer(TokenizerConfig(vocab_size=vocab_size), {"corpus": corpus}, out)
    return out


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("tokenizer")
    return train(write_corpus(base / "corpus", TEXTS), base / "out")


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> Tokenizer:
    return load_tokenizer(folder)


def ids_of(tokenizer: Tokenizer, text: str) -> list[int]:
    return tokenizer.encode(text, add_special_tokens=False).ids


@given(
    text=st.lists(
        st.one_of(
            st.text(max_size=20),
            st.sampled_from([*SPECIAL_TOKENS, *PLACEHOLDERS.values(), *STRANGE]),
        ),
        max_size=6,
    ).map("".join)
)
def test_any_text_is_decoded_to_itself_without_special_tokens(
    tokenizer: Tokenizer, text: str
) -> None:
    ids = ids_of(tokenizer, text)
    assert tokenizer.decode(ids, skip_special_tokens=False) == text
    assert tokenizer.decode(ids) == text
    assert all(token >= len(SPECIAL_TOKENS) for token in ids)


@pytest.mark.parametrize("text", STRANGE, ids=ascii)
def test_a_text_has_the_same_ids_in_a_batch(tokenizer: Tokenizer, text: str) -> None:
    assert tokenizer.encode_batch_fast([text])[0].ids == ids_of(tokenizer, text)


@pytest.mark.parametrize("text", STRANGE, ids=ascii)
def test_unusual_text_is_decoded_to_the_same_bytes(tokenizer: Tokenizer, text: str) -> None:
    assert tokenizer.decode(ids_of(tokenizer, text)).encode() == text.encode()


def test_special_tokens_have_the_first_five_ids(tokenizer: Tokenizer) -> None:
    assert [END_ID, PAD_ID, MASK_ID, SOURCE_ID, TARGET_ID] == [0, 1, 2, 3, 4]
    assert [tokenizer.id_to_token(i) for i in range(5)] == [
        "<|endoftext|>",
        "<|pad|>",
        "<|mask|>",
        "<|source|>",
        "<|target|>",
    ]


@pytest.mark.parametrize("placeholder", PLACEHOLDERS.values())
@pytest.mark.parametrize("before", ["", "to ", "(", "字"])
def test_a_placeholder_is_one_token_in_any_context(
    tokenizer: Tokenizer, placeholder: str, before: str
) -> None:
    ids = ids_of(tokenizer, f"{before}{placeholder}.")
    assert ids.count(tokenizer.token_to_id(placeholder)) == 1
    assert ids == [*ids_of(tokenizer, before), *ids_of(tokenizer, placeholder), *ids[-1:]]


def test_the_vocabulary_has_the_configured_size(tokenizer: Tokenizer) -> None:
    assert tokenizer.get_vocab_size() == 300
    assert sorted(tokenizer.get_vocab().values()) == list(range(300))


def test_frequent_words_become_one_token(tokenizer: Tokenizer) -> None:
    assert len(ids_of(tokenizer, "The cat sat")) < len("The cat sat") // 2


def test_two_trainings_write_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    again = train(write_corpus(tmp_path / "corpus", TEXTS), tmp_path / "out")
    for file in sorted(folder.iterdir()):
        assert (again / file.name).read_bytes() == file.read_bytes()


def test_the_validation_split_does_not_change_the_tokenizer(folder: Path, tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "corpus", TEXTS)
    write_corpus(corpus, ["zebra zebra zebra"] * 100, split="validation")
    again = train(corpus, tmp_path / "out")
    assert (again / "tokenizer.json").read_bytes() == (folder / "tokenizer.json").read_bytes()


@pytest.mark.parametrize("text", STRANGE, ids=ascii)
def test_transformers_loads_the_folder_and_returns_the_same_ids(
    folder: Path, tokenizer: Tokenizer, text: str
) -> None:
    from transformers import PreTrainedTokenizerFast

    theirs = PreTrainedTokenizerFast.from_pretrained(folder)
    ids = ids_of(tokenizer, text)
    assert theirs(text, split_special_tokens=True)["input_ids"] == ids
    assert theirs.decode(ids) == text
    assert (theirs.eos_token_id, theirs.pad_token_id, theirs.mask_token_id) == (0, 1, 2)


def test_a_corpus_too_small_for_the_vocabulary_is_an_error_that_names_its_size(
    tmp_path: Path,
) -> None:
    # Five special tokens, 256 bytes, nine placeholders, and the two merges of "aaaa".
    corpus = write_corpus(tmp_path / "corpus", ["aaaa aaaa"])
    with pytest.raises(InputError, match=r"vocab_size=400.*only 272 entries; set .* to 272"):
        train(corpus, tmp_path / "out", vocab_size=400)


def test_a_folder_without_a_tokenizer_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no tokenizer: tokenizer\.json is missing"):
        load_tokenizer(tmp_path)


KINDS: dict[str, dict[str, object]] = {
    "bpe": {"vocab_size": 300},
    "unigram": {"vocab_size": 277},
    "byte": {"vocab_size": 270},
    "character": {"vocab_size": 300},
}


def train_kind(corpus: Path, out: Path, kind: str) -> Path:
    out.mkdir()
    config = TokenizerConfig.model_validate({"kind": kind, **KINDS[kind]})
    train_tokenizer(config, {"corpus": corpus}, out)
    return out


@pytest.fixture(scope="module", params=KINDS)
def of_kind(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp(request.param)
    return train_kind(write_corpus(base / "corpus", TEXTS), base / "out", request.param)


@settings(deadline=None)
@given(text=st.text(max_size=40) | st.sampled_from([*SPECIAL_TOKENS, *PLACEHOLDERS.values()]))
def test_every_kind_decodes_any_text_to_itself(of_kind: Path, text: str) -> None:
    tokenizer = load_tokenizer(of_kind)
    ids = ids_of(tokenizer, text)
    assert tokenizer.decode(ids, skip_special_tokens=False) == text
    assert all(len(SPECIAL_TOKENS) <= token < tokenizer.get_vocab_size() for token in ids)


def test_the_lengths_of_tokens_sum_to_the_bytes_for_every_kind(of_kind: Path) -> None:
    tokenizer = load_tokenizer(of_kind)
    for text in STRANGE + TEXTS[:3]:
        spelt = [tokenizer.id_to_token(token) for token in ids_of(tokenizer, text)]
        assert sum(map(len, spelt)) == len(text.encode())


def test_every_kind_is_loaded_by_transformers(of_kind: Path) -> None:
    from transformers import PreTrainedTokenizerFast

    theirs, ours = PreTrainedTokenizerFast.from_pretrained(of_kind), load_tokenizer(of_kind)
    for text in STRANGE:
        assert theirs(text, split_special_tokens=True)["input_ids"] == ids_of(ours, text)
    assert (theirs.eos_token_id, theirs.pad_token_id, theirs.mask_token_id) == (0, 1, 2)


@pytest.mark.parametrize("kind", KINDS)
def test_two_trainings_of_a_kind_write_the_same_bytes(tmp_path: Path, kind: str) -> None:
    corpus = write_corpus(tmp_path / "corpus", TEXTS)
    first, second = (train_kind(corpus, tmp_path / name, kind) for name in ("one", "two"))
    assert (first / "tokenizer.json").read_bytes() == (second / "tokenizer.json").read_bytes()


def test_the_byte_tokenizer_encodes_each_byte_as_a_token(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "corpus", TEXTS)
    tokenizer = load_tokenizer(train_kind(corpus, tmp_path / "out", "byte"))
    assert tokenizer.get_vocab_size() == BYTE_VOCAB_SIZE
    assert len(ids_of(tokenizer, "那只猫 a")) == len("那只猫 a".encode())


def test_frequent_characters_are_tokens_and_others_are_encoded_as_bytes(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "corpus", ["那只猫 [IP] é"] * 5 + ["犬"])
    tokenizer = load_tokenizer(train_kind(corpus, tmp_path / "out", "character"))
    # 270, one for é, and two for each ideograph, whose first two bytes are an entry as well.
    assert tokenizer.get_vocab_size() == 270 + 1 + 3 * 2
    assert len(ids_of(tokenizer, "那只猫é a")) == 6
    assert len(ids_of(tokenizer, "犬")) in (2, 3)


def test_unigram_joins_bytes_that_occur_together(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "corpus", TEXTS)
    tokenizer = load_tokenizer(train_kind(corpus, tmp_path / "out", "unigram"))
    assert tokenizer.get_vocab_size() == 277
    assert len(ids_of(tokenizer, "The cat sat on the mat")) < len("The cat sat on the mat")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"kind": "byte"}, "tokenizer.kind=byte has 270 entries.*set tokenizer.vocab_size=270"),
        ({"kind": "unigram", "init_from": "gpt2"}, "set tokenizer.kind=bpe"),
    ],
)
def test_settings_incompatible_with_the_kind_are_errors(fields: dict[str, str], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        TokenizerConfig.model_validate(fields)


def test_the_size_of_the_byte_vocabulary_counts_its_parts() -> None:
    assert len(SPECIAL_TOKENS) + 256 + len(PLACEHOLDERS) == BYTE_VOCAB_SIZE


DAMAGED = {
    "empty": "",
    "no JSON": "{",
    "a list": "[1]",
    "deep": '{"a":' * 100_000,
    "no model": "{}",
    "other types": '{"model": 1, "pre_tokenizer": 2}',
    "vocabulary of lists": '{"model": {"type": "BPE", "vocab": [1], "merges": []},'
    '"pre_tokenizer": {"type": "ByteLevel"}}',
    "merges of nothing": '{"model": {"type": "BPE", "vocab": {"a": 1}, "merges": [["b", "c"]]},'
    '"pre_tokenizer": {"type": "ByteLevel"}}',
    "merges of numbers": '{"model": {"type": "BPE", "vocab": {"a": 1}, "merges": [1]},'
    '"pre_tokenizer": {"type": "ByteLevel"}}',
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
@pytest.mark.parametrize("read", [convert, load_tokenizer])
def test_the_error_of_a_damaged_tokenizer_names_its_file(
    tmp_path: Path, content: str, read: Callable[[Path], Tokenizer]
) -> None:
    (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(
        InputError, match=r"tokenizer\.json is damaged \(.{1,300}\): create or download"
    ):
        read(tmp_path)


@pytest.mark.parametrize("read", [convert, load_tokenizer])
def test_a_pipe_is_rejected(tmp_path: Path, read: Callable[[Path], Tokenizer]) -> None:
    os.mkfifo(tmp_path / "tokenizer.json")
    with pytest.raises(InputError, match="is a named pipe"):
        read(tmp_path)
