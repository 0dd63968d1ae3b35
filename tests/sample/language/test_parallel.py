import re

import pytest

from textmill.sample.language.names import words
from textmill.sample.language.parallel import PATTERNS

SLOT = re.compile(r"\{(\w+)(?:\.\w+)?\}")
ELSEWHERE = {"away", "rival", "competitor", "visitor"}
VAGUE = {"region", "kind", "trade", "festival_month", "film_year", "book_year"}
NUMBERS = words("weekday month date year count few time thousands percent millions price score")
CHOICE = re.compile(r"\[([^]]*)\]")


def test_there_are_dozens_of_patterns_and_no_two_are_the_same():
    assert len(PATTERNS) >= 60
    for sentences in zip(*PATTERNS, strict=True):
        assert len(set(sentences)) == len(PATTERNS)


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: pattern.en[:50])
def test_all_languages_have_the_same_slots_and_choices(pattern):
    slots = [set(SLOT.findall(sentence)) for sentence in pattern]
    choices = [[len(c.split("|")) for c in CHOICE.findall(sentence)] for sentence in pattern]
    assert slots[0] == slots[1] == slots[2]
    assert choices[0] == choices[1] == choices[2]


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: pattern.en[:50])
def test_sentences_end_with_the_punctuation_of_their_language(pattern):
    assert (pattern.en[-1] + pattern.de[-1] + pattern.zh[-1]) in ("..。", "??？")
    assert not re.search(r"[ ,;:?!]|\.(?!\w+\})", pattern.zh)


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: pattern.en[:50])
def test_sentences_contain_a_name_of_their_town(pattern):
    assert set(SLOT.findall(pattern.en)) - ELSEWHERE - VAGUE - {*NUMBERS}
