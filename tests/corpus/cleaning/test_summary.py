"""Specifies the summary of a cleaning, and its conversion to and from metrics."""

from __future__ import annotations

from textmill.config import CleanConfig
from textmill.corpus.cleaning.document import Prepared, Rejection
from textmill.corpus.cleaning.filters.chain import FILTERS
from textmill.corpus.cleaning.summary import Counts, Summary

CONFIG = CleanConfig.model_validate({"sources": [{"name": "a/b", "path": "a.txt"}]})


def counted() -> Counts:
    counts = Counts(documents_read=3)
    document = Prepared("text", "en", {"redacted_email": 2, "stripped_html": 1}, 9, None, n_bytes=4)
    counts.keep(document, "train")
    counts.reject(Rejection("contaminated", contaminates=("mood",)), 5)
    counts.reject(Rejection("bad_record"), None)
    counts.encodings["cp1252"] += 1
    return counts


def test_metrics_contain_every_count_in_total_and_per_source() -> None:
    summary = Summary.begin(CONFIG, FILTERS)
    summary.add("a/b", counted())
    summary.add("c", Counts())
    metrics = summary.metrics()
    assert (metrics["documents_read"], metrics["documents_kept"]) == (3, 1)
    assert (metrics["bytes_read"], metrics["bytes_kept"]) == (14, 4)
    assert (metrics["documents_train"], metrics["documents_validation"]) == (1, 0)
    assert (metrics["rejected_contaminated/a/b"], metrics["rejected_contaminated/c"]) == (1, 0)
    assert (metrics["contaminated_mood"], metrics["bytes_rejected_contaminated"]) == (1, 5)
    assert (metrics["rejected_bad_record"], metrics["rejected_too_short"]) == (1, 0)
    assert "bytes_rejected_bad_record" not in metrics
    assert "rejected_near_duplicate" not in metrics
    assert (metrics["language_en"], metrics["bytes_language_en"]) == (1, 4)
    assert (metrics["files_in_cp1252"], metrics["stripped_html/a/b"]) == (1, 1)


def test_a_summary_is_read_from_its_metrics() -> None:
    summary = Summary.begin(CONFIG, FILTERS)
    summary.add("a/b", counted())
    read = Summary.of_metrics(summary.metrics() | {"duplicates/largest": 4}, ["a/b"])
    assert read.total == summary.total
    assert read.sources["a/b"].rejected["contaminated"] == 1
    assert read.total.redacted["email"] == 2
    assert read.metrics() == summary.metrics()


def test_other_metrics_are_ignored() -> None:
    counts = Counts.of_metrics({"documents_kept": 2.0, "seconds": 1.5})
    assert counts.metrics() == {**dict.fromkeys(counts.metrics(), 0), "documents_kept": 2}


def test_languages_are_ordered_by_bytes() -> None:
    counts = Counts.of_metrics({"bytes_language_de": 3, "bytes_language_en": 5})
    assert list(counts.bytes_by_language.items()) == [("en", 5), ("de", 3)]
