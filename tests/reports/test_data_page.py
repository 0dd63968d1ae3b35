"""Specifies what is gathered of the data from the results of the steps."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from textmill.config import Config
from textmill.files import write_json
from textmill.reports.data_page import NAME, gather_corpus, log_data_page
from textmill.tracking.pipeline import open_pipeline
from textmill.tracking.results import Result
from textmill.tracking.store import Store

COUNTS = {
    "documents_read": 12,
    "documents_kept": 8,
    "bytes_read": 1000,
    "bytes_kept": 800,
    "rejected_near_duplicate": 1,
    "bytes_rejected_near_duplicate": 100,
    "rejected_too_short": 2,
    "bytes_rejected_too_short": 5,
    "rejected_bad_record": 1,
    "contaminated_mood": 1,
    "redacted_email": 3,
    "repaired_unicode": 1,
    "language_en": 3,
    "language_zh": 5,
    "bytes_language_en": 500,
    "bytes_language_zh": 300,
    "files_in_cp1252": 3,
    "files_in_koi8-r": 0,
}
TOKENS = {
    "train_tokens": 5000,
    "validation_tokens": 500,
    "validation_bytes_per_token": 4.0,
    "validation_bytes_per_token/en": 4.5,
    "validation_tokens_per_word/en": 1.25,
    "validation_tokens_per_character/zh": 0.75,
}
CLUSTER = {
    "exact_duplicate": 0,
    "near_duplicate": 1,
    "kept": {"text": "a b", "source": "own"},
    "copy": {"text": "a c", "source": "own", "similarity": 0.5},
}
RECEIPTS = {
    "length_edges": [1, 10, 100, 1000],
    "lengths": [0, 3, 5, 0],
    "cluster_sizes": [[1, 4], [2, 1], [3, 2], [4, 1]],
    "largest_clusters": [CLUSTER],
}


@pytest.fixture
def results(tmp_path: Path) -> dict[str, Result]:
    clean = {**COUNTS, **{f"{name}/own": count for name, count in COUNTS.items()}}
    made = {"clean": clean, "tokenizer": {"vocab_size": 2048}, "tokens": TOKENS}
    results = {}
    for label, metrics in made.items():
        folder = tmp_path / label
        folder.mkdir()
        write_json(folder / "metrics.json", metrics)
        write_json(folder / "manifest.json", {"seconds": 2.0})
        results[label] = Result(label, "k" * 64, "r", "http://run", folder, "d" * 64, False)
    write_json(tmp_path / "clean" / "receipts.json", RECEIPTS)
    rejected = tmp_path / "clean" / "rejected"
    rejected.mkdir()
    place = {"source": "own", "file": "own.jsonl", "line": 3}
    rows = [
        {"text": "ab", "reason": "too_short", "detail": "2 characters", **place},
        {
            "text": "cd",
            "reason": "near_duplicate",
            "detail": "e" * 32 + ", similarity 0.91",
            **place,
        },
    ]
    pq.write_table(pa.Table.from_pylist(rows), rejected / "0.parquet")
    return results


def config_with(config: Config, language: str) -> Config:
    values: dict[str, Any] = config.model_dump()
    values["corpus"]["sources"][0]["language"] = language
    return Config.model_validate(values)


def test_filters_are_in_order_of_application(config: Config, results: dict[str, Result]) -> None:
    filters = gather_corpus(config, results).filters
    assert [(f.name, f.documents, f.n_bytes) for f in filters] == [
        ("bad_record", 1, None),
        ("too_short", 2, 5),
        ("near_duplicate", 1, 100),
    ]
    examples = [(e.place, e.detail, e.text) for f in filters for e in f.examples]
    place = "own, own.jsonl:3"
    assert examples == [(place, "2 characters", "ab"), (place, "similarity 0.91", "cd")]


@pytest.mark.parametrize(("language", "is_identified"), [("auto", True), ("en", False)])
def test_sources_say_the_languages_that_were_found(
    config: Config, results: dict[str, Result], language: str, is_identified: bool
) -> None:
    (source,) = gather_corpus(config_with(config, language), results).sources
    assert list(source.languages.items()) == [("zh", 5), ("en", 3)]
    assert source.is_identified == is_identified
    assert source.encodings == {"cp1252": 3}
    assert (source.documents_read, source.documents_kept) == (12, 8)
    assert (source.bytes_read, source.bytes_kept) == (1000, 800)
    assert source.rejected == {"bad_record": 1, "too_short": 2, "near_duplicate": 1}


def test_the_texts_of_a_task_are_a_source_of_their_own(
    config: Config, results: dict[str, Result]
) -> None:
    values = config.model_dump()
    task = {"name": "mood", "kind": "classification", "train": "mood.csv", "test": "b.csv"}
    values["corpus"]["task_texts"]["enabled"] = True
    metrics = results["clean"].metrics()
    own = {"documents_read/task:mood": 4, "documents_kept/task:mood": 3, "language_de/task:mood": 3}
    write_json(results["clean"].folder / "metrics.json", metrics | own)
    changed = Config.model_validate(values | {"tasks": [task]})
    _, source = gather_corpus(changed, results).sources
    assert (source.name, source.place) == ("task:mood", "mood.csv")
    assert (source.documents_read, source.documents_kept) == (4, 3)
    assert (source.languages, source.is_identified) == ({"de": 3}, False)


def test_languages_are_sorted_by_bytes_with_tokens_per_word(
    config: Config, results: dict[str, Result]
) -> None:
    english, chinese = gather_corpus(config, results).languages
    assert (english.tag, english.documents, english.n_bytes) == ("en", 3, 500)
    assert (english.bytes_per_token, english.tokens_per_word) == (4.5, 1.25)
    assert not english.is_by_character
    assert (chinese.tag, chinese.tokens_per_word, chinese.is_by_character) == ("zh", 0.75, True)
    del results["tokens"]
    assert gather_corpus(config, results).languages[0].tokens_per_word is None


def test_languages_have_the_bits_per_byte_of_the_language_model(
    config: Config, results: dict[str, Result]
) -> None:
    tested = results["tokens"].folder.with_name("evaluate-lm")
    tested.mkdir()
    scores = {"bits_per_byte/zh": 2.5, "unigram/bits_per_byte/zh": 3.5}
    write_json(tested / "metrics.json", scores)
    results["evaluate-lm"] = dataclasses.replace(results["tokens"], folder=tested)
    english, chinese = gather_corpus(config, results).languages
    assert (english.bits_per_byte, english.unigram_bits_per_byte) == (None, None)
    assert (chinese.bits_per_byte, chinese.unigram_bits_per_byte) == (2.5, 3.5)


def test_personal_data_are_counted_by_placeholder_and_changes_beside_them(
    config: Config, results: dict[str, Result]
) -> None:
    corpus = gather_corpus(config, results)
    assert corpus.redacted["[EMAIL]"] == 3
    assert corpus.redacted["[IBAN]"] == 0
    assert corpus.changes == {"repaired_unicode": 1}
    assert corpus.contaminated == {"mood": 1}
    values = config.model_dump()
    values["corpus"]["redaction"]["enabled"] = False
    assert gather_corpus(Config.model_validate(values), results).redacted == {}


def test_lengths_and_clusters_come_from_the_receipts(
    config: Config, results: dict[str, Result]
) -> None:
    corpus = gather_corpus(config, results)
    assert corpus.lengths is not None
    assert (corpus.lengths.edges, corpus.lengths.counts) == ((10, 100, 1000), (3, 5))
    assert corpus.cluster_sizes == {"1": 4, "2–3": 3, "4–7": 1}
    (cluster,) = corpus.clusters
    assert (cluster.text, cluster.copy, cluster.similarity) == ("a b", "a c", 0.5)


def test_the_time_of_a_step_is_taken_from_its_manifest(
    config: Config, results: dict[str, Result]
) -> None:
    rates = {item.name: item.bytes_per_s for item in gather_corpus(config, results).throughput}
    assert rates == {"clean": 500, "tokenizer": 400, "tokens": 400}
    write_json(results["clean"].folder / "manifest.json", {})
    assert "clean" not in {item.name for item in gather_corpus(config, results).throughput}


def test_facts_on_tokenizer_and_tokens_are_included(
    config: Config, results: dict[str, Result]
) -> None:
    facts = gather_corpus(config, results).tokens
    assert (facts["vocabulary"], facts["tokens per byte"]) == ("2,048", "0.250")


def test_the_data_page_is_logged_to_the_parent_run(
    config: Config, results: dict[str, Result], store: Store
) -> None:
    config = config.model_copy(update={"experiment": f"data {time.time_ns()}"})
    with open_pipeline("prepare", config, "own.yaml", {}) as pipeline:
        pipeline.results = results
        place = log_data_page(pipeline, config)
        assert NAME in [file.path for file in store.client.list_artifacts(pipeline.run_id)]
        assert "similarity 0.91" in Path(place).read_text()
