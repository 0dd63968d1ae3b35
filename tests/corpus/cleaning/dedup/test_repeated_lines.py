"""Specifies which lines are equal, and from which document on they are removed."""

from __future__ import annotations

import random

import pytest

from textmill.config import RepeatedLinesConfig
from textmill.corpus.cleaning.dedup import repeated_lines
from textmill.corpus.cleaning.dedup.repeated_lines import LineCounts, hash_parts

FOOTER = "All rights reserved by us."


def left(texts: list[str], **settings: object) -> list[str]:
    """Return what is left of documents that are all kept."""
    config = RepeatedLinesConfig.model_validate({"enabled": True, **settings})
    lines = LineCounts(config)
    found = []
    for text, hashes in zip(texts, hash_parts(texts, config), strict=True):
        found.append(lines.remove(text, hashes)[0])
        lines.add(hashes)
    return found


@pytest.mark.parametrize("most", [1, 2, 4])
def test_a_line_is_kept_in_the_first_documents_and_removed_from_later_ones(most: int) -> None:
    texts = [f"Text {'x' * n} is here.\n{FOOTER}" for n in range(1, 6)]
    expected = texts[:most] + [text.partition("\n")[0] for text in texts[most:]]
    assert left(texts, max_documents=most) == expected


@pytest.mark.parametrize(
    ("line", "is_same"),
    [
        ("ALL RIGHTS reserved - by us", True),
        ("All rights reserved by you.", False),
        ("Reserved all rights by us.", False),
        ("All rights reserved by us by us.", False),
    ],
)
def test_case_and_punctuation_are_ignored_but_not_order(line: str, is_same: bool) -> None:
    assert (left([FOOTER, line], max_documents=1)[1] == "") == is_same


def test_all_digits_are_equal_but_vowel_signs_are_not() -> None:
    dates = ["Posted on 2 May 2026", "Posted on 7 May 1999", "Posted on 12 May 2026"]
    assert left(dates, max_documents=1) == [dates[0], "", dates[2]]
    hindi = ["कि कि कि", "का का का"]
    assert left(hindi, max_documents=1) == hindi


def test_short_lines_are_kept_and_chinese_characters_count_as_words() -> None:
    texts = ["Read more\n版权所有。"] * 2
    assert left(texts, max_documents=1, min_words=3)[1] == "Read more"
    assert left(texts, max_documents=1, min_words=5)[1] == texts[1]


def test_repetitions_within_a_document_count_once() -> None:
    texts = ["\n".join([FOOTER] * 9)] * 3
    assert left(texts, max_documents=2) == [texts[0], texts[1], ""]


def test_paragraphs_are_removed_whole_and_leave_one_blank_line() -> None:
    notice = f"{FOOTER}\nWrite to the owner."
    texts = [f"One thing first.\n\n{notice}\n\nEnd of it {'x' * n}." for n in (1, 2)]
    texts.append(f"{FOOTER}\nAnother line of it.")
    assert left(texts, max_documents=1, unit="paragraph") == [
        texts[0],
        "End of it xx.",
        texts[2],
    ]
    lines = [f"First line {'x' * n}.\n\n{FOOTER}\n\nLast line {'y' * n}." for n in (1, 2)]
    assert left(lines, max_documents=1)[1] == "First line xx.\n\nLast line yy."


def test_line_counts_equal_those_of_a_dictionary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeated_lines, "_RECENT", 16)
    draw = random.Random(0)
    texts = [
        "\n".join(f"line of {'x' * draw.randrange(60)} here" for _ in range(5)) for _ in range(300)
    ]
    counts: dict[str, int] = {}
    expected = []
    for text in texts:
        lines = text.split("\n")
        expected.append("\n".join(line for line in lines if counts.get(line, 0) < 7))
        for line in set(lines):
            counts[line] = counts.get(line, 0) + 1
    assert left(texts, max_documents=7) == expected


def test_hashes_do_not_depend_on_other_texts() -> None:
    config = RepeatedLinesConfig()
    texts = [f"Some line {n} here\n\n{FOOTER}" for n in range(3)] + ["", "."]
    together = hash_parts(texts, config)
    assert [list(found) for found in together] == [
        list(hash_parts([text], config)[0]) for text in texts
    ]
    assert hash_parts([], config) == []
