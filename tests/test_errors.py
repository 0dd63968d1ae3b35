"""Specifies the words of messages, and what may go wrong without failing a step."""

from __future__ import annotations

import pytest

from textmill.errors import InputError, RunError, best_effort, listed


@pytest.mark.parametrize(
    ("n", "words"),
    [
        (0, ""),
        (1, "0"),
        (10, "0, 1, 2, 3, 4, 5, 6, 7, 8, 9"),
        (11, "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 1 other"),
        (2010, "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2,000 others"),
    ],
)
def test_ten_values_are_listed_and_the_number_of_the_others(n: int, words: str) -> None:
    assert listed(range(n)) == words


def test_what_a_picture_does_wrong_is_logged_and_goes_no_further(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with best_effort("the picture"):
        raise ValueError("bad\nfont")
    assert "the picture could not be created (ValueError: bad font)" in caplog.text


@pytest.mark.parametrize("kind", [InputError, RunError, OSError, KeyboardInterrupt])
def test_what_a_user_can_do_something_about_is_raised(kind: type[BaseException]) -> None:
    with pytest.raises(kind), best_effort("the picture"):
        raise kind("x")
