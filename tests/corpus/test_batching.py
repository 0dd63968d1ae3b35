"""Specifies batches of bounded size."""

from __future__ import annotations

from textmill.corpus.batching import batches


def test_a_batch_ends_when_it_has_reached_its_size_or_number() -> None:
    items = ["aaa", "b", "cc", "d", "e", "f" * 9, "g"]
    assert list(batches(items, len, 4, 3)) == [["aaa", "b"], ["cc", "d", "e"], ["f" * 9], ["g"]]
    assert list(batches([], len, 4, 3)) == []
