"""Specifies that whatever a text holds, its preparation takes time linear in its size."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from functools import reduce

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.linear_time import assert_linear, repeat
from textmill.config import CorpusConfig, RedactionConfig, SourceConfig, TokenizerConfig
from textmill.corpus.cleaning.repair import cleaning_steps
from textmill.corpus.reading.sources import read_documents
from textmill.corpus.tokens.encoding import Encoder, fast_encoder
from textmill.corpus.tokens.tokenizer import load_tokenizer
from textmill.corpus.tokens.vocabulary import train_tokenizer
from textmill.errors import InputError
from textmill.safety.redaction import redact

CONFIG = CorpusConfig.model_validate({"sources": [{"name": "s", "path": "s.txt"}]})
MARKUP = [
    "<",
    ">",
    "</p>",
    "<a b='",
    '"',
    "<!--",
    "<script>",
    "&",
    "&#1",
    ";",
    "\n",
    " ",
    "x",
    "\xa0",
]
DAMAGE = [
    "Ã©",
    "â€",
    "Ã",
    "Â ",
    "é",
    "\u0301",
    "\x85",
    "\ufffd",
    "\u202e",
    "ﬁ",
    "字",
    "a",
    " ",
    "\n",
]
NUMBERS = [
    "1",
    "4111 ",
    "-",
    ".",
    "/",
    ":",
    "+",
    "(",
    " ",
    "a@b.cd",
    "@",
    "://",
    "GB29",
    "eyJ",
    "字",
    *(
        "&",
        "&#64;",
        "&amp;",
        "\\",
        "\\u0040",
        "%25",
        "%40",
        "(at)",
        "[",
        "\xad",
        "\u2011",
        "\uff11",
    ),
]
WORDS = ["a", "B", "1", " ", "\n", "é", "字", "'s", "!", "\x00", "[EMAIL]", "\u0301", "\u3000"]
FIELDS = ['"', '""', ",", "\n", "\r", "{", "[", ":", "\\", "a", '{"text": "', '"}', "字", "\x00"]


def units(pieces: list[str]) -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from(pieces), min_size=1, max_size=4).map("".join)


@settings(deadline=None, max_examples=15)
@given(units(MARKUP) | units(DAMAGE))
def test_cleaning(unit: str) -> None:
    changes = cleaning_steps(CONFIG).values()

    def clean(text: str) -> None:
        reduce(lambda so_far, do: do(so_far), changes, text)

    assert_linear(clean, repeat(unit), 50_000)


@settings(deadline=None, max_examples=15)
@given(units(NUMBERS))
def test_redaction(unit: str) -> None:
    assert_linear(lambda text: redact(text, RedactionConfig()), repeat(unit), 5_000)


@settings(deadline=None, max_examples=20)
@given(units(FIELDS), st.sampled_from([".txt", ".jsonl", ".csv"]))
def test_reading(tmp_path_factory: pytest.TempPathFactory, unit: str, suffix: str) -> None:
    file = tmp_path_factory.mktemp("any") / f"a{suffix}"
    source = SourceConfig(name="s", path=str(file), text="text")

    def read(text: str) -> None:
        file.write_text(f"text,x\n{text}", newline="")
        with suppress(InputError):  # many null bytes look like UTF-16, and hide the column
            deque(read_documents(source), maxlen=0)

    assert_linear(read, repeat(unit), 50_000)


@pytest.fixture(scope="module", params=["bpe", "unigram", "byte", "character"])
def encode(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "train").mkdir()
    texts = ["aaaa BBBB 1111 aB1", "é字 字字's !!", "Write to [EMAIL]."] * 20
    pq.write_table(pa.table({"text": texts}), folder / "train" / "00000.parquet")
    size = {"byte": 270, "unigram": 275}.get(request.param, 280)
    train_tokenizer(
        TokenizerConfig(kind=request.param, vocab_size=size), {"corpus": folder}, folder
    )
    return fast_encoder(load_tokenizer(folder))


@settings(deadline=None, max_examples=10)
@given(unit=units(WORDS))
def test_encoding(encode: Encoder, unit: str) -> None:
    assert_linear(lambda text: encode([text]), repeat(unit), 20_000)
