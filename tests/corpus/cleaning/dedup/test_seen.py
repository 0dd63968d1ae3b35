"""Specifies the memory-efficient set of ids."""

from __future__ import annotations

import hashlib

import pytest

from textmill.corpus.cleaning.dedup import seen
from textmill.corpus.cleaning.dedup.seen import SeenIds


def known(n: int) -> bytes:
    return hashlib.blake2b(str(n).encode(), digest_size=16).digest()


def test_an_id_is_new_only_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seen, "_RECENT", 7)
    ids, reference = SeenIds(), set[bytes]()
    for n in [*range(300), *range(0, 900, 2)]:
        assert ids.add(known(n)) == (known(n) not in reference)
        reference.add(known(n))


def test_ids_that_share_a_half_are_different(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seen, "_RECENT", 4)
    halves = [bytes([n]) * 8 for n in range(4)]
    every = [first + second for first in halves for second in halves]
    ids = SeenIds()
    assert [ids.add(one) for one in every] == [True] * 16
    assert [ids.add(one) for one in every] == [False] * 16


def test_arrays_take_sixteen_bytes_per_id(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seen, "_RECENT", 100)
    ids = SeenIds()
    for n in range(10_000):
        ids.add(known(n))
    assert sum(run.firsts.nbytes + run.seconds.nbytes for run in ids._runs) <= 16 * 10_000
    assert len(ids._recent) < 100
