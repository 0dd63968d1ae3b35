"""Specifies the views of disguised text, and that their offsets are those of the original."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textmill.safety.filtering.folding import fold, views


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("HeLLo", "hello"),
        ("héllò", "hello"),
        ("he\u0301llo", "hello"),
        ("he\u200bl\u00adlo", "hello"),
        ("ｈｅｌｌｏ", "hello"),
        ("hеllо", "hello"),  # Cyrillic e and o
        ("𝖍𝖊𝖑𝖑𝖔", "hello"),
        ("Straße", "strasse"),
        ("a_b\tc\nd", "a b c d"),
        ("don’t", "don't"),
        ("你好。", "你好."),
        ("한국어", "한국어"),
    ],
)
def test_folding_makes_disguised_text_plain(text: str, plain: str) -> None:
    assert fold(text).text == plain


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("my $h1t", "my shit"),
        ("so fuuuuun", "so fun"),
        ("so coool", "so cool"),
        ("f u n now", "fun now"),
        ("f.u.n now", "fun now"),
        ("f-u-n", "fun"),
        ("ＣＯＯＯＬ", "cool"),
    ],
)
def test_a_view_undoes_each_disguise(text: str, expected: str) -> None:
    assert expected in [view.text for view in views(text)]


@pytest.mark.parametrize("text", ["the years 1984 and 455", "I am 7 years old", "see U.S. law", ""])
def test_plain_text_has_only_the_plain_view(text: str) -> None:
    assert [view.text for view in views(text)] == [text.lower()]


def test_digits_that_no_letter_touches_stand_for_no_letters() -> None:
    # 455 could be read as letters; only because b4 is there, it is looked at.
    leet = [view for view in views("455 b4") if view.source is not None]
    assert leet
    assert all(view.original_span(0, 3) is None for view in leet)
    assert all(view.original_span(4, 6) == (4, 6) for view in leet)


@given(st.text("aAéеß你 .\u200b\u03011$ooo", max_size=40))
def test_spans_of_views_lie_in_order_in_the_text_and_fold_to_their_view(text: str) -> None:
    for view in views(text):
        assert len(view.text) == len(view.starts) == len(view.ends)
        assert list(view.starts) == sorted(view.starts)
        assert all(a < b <= len(text) for a, b in zip(view.starts, view.ends, strict=True))
    plain = fold(text)
    for at in range(len(plain.text)):
        begin, end = plain.starts[at], plain.ends[at]
        assert plain.text[at] in fold(text[begin:end]).text


def test_a_long_text_without_spaces_takes_linear_time() -> None:
    text = "a1" * 50_000 + "bbbb" * 20_000 + "c.d." * 20_000
    assert sum(1 for _ in views(text)) > 1  # pytest's timeout ends quadratic work
