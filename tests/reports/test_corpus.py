"""Specifies the numbers of the data part: what is left after each filter."""

from __future__ import annotations

from dataclasses import replace

from textmill.reports.corpus import Corpus, Filter, Source

SOURCE = Source("web", "web/", {"en": 6}, 10, 6, 1000, 550, {"bad_record": 1, "too_short": 3})
CORPUS = Corpus(
    sources=(SOURCE,),
    filters=(
        Filter("bad_record", 2, None),
        Filter("too_short", 2, 300),
        Filter("near_duplicate", 0, 0),
    ),
    languages=(),
    changes={},
    redacted={},
    tokens={},
)


def test_the_funnel_subtracts_filter_by_filter() -> None:
    stages = CORPUS.funnel()
    assert [(s.documents_left, s.bytes_left) for s in stages] == [(8, 1000), (6, 700), (6, 700)]
    assert [s.share for s in stages] == [0.2, 0.25, 0.0]
    assert [s.bytes_share for s in stages] == [1.0, 0.7, 0.7]


def test_bytes_neither_rejected_nor_kept_were_changed() -> None:
    assert CORPUS.bytes_changed == 150
    assert CORPUS.funnel()[-1].bytes_left - CORPUS.bytes_changed == CORPUS.bytes_kept


def test_a_source_names_the_filters_that_rejected_most() -> None:
    rejected = {"a": 1, "b": 5, "c": 0, "d": 2, "e": 9}
    assert replace(SOURCE, rejected=rejected).main_reasons() == [("e", 9), ("b", 5), ("d", 2)]
    assert replace(SOURCE, rejected={"c": 0}).main_reasons() == []
