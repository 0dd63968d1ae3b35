"""Specifies the splits of documents, and the redaction of unreadable records."""

from __future__ import annotations

import pytest

from textmill.config import RedactionConfig
from textmill.corpus.cleaning.write import redact_unread, split_of
from textmill.corpus.reading.outcomes import MAX_RAW_CHARS


@pytest.mark.parametrize(
    ("doc_id", "split"),
    [("0" * 32, "validation"), ("4" + "0" * 31, "train"), ("3f" + "0" * 30, "validation")],
)
def test_the_first_quarter_of_ids_is_the_validation_quarter(doc_id: str, split: str) -> None:
    assert split_of(doc_id, 0.25) == split


def test_the_end_of_a_truncated_record_is_removed() -> None:
    cut = "x" * (MAX_RAW_CHARS - 5) + " ann@"
    assert set(redact_unread(cut, RedactionConfig())) == {"x"}
    assert redact_unread(cut, RedactionConfig(enabled=False)) == cut
    assert redact_unread("ann@example.com", RedactionConfig()) == "[EMAIL]"
