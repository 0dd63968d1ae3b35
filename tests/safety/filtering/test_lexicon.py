"""Specifies what a lexicon finds: each list as if it were alone, exactly, in linear time."""

from __future__ import annotations

import random
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.linear_time import assert_linear
from textmill.config import SHIPPED_CATEGORIES
from textmill.safety.filtering import automaton
from textmill.safety.filtering.lexicon import MAX_CHARS, Lexicon
from textmill.safety.filtering.phrases import parse_phrase
from textmill.safety.filtering.word_lists import shipped_languages, shipped_list

LISTS = {
    "birds": ("duck*", "goose", "geese", "a (wild |)swan", "鸭子", "bird ... nest", "ill bird"),
    "fish": ("trout", "pike", "goosefish", "鱼", "a wild pike", "koi"),
}
LEXICON = Lexicon({label: [parse_phrase(p) for p in phrases] for label, phrases in LISTS.items()})
DISGUISES = (
    "goose",
    "G O O S E",
    "goooose",
    "g00se",
    "góóse",
    "go\u200bose",
    "ＧＯＯＳＥ",
    "g*ose",
)
PIECES = (*DISGUISES, "duckling", "a wild swan", "鸭 子", "bird in a nest", "1ll b1rd", "the", "a",
          " ", ".", "，", "好", "nest", "-", "gooses", "d u c k", "bird", "th!s", "l o t s",
          "l!ng")  # fmt: skip


def found(text: str) -> list[tuple[str, str]]:
    return [(label, text[start:end]) for label, start, end in LEXICON.find(text)]


@pytest.mark.parametrize("disguised", DISGUISES)
def test_a_disguised_word_is_found_at_its_exact_place(disguised: str) -> None:
    text = f"See the {disguised}, please."
    assert ("birds", disguised) in found(text)


def test_labels_are_found_independently_and_the_longest_phrase_of_each() -> None:
    assert found("a wild pike") == [("fish", "a wild pike"), ("fish", "pike")]
    assert found("goosefish") == [("fish", "goosefish")]
    assert set(found("goose, 鱼")) == {("birds", "goose"), ("fish", "鱼")}


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
@settings(max_examples=200)
def test_one_pass_finds_what_each_phrase_finds_alone(text: str) -> None:
    def covered(lexicon: Lexicon[str]) -> set[tuple[str, int]]:
        spans = lexicon.find(text)
        return {(label, at) for label, start, end in spans for at in range(start, end)}

    alone = (Lexicon({label: [parse_phrase(p)]}) for label, lines in LISTS.items() for p in lines)
    assert covered(LEXICON) == set().union(*map(covered, alone))


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join), st.integers(0, 200))
@settings(max_examples=300)
def test_what_is_settled_stays_so_whatever_follows(text: str, cut: int) -> None:
    before = text[:cut]
    settled = LEXICON.settled(before, 0)
    known = {one for one in LEXICON.find(before) if one[1] < settled}
    assert known == {one for one in LEXICON.find(text) if one[1] < settled}


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("a bird with th!s nest, so", "bird with th!s nest"),
        ("a bird with l.o.t.s of nest, so", "bird with l.o.t.s of nest"),
        ("a bird in 1ll nest, so", "bird in 1ll nest"),
        ("a duckl!ng, so", "duckl!ng"),
        ("a d-u-c-k-l-i-n-g, so", "d-u-c-k-l-i-n-g"),
    ],
)
def test_a_disguise_of_any_word_is_waited_for(text: str, phrase: str) -> None:
    assert ("birds", phrase) in found(text)
    begin = text.index(phrase)
    for end in range(begin, begin + len(phrase)):
        assert LEXICON.settled(text[:end], 0) <= begin


def test_a_disguise_after_a_phrase_does_not_decide_whether_it_is_found() -> None:
    words = " ".join("x" * 35 for _ in range(4))
    assert found(f"b1rd {words} nest, t0o") == found(f"b1rd {words} nest, too") == []


def test_innocent_text_is_settled_at_once() -> None:
    assert LEXICON.settled("The weather is fine today ", 0) == len("The weather is fine today ")
    assert LEXICON.settled("The weather is goo", 0) == len("The weather is ")


def test_a_finding_has_a_maximum_length() -> None:
    assert found("g" + "o" * (MAX_CHARS - 3) + "se")
    assert not found("g" + "o" * MAX_CHARS + "se")
    # The longest of those that are not too long.
    assert found("bird nest " + "\u200b" * MAX_CHARS + "nest") == [("birds", "bird nest")]


def test_transitions_are_dropped_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    text = " ".join(f"bird x{number} y{number} nest" for number in range(300))
    expected = found(text)
    monkeypatch.setattr(automaton, "MAX_TRANSITIONS", 5)
    fresh = Lexicon({label: [parse_phrase(p) for p in lines] for label, lines in LISTS.items()})
    assert [(label, text[start:end]) for label, start, end in fresh.find(text)] == expected
    assert len(fresh._exact._states) <= 5


def shipped() -> Lexicon[tuple[str, str]]:
    return Lexicon(
        {
            (category, language): shipped_list(category, language).phrases
            for category in SHIPPED_CATEGORIES
            for language in shipped_languages(category)
        }
    )


def adversarial(kind: str, length: int) -> str:
    units = {
        "beginnings": "how to make ",
        "letters": "a",
        "spelled out": "f u ",
        "signs": "a1$",
        "gaps": "way to a b c ",
        "ideographs": "怎么在家",
        "findings": "fuck ",
    }
    return (units[kind] * (length // len(units[kind]) + 1))[:length]


@pytest.mark.parametrize(
    "kind", ["beginnings", "letters", "spelled out", "signs", "gaps", "ideographs", "findings"]
)
def test_the_time_of_the_shipped_lists_is_linear_on_the_worst_texts(kind: str) -> None:
    lexicon = shipped()
    list(lexicon.find(adversarial(kind, 1_000)))  # makes states of the automaton
    assert_linear(lambda text: list(lexicon.find(text)), partial(adversarial, kind), 5_000)


def test_random_bytes_find_nothing_and_do_not_fail() -> None:
    draw = random.Random(0)
    codes = [draw.choice((draw.randrange(32), draw.randrange(0xD800))) for _ in range(3000)]
    text = "".join(map(chr, codes))
    assert list(Lexicon({"x": [parse_phrase("unlikely words")]}).find(text)) == []
