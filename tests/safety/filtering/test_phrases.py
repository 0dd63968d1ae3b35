"""Specifies the notation of words and phrases."""

from __future__ import annotations

import re

import pytest

from textmill.safety.filtering.lexicon import Lexicon
from textmill.safety.filtering.phrases import Char, Choice, Part, parse_phrase


def test_a_phrase_has_the_parts_of_the_notation() -> None:
    assert parse_phrase("Ab*") == (Char("a"), Char("b"), Part.ENDING)
    assert parse_phrase("a ... b") == (Char("a"), Part.GAP, Part.SPACE, Char("b"))
    assert parse_phrase("x(y|)-z") == (
        Char("x"),
        Choice(((Char("y"),), ())),
        Part.JOIN,
        Char("z"),
    )
    assert parse_phrase("duck")[1] == Char("u", is_inner_vowel=True)


@pytest.mark.parametrize(
    ("phrase", "found", "others"),
    [
        ("duck", ["duck", "DUCK!", "d*ck", "(duck)", "你duck吧"], ["ducks", "aduck", "du ck"]),
        ("duck*", ["duck", "ducklings"], ["aduck"]),
        ("rubber duck", ["rubber duck", "rubber, duck", "rubber\nduck"], ["rubber. Duck"]),
        ("rubber ... duck", ["rubber duck", "rubber and a duck", "rubber aa bb cc dd ee duck"],
         ["rubber aa bb cc dd ee ff duck", "rubber. A duck"]),
        ("duck(s|ling|)", ["duck", "ducks", "duckling"], ["duckl"]),
        ("a (big |)duck", ["a duck", "a big duck"], ["a small duck", "big duck"]),
        ("duck-pond", ["duck-pond", "duck pond", "duckpond"], ["duck, the pond"]),
        ("don't duck", ["don't duck", "dont duck", "don’t duck"], ["don duck"]),
        ("(the |my )duck (is |)", ["the duck is here", "my duck was"], ["duck is"]),
        ("鸭子", ["一只鸭子呢", "鸭 子", "鸭-子", "鸭\u200b子"], ["鸭，子", "鸭的子"]),
        ("鸭...吃", ["鸭吃", "鸭子在河边吃草"], ["鸭一二三四五六七八九吃"]),
        ("鸭b", ["大鸭b啊", "鸭B"], ["鸭bc"]),
    ],
)  # fmt: skip
def test_a_phrase_stands_for_texts(phrase: str, found: list[str], others: list[str]) -> None:
    lexicon = Lexicon({"birds": [parse_phrase(phrase)]})
    assert [text for text in found if not list(lexicon.find(text))] == []
    assert [text for text in others if list(lexicon.find(text))] == []


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("(a|b", "a '(' without ')'"),
        ("a)b", "a ')' or '|' without '('"),
        ("a|b", "a ')' or '|' without '('"),
        ("(((((a)))))", "more than 4 '('"),
        ("(a|)", "may be empty"),
        ("*", "may be empty"),
        ("a[b]", "the character '['"),
        ("a+", "the character '+'"),
    ],
)
def test_a_wrong_line_says_how_to_fix_it(line: str, named: str) -> None:
    with pytest.raises(ValueError, match=re.escape(named)):
        parse_phrase(line)
