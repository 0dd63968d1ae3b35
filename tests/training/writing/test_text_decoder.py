"""Specifies the text of tokens: whole characters, and nothing of a stop string."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from textmill.config import TokenizerConfig
from textmill.corpus.tokens.tokenizer import END_ID, PAD_ID, TARGET_ID
from textmill.corpus.tokens.vocabulary import train_on
from textmill.training.writing.text_decoder import TextDecoder

BY_BYTE = train_on(TokenizerConfig(kind="byte", vocab_size=270), iter(()))


def pieces(tokenizer: Tokenizer, ids: list[int], stop: tuple[str, ...] = ()) -> list[str]:
    """What each token adds, until the text ends; with what was held back as the last one."""
    decoder, found = TextDecoder(tokenizer, stop), []
    for token in ids:
        found.append(decoder.add(token))
        if decoder.has_ended:
            return found
    return [*found, decoder.rest()]


@pytest.mark.parametrize(
    "text", [" 字猫 end", "🐈‍⬛!", "naïve", "那只猫坐在垫子上。", "abc [EMAIL]"]
)
def test_only_whole_characters_are_returned(tokenizer: Tokenizer, text: str) -> None:
    found = pieces(tokenizer, tokenizer.encode(text).ids)
    assert "".join(found) == text
    assert "\N{REPLACEMENT CHARACTER}" not in "".join(found)


def test_a_text_is_returned_as_its_tokens_arrive(tokenizer: Tokenizer) -> None:
    assert [piece for piece in pieces(tokenizer, tokenizer.encode("x字y").ids) if piece] == [
        *"x字y"
    ]


def test_a_document_end_ends_the_text(tokenizer: Tokenizer) -> None:
    ids = [*tokenizer.encode("ab").ids, END_ID, *tokenizer.encode("cd").ids]
    assert "".join(pieces(tokenizer, ids)) == "ab"


def test_marks_of_structure_are_no_text(tokenizer: Tokenizer) -> None:
    ids = [*tokenizer.encode("ab").ids, PAD_ID, TARGET_ID, *tokenizer.encode("cd").ids]
    assert "".join(pieces(tokenizer, ids)) == "abcd"


def test_bytes_that_are_no_character_hold_nothing_up(tokenizer: Tokenizer) -> None:
    half = tokenizer.encode("字").ids[:-1]
    ids = [*tokenizer.encode("ab").ids, *half, *tokenizer.encode("cd").ids]
    assert "".join(pieces(tokenizer, ids)) == "ab\N{REPLACEMENT CHARACTER}cd"


def test_half_a_character_at_the_end_is_left_out(tokenizer: Tokenizer) -> None:
    assert "".join(pieces(tokenizer, tokenizer.encode("ab字").ids[:-1])) == "ab"


@pytest.mark.parametrize(
    ("text", "stop", "expected"),
    [
        ("one. Two", (".",), ["o", "n", "e", ""]),
        ("a\n\nb", ("\n\n",), ["a", "", ""]),
        ("a\nb", ("\n\n",), ["a", "", "\nb", ""]),
        ("aab", ("ab",), ["", "a", ""]),
        ("abab", ("abc",), ["", "", "ab", "", "ab"]),
        ("abcd", ("bcd", "c"), ["a", "", "b"]),
        ("x字", ("字",), ["x", "", "", ""]),
        ("ab", ("ab", "abc"), ["", ""]),
        ("", ("a",), [""]),
    ],
    ids=repr,
)
def test_a_stop_string_is_not_partly_returned(
    text: str, stop: tuple[str, ...], expected: list[str]
) -> None:
    assert pieces(BY_BYTE, BY_BYTE.encode(text).ids, stop) == expected


def test_what_was_held_back_is_text_if_the_document_ends(tokenizer: Tokenizer) -> None:
    ids = [*tokenizer.encode("ab").ids, END_ID]
    assert "".join(pieces(tokenizer, ids, ("bc",))) == "ab"


@given(st.text("ab字", max_size=12), st.lists(st.text("ab字", min_size=1, max_size=3), max_size=3))
def test_a_text_ends_before_the_first_stop_string(text: str, stop: list[str]) -> None:
    found = pieces(BY_BYTE, BY_BYTE.encode(text).ids, tuple(stop))
    completed = [(text.find(s) + len(s), text.find(s)) for s in stop if s in text]
    first = min((end for end, _ in completed), default=None)
    begin = min((at for end, at in completed if end == first), default=len(text))
    assert "".join(found) == text[:begin]
