"""Specifies that whatever a text holds, its preparation takes time linear in its size."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import reduce

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textmill.config import CorpusConfig, RedactionConfig, SourceConfig, TokenizerConfig
from textmill.corpus.cleaning.repair import cleaning_steps
from textmill.corpus.reading.sources import read_documents
from textmill.corpus.tokens.encoding import Encoder, fast_encoder
from textmill.corpus.tokens.tokenizer import load_tokenizer
from textmill.corpus.tokens.vocabulary import train_tokenizer
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


def assert_linear(work: Callable[[str], object], unit: str, size: int) -> None:
    """Check that four times the text takes about four times as long, and not sixteen times.

    The shorter of two times is taken, and what takes no tenth of a second tells nothing.
    """
    seconds = []
    for n in (size, 4 * size):
        text = "x" + unit * (n // len(unit)) + "x"
        runs = []
        for _ in range(2):
            begin = time.process_time()
            work(text)
            runs.append(time.process_time() - begin)
        seconds.append(min(runs))
    assert seconds[1] < 8 * seconds[0] + 0.1, f"{seconds} s for {unit!r}"


def units(pieces: list[str]) -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from(pieces), min_size=1, max_size=4).map("".join)


@settings(deadline=None, max_examples=15)
@given(units(MARKUP) | units(DAMAGE))
def test_cleaning(unit: str) -> None:
    changes = cleaning_steps(CONFIG).values()
    assert_linear(lambda text: reduce(lambda so_far, do: do(so_far), changes, text), unit, 50_000)


@settings(deadline=None, max_examples=15)
@given(units(NUMBERS))
def test_redaction(unit: str) -> None:
    assert_linear(lambda text: redact(text, RedactionConfig()), unit, 5_000)


@settings(deadline=None, max_examples=20)
@given(units(FIELDS), st.sampled_from([".txt", ".jsonl", ".csv"]))
def test_reading(tmp_path_factory: pytest.TempPathFactory, unit: str, suffix: str) -> None:
    file = tmp_path_factory.mktemp("any") / f"a{suffix}"
    source = SourceConfig(name="s", path=str(file), text="text")

    def read(text: str) -> None:
        file.write_text(f"text,x\n{text}", newline="")
        for _ in read_documents(source):
            pass

    assert_linear(read, unit, 50_000)


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
    assert_linear(lambda text: encode([text]), unit, 20_000)
