"""Specifies that fast encoding gives the ids of the tokenizer, on any text."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models

from tests.linear_time import assert_linear, repeat
from textmill.config import TokenizerConfig
from textmill.corpus.tokens.conversion import convert
from textmill.corpus.tokens.encoding import fast_encoder, to_tiktoken
from textmill.corpus.tokens.tokenizer import SPECIAL_TOKENS, load_tokenizer
from textmill.corpus.tokens.vocabulary import train_tokenizer
from textmill.safety.placeholders import PLACEHOLDERS
from textmill.sample.generate import WRITERS
from textmill.sample.language.patterns import plain
from textmill.sample.language.world import build_world

SIZES = {"bpe": 1000, "byte": 270, "character": 600}
ODD = [
    *SPECIAL_TOKENS,
    *PLACEHOLDERS.values(),
    *(
        " ",
        "\n",
        "\t",
        "  ",
        "'s",
        "'ll",
        "1",
        "22",
        "é",
        "字",
        "👩‍👩‍👧",
        "\x00",
        "\x85",
        "\xa0",
        "\u2028",
        "_",
    ),
    *("don't", "The", "山里", "e\u0301", "…", "\U0001e900", "\U00031350", "\U000e0041"),
]


def sample_texts() -> list[str]:
    world, rng = build_world(), Random(0)
    texts = [plain(write(world, rng)) for _, write in WRITERS.values() for _ in range(150)]
    return texts + [
        f"Write to {p}: {text}" for p, text in zip(PLACEHOLDERS.values(), texts, strict=False)
    ]


@pytest.fixture(scope="module", params=SIZES)
def tokenizer(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Tokenizer:
    base = tmp_path_factory.mktemp(request.param)
    (base / "train").mkdir()
    pq.write_table(pa.table({"text": sample_texts()}), base / "train" / "00000.parquet")
    config = TokenizerConfig(kind=request.param, vocab_size=SIZES[request.param])
    train_tokenizer(config, {"corpus": base}, base)
    return load_tokenizer(base)


def expected(tokenizer: Tokenizer, texts: list[str]) -> list[list[int]]:
    return [found.ids for found in tokenizer.encode_batch_fast(texts)]


def test_every_trained_bpe_goes_to_tiktoken(tokenizer: Tokenizer) -> None:
    assert to_tiktoken(tokenizer) is not None


def test_ids_are_the_same_on_texts_of_many_kinds(tokenizer: Tokenizer) -> None:
    texts = sample_texts()
    assert fast_encoder(tokenizer)(texts) == expected(tokenizer, texts)


@settings(deadline=None, max_examples=20)
@given(
    st.lists(
        st.text(max_size=40)
        | st.lists(st.sampled_from(ODD) | st.text(max_size=3), max_size=15).map("".join),
        min_size=10,
        max_size=10,
    )
)
def test_ids_are_the_same_on_any_text(tokenizer: Tokenizer, texts: list[str]) -> None:
    assert fast_encoder(tokenizer)(texts) == expected(tokenizer, texts)


def test_both_libraries_cut_at_the_same_characters() -> None:
    # With every pair of bytes a token, the ids show where a text is cut into words.
    letters = sorted(_alphabet())
    pairs = [a + b for a in letters for b in letters]
    vocabulary = {token: number for number, token in enumerate([*letters, *pairs])}
    tokenizer = _byte_level_of(vocabulary, [(pair[0], pair[1]) for pair in pairs])
    encoding = to_tiktoken(tokenizer)
    assert encoding is not None
    codes = [*range(0x800), *range(0x800, 0x30D40, 97)]  # all of them would take minutes
    for code in codes:
        if unicodedata.category(chr(code)) != "Cs":
            text = "a{0}a 1{0}1 .{0}. {0} x".format(chr(code))
            assert encoding.encode_ordinary(text) == tokenizer.encode(text).ids, hex(code)


def _alphabet() -> list[str]:
    from tokenizers import pre_tokenizers

    return pre_tokenizers.ByteLevel.alphabet()


def _byte_level_of(vocabulary: dict[str, int], merges: list[tuple[str, str]]) -> Tokenizer:
    from tokenizers import pre_tokenizers

    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return tokenizer


@pytest.mark.parametrize(
    ("more", "merges"),
    [
        (["ab", "abc"], [("a", "b")]),  # "abc" is made by no merge, but tiktoken would make it
        (["bc", "ab", "abc"], [("b", "c"), ("a", "b"), ("ab", "c")]),  # "abc" is a + bc
        (["ab", "cd"], [("c", "d"), ("a", "b")]),  # ids in another order than merges
    ],
)
def test_a_bpe_that_tiktoken_would_read_otherwise_stays_with_tokenizers(
    more: list[str], merges: list[tuple[str, str]]
) -> None:
    tokens = [*sorted(_alphabet()), *more]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    tokenizer = _byte_level_of(vocabulary, merges)
    assert to_tiktoken(tokenizer) is None
    assert fast_encoder(tokenizer)(["abcd abc"]) == expected(tokenizer, ["abcd abc"])


def test_an_adopted_tokenizer_keeps_its_ids(tokenizer: Tokenizer, tmp_path: Path) -> None:
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    adopted = convert(tmp_path)
    adopted.encode_special_tokens = True
    assert to_tiktoken(adopted) is not None
    assert fast_encoder(adopted)(ODD) == expected(adopted, ODD)


@pytest.mark.parametrize("unit", ["a", "ab", " ", "\n ", "山", ".", "1", "\U0001f408", "[EMAIL]"])
def test_runs_without_break_points_take_no_quadratic_time(tokenizer: Tokenizer, unit: str) -> None:
    encode = fast_encoder(tokenizer)
    assert_linear(lambda text: encode([text]), repeat(unit), 20_000)
    text = repeat(unit)(50_000)
    [ids] = encode([text])
    assert tokenizer.decode(ids) == text


def test_blanks_without_end_are_left_to_tokenizers(tokenizer: Tokenizer) -> None:
    text = f"a{' ' * 3_000_000}b"
    [ids] = fast_encoder(tokenizer)([text])
    assert tokenizer.decode(ids) == text
