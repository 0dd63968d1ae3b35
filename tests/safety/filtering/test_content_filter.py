"""Specifies what filters do to texts and streams, and that a stream leaks nothing."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.safety.filtering.labelled import read_labelled
from tests.safety.labelled import SETS
from tests.safety.labelled import read_labelled as read_personal
from textmill.config import (
    SHIPPED_CATEGORIES,
    FilterAction,
    FilterConfig,
    RedactionConfig,
)
from textmill.errors import InputError
from textmill.safety.filtering.content_filter import ContentFilter
from textmill.safety.filtering.decisions import Decision
from textmill.safety.redaction import redact

REDACTION = RedactionConfig()
SPLITS = ("one", "random", "whole")


def rule(category: str, action: FilterAction, *patterns: str) -> FilterConfig:
    return FilterConfig(category=category, action=action, patterns=patterns)


MIXED = ContentFilter(
    [
        rule("birds", "mask", "goose", "wild duck", "re:gull\\d{1,2}"),
        rule("fish", "block", "pike", "鱼"),
        rule("bugs", "flag", "wild ant"),
    ]
)


def pieces_of(text: str, how: str, seed: int = 0) -> list[str]:
    if how == "whole":
        return [text]
    draw = random.Random(f"{seed}{text}")
    pieces = []
    at = 0
    while at < len(text):
        size = 1 if how == "one" else draw.randint(1, 7)
        pieces.append(text[at : at + size])
        at += size
    return pieces


def streamed(
    content: ContentFilter, pieces: Sequence[str], redaction: RedactionConfig
) -> tuple[str, list[Decision]]:
    stream = content.stream(redaction)
    shown = "".join(stream.feed(piece) for piece in pieces) + stream.finish()
    return shown, stream.decisions


def test_masks_and_flags_have_exact_offsets_in_the_original() -> None:
    text = "A G0ose, a wild ant and gull7: bob@example.com"
    checked = MIXED.check(text, "prompt", REDACTION)
    assert checked.text == "A [BIRDS], a wild ant and [BIRDS]: [EMAIL]"
    assert [(d.category, d.action, text[d.start : d.end]) for d in checked.decisions] == [
        ("birds", "mask", "G0ose"),
        ("bugs", "flag", "wild ant"),
        ("birds", "mask", "gull7"),
        ("personal_data", "mask", "bob@example.com"),
    ]
    assert not checked.is_blocked


def test_a_blocked_text_ends_before_the_finding() -> None:
    checked = MIXED.check("a goose, a pike, a goose", "output")
    assert checked.is_blocked
    assert checked.text == "a [BIRDS], a "
    assert [d.category for d in checked.decisions] == ["birds", "fish"]


def test_a_filter_checks_the_sides_that_it_applies_to() -> None:
    content = ContentFilter(
        [
            FilterConfig(category="x", patterns=("swan",), applies_to="prompt", action="block"),
            FilterConfig(category="y", patterns=("crow",), applies_to="output", action="block"),
        ]
    )
    assert content.check("swan", "prompt").is_blocked
    assert not content.check("swan", "output").is_blocked
    assert not content.check("crow", "prompt").is_blocked
    assert content.check("crow", "output").is_blocked


def test_without_filters_and_redaction_text_passes_at_once() -> None:
    stream = ContentFilter(()).stream()
    assert [stream.feed(piece) for piece in ("bob@", "x.org", " fu")] == ["bob@", "x.org", " fu"]
    assert stream.finish() == ""
    assert stream.decisions == []


def test_redaction_alone_is_that_of_the_corpus() -> None:
    for name in SETS:
        for one in read_personal(name):
            checked = ContentFilter(()).check(one.text, "output", REDACTION)
            assert checked.text == redact(one.text, REDACTION)[0]


@pytest.mark.parametrize("how", ["one", "random"])
@pytest.mark.parametrize("name", SETS)
def test_a_stream_redacts_what_redaction_of_the_whole_does(name: str, how: str) -> None:
    content = ContentFilter(())
    for one in read_personal(name):
        text = f"Here it is, as you asked: {one.text} And that is all of it."
        shown, _ = streamed(content, pieces_of(text, how), REDACTION)
        assert shown == redact(text, REDACTION)[0]


def test_a_personal_data_filter_may_block() -> None:
    content = ContentFilter([FilterConfig(category="personal_data", action="block")])
    assert content.check("Write to bob@example.com.", "output").text == "Write to "
    shown, decisions = streamed(content, pieces_of("My mail is bob@example.com", "one"), REDACTION)
    assert shown == "My mail is "
    assert "block" in [d.action for d in decisions]


WORDS = ("goose", "g o o s e", "goooose", "g00se", "wild", "duck", "gull12", "pike", "p1ke", "鱼",
         "the", "fine.", "12", "a@b.org", "+49 30 901820", "好", "goos", "p", "!")  # fmt: skip


@given(
    st.lists(st.sampled_from(WORDS), max_size=10).map(" ".join),
    st.integers(0, 5),
    st.sampled_from(SPLITS),
)
@settings(max_examples=300)
def test_a_stream_gives_the_text_and_decisions_of_a_check(text: str, seed: int, how: str) -> None:
    checked = MIXED.check(text, "output", REDACTION)
    shown, decisions = streamed(MIXED, pieces_of(text, how, seed), REDACTION)
    assert shown == checked.text
    assert tuple(decisions) == checked.decisions


@pytest.mark.parametrize("how", ["one", "random"])
def test_a_stream_of_the_shipped_lists_never_shows_what_they_block(how: str) -> None:
    names = [name for name in SHIPPED_CATEGORIES if name != "personal_data"]
    content = ContentFilter([FilterConfig(category=name, action="block") for name in names])
    for sentence in read_labelled():
        text = f"Well. {sentence.text} So it is."
        checked = content.check(text, "output")
        shown, decisions = streamed(content, pieces_of(text, how), RedactionConfig(enabled=False))
        assert shown == checked.text
        assert tuple(decisions) == checked.decisions


def test_generation_ends_when_its_text_is_blocked() -> None:
    def generate() -> Iterator[str]:
        try:
            for number in range(1000):
                taken.append(number)
                yield "pike " if number == 3 else "fine "
        finally:
            taken.append(-1)

    taken: list[int] = []
    stream = MIXED.stream()
    assert "".join(stream.filter(generate())) == "fine fine fine "
    assert stream.is_blocked
    assert taken[-1] == -1
    assert len(taken) < 10
    assert stream.feed("more") == stream.finish() == ""


def test_a_model_blocks_a_sentence_before_any_of_it_is_shown() -> None:
    toxic = FilterConfig(category="toxic", model="m", labels=("bad",), action="block")
    content = ContentFilter(
        [toxic], {toxic: lambda texts: [float("rude" in text) for text in texts]}
    )
    stream = content.stream()
    shown = [stream.feed(piece) for piece in ("Hello. This", " is a very", " rude thing. ", "x")]
    assert "".join(shown) == "Hello. "
    assert stream.is_blocked
    (decision,) = stream.decisions
    assert (decision.start, decision.end) == (7, 33)


def test_a_model_that_is_missing_is_named() -> None:
    toxic = FilterConfig(category="toxic", model="m", labels=("bad",))
    with pytest.raises(InputError, match="the filter toxic needs the model m"):
        ContentFilter([toxic])


def test_decisions_of_checks_and_streams_are_counted() -> None:
    content = ContentFilter([rule("birds", "flag", "goose"), FilterConfig(category="insults")])
    content.check("goose, you idiot", "prompt")
    streamed(content, ["goo", "se"], REDACTION)
    assert content.counts.as_dict() == {
        ("birds", "flag", "prompt", ""): 1,
        ("insults", "flag", "prompt", "en"): 1,
        ("birds", "flag", "output", ""): 1,
    }


def test_a_wrong_pattern_names_its_filter() -> None:
    with pytest.raises(InputError, match=r"patterns of birds, line 2: '\(' has a '\(' without"):
        ContentFilter([rule("birds", "flag", "goose", "(")])
