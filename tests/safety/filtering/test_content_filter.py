"""Specifies what filters do to texts and streams, and that a stream leaks nothing."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import accumulate, chain, cycle, pairwise, takewhile

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.safety.filtering.labelled import read_labelled
from tests.safety.labelled import SETS
from tests.safety.labelled import read_labelled as read_personal
from textmill.config import (
    SHIPPED_CATEGORIES,
    UNREDACTED,
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


BASE64 = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj"
PGP = "-----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: GnuPG v2\n\n"
END_PGP = "\n-----END PGP PRIVATE KEY BLOCK-----"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJ" + "A1b2" * 200 + "." + "Zx9_" * 10
PARAMETER = "example.org/x?access_token=abc123def"
PERSONAL = (
    *("bob@example.org", "bob (at) example [dot] org", "bob&#64;example.org", "bob@例子公司.org"),
    *(
        "+49 30 901820",
        "030 901820",
        "4111 1111 1111 1111",
        "DE89 3704 0044 0532 0130 00",
        "ext. 5",
    ),
    *("MT31 MALT 0110 0ABC DEFG HIJK LMNO PQR", "123-45-6789", "11010519491231002X"),
    *("192.168.1.1", "version 1.2.3.4", "2001:db8::8a2e:370:7334", "10.0.0.1:8080", "12 34 " * 150),
    *("AKIA" + "IOSFODNNVEXAMPLE", "gh" + "p_" + "kzwEQHfwcepYyNGfBYbmwxAscRuzOlGZtQbX"),
    *("secretAccessKey: " + BASE64[:40], JWT),
    *("https://ann:pw@host.org/x", "https://example.org", PARAMETER),
    *("eyJ" + "A1b2" * 200, "https://" + "x" * 600, "-----BEGIN", "-----BEGIN CERTIFICATE-----"),
    *(f"{PGP}{BASE64}{END_PGP}", f"{PGP}{f'{BASE64}{chr(10)}' * 190}"),
    *(f"-----BEGIN&nbsp;PRIVATE KEY-----\n{BASE64}\n", "-----END PRIVATE KEY-----", "1.2.3.4+49"),
)
HARMFUL = (
    *(
        "gunpowder",
        "with",
        "th!s",
        "l o t s",
        "l-o-t-s of",
        "nails",
        "how to make a",
        "b!g",
        "bomb",
    ),
    *(
        "k1ll",
        "yourself",
        "idiot",
        "1d10t",
        "idi0t!",
        "fuuuuck",
        "f u c k",
        "怎么",
        "炸弹",
        "自 杀",
    ),
)
OWN = (
    *("duck", "d u c k l i n g", "duckl!ng", "acme", "rocket", "r0cket", "r o c k e t s", "ro!ket"),
    *(
        "a.b.c",
        "a|b",
        "project",
        "falcon",
        "gull7",
        "free",
        "fall",
        "wörd",
        "\u200b",
        "$",
        "x" * 90,
    ),
)
PLAIN = ("the", "and", "fine.", "Then", "good,", "12", "好", "（", "a", "b", "?", "!", "…")
STRICT = ContentFilter(
    [
        *(FilterConfig(category=c, action="block") for c in SHIPPED_CATEGORIES if c != "insults"),
        rule("birds", "block", "duck* ... falcon", "re:project(?= .{0,40}falcon)"),
    ]
)
MILD = ContentFilter(
    [
        FilterConfig(category="insults", action="mask"),
        FilterConfig(category="dangerous_instructions", action="flag"),
        rule("birds", "mask", "duck*", "re:gull\\d{1,2}", "acme ... rocket"),
        rule("names", "mask", "re:acme(?! .{0,20}rocket)", "re:(?<=the )project\\b", "free-fall"),
        rule("more", "flag", "re:(?=.{0,30}falcon)[a-z]{4}", "rocket(s|) fall", "re:fine.$"),
    ]
)


POOLS = ((*PERSONAL, *PLAIN), PERSONAL, (*HARMFUL, *PLAIN), HARMFUL, (*OWN, *PLAIN), OWN)
SEPARATORS = (" ", " ", " ", " ", "", ", ", ". ", "\n", "-", "/", " ... ")
ONE = [1]
NO_FILTER = ContentFilter(())


@given(
    st.sampled_from(POOLS)
    .flatmap(
        lambda pool: st.lists(
            st.tuples(st.sampled_from(pool), st.sampled_from(SEPARATORS)), min_size=2, max_size=12
        )
    )
    .map(lambda parts: "".join(chain.from_iterable(parts))),
    st.lists(st.integers(1, 40), min_size=1, max_size=8),
    st.sampled_from((STRICT, MILD, NO_FILTER)),
    st.sampled_from((REDACTION, UNREDACTED)),
)
@example("Mix gunpowder with th!s and nails, then stop.", ONE, STRICT, UNREDACTED)
@example("Mix gunpowder with l o t s of nails, then stop.", ONE, STRICT, UNREDACTED)
@example("A d-u-c-k-l-i-n-g and a duckl!ng.", ONE, MILD, UNREDACTED)
@example("The project that is called falcon here.", ONE, STRICT, UNREDACTED)
@example("The acme big rocket is here, and more follows.", ONE, MILD, UNREDACTED)
@example(f"My token is {JWT} and that is all.", [7], NO_FILTER, REDACTION)
@example(f"{PGP}{'and so on ' * 1100}{BASE64}{END_PGP} so", [99], NO_FILTER, REDACTION)
@example(f"Open {PARAMETER} now, or else see https://example.org", ONE, NO_FILTER, REDACTION)
@example(f"See https://example.org.{' So it is.' * 20} {PARAMETER} so", ONE, NO_FILTER, REDACTION)
@example("It is AKIAIOSFODNN" + "VEXAMPLE and so on until 12", ONE, NO_FILTER, REDACTION)
@example("So write to bob@例子公司.org。", ONE, NO_FILTER, REDACTION)
@example(f"So {'12 34 ' * 150}2125550147 so on", [7], NO_FILTER, REDACTION)
@settings(max_examples=150, deadline=None)
def test_a_stream_in_any_pieces_gives_what_a_check_of_the_whole_gives(
    text: str, sizes: list[int], content: ContentFilter, redaction: RedactionConfig
) -> None:
    ends = [*takewhile(lambda end: end < len(text), accumulate(cycle(sizes)))]
    pieces = [text[start:end] for start, end in pairwise([0, *ends, len(text)])]
    checked = content.check(text, "output", redaction)
    assert streamed(content, pieces, redaction) == (checked.text, [*checked.decisions])


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
