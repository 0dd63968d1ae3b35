"""Specifies lists: which are shipped, and the messages for files that are wrong."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from textmill.config import PERSONAL_DATA, SHIPPED_CATEGORIES
from textmill.config.safety import FilterLanguage
from textmill.errors import InputError
from textmill.safety.filtering.word_lists import (
    MAX_BYTES,
    read_list,
    shipped_languages,
    shipped_list,
)


@pytest.mark.parametrize("category", [name for name in SHIPPED_CATEGORIES if name != PERSONAL_DATA])
def test_every_category_is_shipped_in_every_language(category: str) -> None:
    assert shipped_languages(category) == sorted(get_args(FilterLanguage))
    for language in get_args(FilterLanguage):
        assert len(shipped_list(category, language).phrases) > 5


def test_a_file_holds_phrases_patterns_and_comments(tmp_path: Path) -> None:
    file = tmp_path / "list.txt"
    file.write_bytes("\ufeff# ours\r\n\r\nproject x\r\nre: falcon\\d{1,3}\r\n项目".encode())
    content = read_list(file)
    assert len(content.phrases) == 2
    (pattern,) = content.patterns
    assert pattern.search("the FALCON77")


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"fine\n(a|b\n", "line 2: '(a|b' has a '(' without ')': add it."),
        (b"\n# x\nre:(a+)+b", "line 3: '(a+)+b' can match more than 200 characters"),
        (b"re:[a-", "line 1: '[a-' is no regular expression of Python"),
        (b"re:", "line 1: '' matches the empty text"),
        ("Stra\u00dfe".encode("latin-1"), "is not UTF-8 text"),
    ],
)
def test_a_wrong_file_is_named_with_the_line(content: bytes, named: str, tmp_path: Path) -> None:
    file = tmp_path / "list.txt"
    file.write_bytes(content)
    with pytest.raises(InputError) as error:
        read_list(file)
    assert str(file) in str(error.value)
    assert named in str(error.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"missing\.txt cannot be read: No such file"):
        read_list(tmp_path / "missing.txt")
    with pytest.raises(InputError, match="cannot be read"):
        read_list(tmp_path)


def test_a_huge_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "list.txt"
    with file.open("wb") as opened:
        opened.truncate(MAX_BYTES + 1)
    with pytest.raises(InputError, match="has more than 16 MiB"):
        read_list(file)
