"""Specifies passages as words, and what redaction does to them."""

from __future__ import annotations

import pytest

from textmill.config import UNREDACTED, RedactionConfig
from textmill.tasks.question_answering.passages import redact_with_spans, split_passage

REDACTED = RedactionConfig(enabled=True)


def test_words_keep_their_offsets_and_the_space_before_them() -> None:
    passage = split_passage("Ann met Bob, 王三 too.", UNREDACTED)
    assert passage.words == ("Ann", "met", "Bob", ",", "王", "三", "too", ".")
    assert [passage.text[start:end] for start, end in passage.offsets] == [*passage.words]
    assert passage.forms == ["Ann", " met", " Bob", ",", " 王", "三", " too", "."]


@pytest.mark.parametrize(
    ("part", "words"),
    [("met Bob", (1, 3)), ("Bo", (2, 3)), ("nn m", (0, 2)), (" Bob", (2, 3)), (".", (3, 4))],
)
def test_a_part_of_the_text_is_the_words_that_it_overlaps(
    part: str, words: tuple[int, int]
) -> None:
    passage = split_passage("Ann met Bob.", UNREDACTED)
    start = passage.text.index(part)
    assert passage.words_of((start, start + len(part))) == words


def test_white_space_contains_no_word() -> None:
    with pytest.raises(ValueError, match="contains no word"):
        split_passage("Ann met", UNREDACTED).words_of((3, 4))


def test_words_are_redacted_and_offsets_are_those_of_the_original() -> None:
    text = "Write to ann@example.org or call."
    passage = split_passage(text, REDACTED)
    assert "[EMAIL]" in passage.words[2]
    start, end = passage.characters_of((2, 3))
    assert text[start:end] == "ann@example.org"


def test_answers_move_with_the_text_that_is_redacted() -> None:
    text = "Ask ann@example.org, or bob@example.org in Bath, not Cid."
    parts = ["Ask", "ann@example.org", "bob@example.org in Bath", "example", "Cid"]
    spans = [(text.index(part), text.index(part) + len(part)) for part in parts]
    redacted, moved = redact_with_spans(text, spans, REDACTED)
    assert redacted == "Ask [EMAIL], or [EMAIL] in Bath, not Cid."
    assert [redacted[start:end] for start, end in moved] == [
        "Ask",
        "[EMAIL]",
        "[EMAIL] in Bath",
        "[EMAIL]",
        "Cid",
    ]
    assert redact_with_spans(text, spans, UNREDACTED) == (text, spans)
    assert split_passage(redacted, REDACTED).words[1] == "[EMAIL]"
