"""Specifies that execution, counts, `rejected/` and the report are derived from the chain."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.corpus.cleaning.filters.prose import PROSE, WORDS, distinct
from tests.linear_time import assert_linear, repeat
from textmill.config import (
    C4Config,
    CleanConfig,
    Config,
    FineWebConfig,
    GopherQualityConfig,
    GopherRepetitionConfig,
    SourceConfig,
)
from textmill.corpus.cleaning import clean as clean_module
from textmill.corpus.cleaning.clean import clean
from textmill.corpus.cleaning.document import Prepared
from textmill.corpus.cleaning.filters import Document, Edit, Filter, Verdict, chain
from textmill.corpus.cleaning.filters.c4 import c4
from textmill.corpus.cleaning.filters.chain import FILTERS, described, in_order
from textmill.corpus.cleaning.filters.fineweb import fineweb
from textmill.corpus.cleaning.filters.gopher_quality import gopher_quality
from textmill.corpus.cleaning.filters.gopher_repetition import gopher_repetition
from textmill.corpus.cleaning.filters.measures import measure
from textmill.corpus.cleaning.prepare import Preparer
from textmill.corpus.cleaning.workers import pool
from textmill.corpus.reading.sources import RawDocument
from textmill.hardware import THREADS_VARIABLE
from textmill.reports.data_page import gather_corpus
from textmill.tracking.results import Result

ALWAYS = {"bad_record", "too_short", "exact_duplicate"}
QUALITY = ("gopher_quality", "gopher_repetition", "c4", "fineweb")


def config_of(path: Path, **fields: Any) -> CleanConfig:
    source = SourceConfig(name="own", path=str(path), documents="line")
    return CleanConfig(sources=(source,), validation_share=0.5, **fields)


def cleaned(config: CleanConfig, out: Path) -> dict[str, int]:
    """Clean a corpus, and return the counts of the whole."""
    out.mkdir()
    clean(config, {}, out)
    metrics = json.loads((out / "metrics.json").read_text())
    return {name: count for name, count in metrics.items() if "/" not in name}


def distinct_lines(n: int) -> list[str]:
    return [" ".join(f"{chr(97 + i) * 3}{j}" for j in range(60)) for i in range(n)]


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({}, set()),
        ({"languages": ("und",)}, {"language"}),
        ({"near_duplicates": {"enabled": True, "threshold": 1.0}}, {"near_duplicate"}),
        ({"repeated_lines": {"enabled": True}}, {"repeated_lines"}),
        ({"decontamination": {"enabled": True}}, {"contaminated"}),
        (
            {"quality": {"enabled": True} | {name: {"enabled": False} for name in QUALITY[2:]}},
            {"gopher_repetition", "gopher_quality"},
        ),
    ],
)
def test_metrics_name_exactly_the_enabled_filters(
    tmp_path: Path, settings: dict[str, Any], names: set[str]
) -> None:
    file = tmp_path / "lines.txt"
    file.write_text("\n".join(f"The {line} and that." for line in distinct_lines(12)))
    config = config_of(file, **settings)
    counts = cleaned(config, tmp_path / "out")
    counted = {name for name in counts if name.startswith("rejected_")}
    assert {name.removeprefix("rejected_") for name in counted} == ALWAYS | names
    assert described(config).keys() == ALWAYS | names


class Shouting(Filter):
    """What a user writes: see the guide on extending."""

    name = "shouting"
    description = "text in capitals"
    changes = ("dropped_exclamations",)

    def __init__(self, max_share: float) -> None:
        self.max_share = max_share

    def judge(self, documents: Sequence[Document]) -> Iterator[Verdict]:
        for document in documents:
            share = sum(map(str.isupper, document.text)) / len(document.text)
            if share > self.max_share:
                yield self.reject(f"capitals {share:.2f}")
            elif "!" in document.text:
                n_marks = document.text.count("!")
                yield Edit(document.text.replace("!", ""), {"dropped_exclamations": n_marks})
            else:
                yield None


@pytest.mark.parametrize("n_threads", ["1", pytest.param("2", marks=pytest.mark.slow)])
def test_a_filter_in_the_chain_needs_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_threads: str
) -> None:
    monkeypatch.setattr(chain, "FILTERS", (*FILTERS[:8], Shouting(0.5), *FILTERS[8:]))
    monkeypatch.setattr(clean_module, "_CHUNK_DOCUMENTS", 4)
    monkeypatch.setattr(pool, "_MIN_LOCAL_CHUNKS", 1)
    monkeypatch.setenv(THREADS_VARIABLE, n_threads)
    file = tmp_path / "lines.txt"
    lines = distinct_lines(20)
    excited = f"{lines[0]} !!"
    file.write_text("\n".join([*lines[1:], excited, *(line.upper() for line in lines[:3])]))
    own = config_of(file)
    counts = cleaned(own, tmp_path / "out")
    assert (counts["rejected_shouting"], counts["documents_kept"]) == (3, 20)
    assert counts["bytes_rejected_shouting"] == len("".join(lines[:3]))
    assert counts["dropped_exclamations"] == 2
    table = pq.read_table(tmp_path / "out" / "rejected")
    assert table.column("reason").to_pylist() == ["shouting"] * 3
    assert in_order(["near_duplicate", "shouting", "c4"], own) == [
        *("c4", "shouting", "near_duplicate")
    ]

    (tmp_path / "out" / "manifest.json").write_text("{}")
    result = Result("clean", "k" * 64, "r", "http://run", tmp_path / "out", "d" * 64, False)
    page = gather_corpus(Config.model_construct(corpus=own), {"clean": result})
    (shown,) = (one for one in page.filters if one.name == "shouting")
    assert (shown.documents, shown.description) == (3, "text in capitals")
    assert [example.detail for example in shown.examples] == ["capitals 0.52"] * 3
    assert page.changes["dropped_exclamations"] == 2


def test_a_filter_with_too_few_verdicts_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Silent(Shouting):
        def judge(self, documents: Sequence[Document]) -> Iterator[Verdict]:
            return iter(())

    monkeypatch.setattr(chain, "FILTERS", (*FILTERS, Silent(0.5)))
    with pytest.raises(ValueError, match="'shouting' returned 0 verdicts for 1 documents"):
        prepared([PROSE])


def prepared(texts: Sequence[str], **fields: Any) -> list[Prepared]:
    config = config_of(Path("own.txt"), **fields)
    return Preparer(config).prepare([RawDocument(t, "own", "en", "own.txt", 1) for t in texts])


def test_the_first_rejecting_filter_is_the_reason_and_all_can_be_disabled() -> None:
    texts = [PROSE * 20, "too short a text.", PROSE.strip() + "\n" + distinct(60)]
    texts = [text.strip() for text in [*texts, distinct(100) + " " + PROSE * 2]]
    judged = prepared(texts, min_chars=1, quality={"enabled": True})
    reasons = [item.rejection and item.rejection.reason for item in judged]
    assert reasons == ["gopher_repetition", "gopher_quality", "c4", "c4"]
    assert judged[1].rejection is not None
    assert judged[1].rejection.detail == "words 4 < 50"
    off = {name: {"enabled": False} for name in QUALITY}
    judged = prepared(texts, min_chars=1, quality={"enabled": True, **off})
    assert [(item.text, item.rejection) for item in judged] == [(text, None) for text in texts]


def test_lines_removed_by_c4_are_counted_and_not_seen_by_fineweb() -> None:
    text = "\n".join(
        f"The {WORDS[n]} of a {WORDS[n + 50]} was {WORDS[n + 100]} to the {WORDS[n + 150]} again."
        for n in range(12)
    )
    (kept,) = prepared([text + "\nno end"], quality={"enabled": True})
    assert (kept.text, kept.rejection) == (text, None)
    assert kept.changes == {"dropped_lines": 1}


def test_a_document_may_be_too_short_after_lines_are_removed() -> None:
    quality = {"enabled": True, "c4": {"min_sentences": 1}} | {
        name: {"enabled": False} for name in QUALITY if name != "c4"
    }
    line = "Here a line ends as it should."
    (item,) = prepared([f"{line}\nand here no end"], min_chars=35, quality=quality)
    assert item.rejection is not None
    assert (item.rejection.reason, item.rejection.detail) == ("too_short", "30 characters")


@pytest.mark.parametrize(
    "unit", ["a", "a ", "a. ", ".", "\n", "[", "你", "- ", "Mr. ", "...\n", "'"]
)
def test_time_is_linear_in_the_length(unit: str) -> None:
    def judge(text: str) -> None:
        (measures,) = measure([text], [2], [5])
        gopher_quality(text, measures, "en", GopherQualityConfig())
        gopher_repetition(
            text, measures, GopherRepetitionConfig(top_ngrams={2: 0.2}, duplicate_ngrams={5: 0.15})
        )
        c4(text, C4Config())
        fineweb(text, FineWebConfig())

    assert_linear(judge, repeat(unit), 100_000)
