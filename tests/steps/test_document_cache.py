"""Specifies the store's cache of prepared documents: what it depends on, and how large it grows."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from textmill.config import CleanConfig, Config
from textmill.corpus.reading.sources import digest_source
from textmill.files import CachePlace, digest_file
from textmill.registry.prune import find_unused, remove
from textmill.steps import document_cache
from textmill.steps.document_cache import PREPARED_TAG, cache_place, keep_prepared, prepared_key
from textmill.steps.graph import CLEAN
from textmill.steps.raw_sources import Source
from textmill.steps.step import Code, Step, code_of
from textmill.tracking.computing import request
from textmill.tracking.pipeline import Pipeline, open_pipeline
from textmill.tracking.results import Result

SOURCES = [{"name": "a", "path": "a.txt"}]


def clean_config(**fields: Any) -> CleanConfig:
    return CleanConfig.model_validate({"sources": SOURCES, **fields})


@pytest.mark.parametrize(
    "fields",
    [
        {"min_chars": 21},
        {"languages": ["en"]},
        {"repair_unicode": False},
        {"quality": {"enabled": True}},
        {"redaction": {"kinds": ["email"]}},
        {"near_duplicates": {"enabled": True}},
        {"decontamination": {"enabled": True}},
    ],
)
def test_settings_that_preparing_reads_ask_for_another_folder(fields: dict[str, Any]) -> None:
    assert prepared_key(clean_config(**fields), {}) != prepared_key(clean_config(), {})


@pytest.mark.parametrize(
    "fields",
    [
        {"sources": [*SOURCES, {"name": "b", "path": "b.txt"}]},
        {"validation_share": 0.2},
        {"max_bad_share": 0.2},
        {"exact_duplicates": {"enabled": False}},
        {"near_duplicates": {"threshold": 0.9, "max_candidates": 9}},
    ],
)
def test_other_settings_do_not(fields: dict[str, Any]) -> None:
    assert prepared_key(clean_config(**fields), {}) == prepared_key(clean_config(), {})


@pytest.mark.parametrize(
    "module", ["prepare", "final_text", "filters.c4", "dedup.near_duplicates", "workers.packs"]
)
def test_the_code_that_prepares_and_keeps_documents_counts(
    module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def edited(step: Step, values: Mapping[str, Any]) -> Code:
        name = f"textmill.corpus.cleaning.{module}"
        code = code_of(step, values)
        assert name in code.modules
        return replace(code, modules=code.modules | {name: "edited"})

    before = prepared_key(clean_config(), {})
    monkeypatch.setattr(document_cache, "code_of", edited)
    assert prepared_key(clean_config(), {}) != before


def test_the_texts_of_tests_count() -> None:
    found = [prepared_key(clean_config(), {"test/t/0.parquet": digest}) for digest in "112"]
    assert found[0] == found[1] != found[2]


def write(file: Path, size: int, age_s: float) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(bytes(size))
    os.utime(file, (time.time() - age_s,) * 2)


def test_what_was_not_used_for_longest_makes_room(tmp_path: Path) -> None:
    place = CachePlace(tmp_path / "prepared" / "now", tmp_path / "new", 400)
    for name, age_s in (("old/1", 900), ("old/2", 700), ("now/1", 800), ("now/2", -5)):
        write(tmp_path / "prepared" / name, 100, age_s)
    for number in (3, 4, 5):
        write(place.new / str(number), 100, 10 - number)
    write(place.new / ".partial", 100, 0)
    keep_prepared(place, time.time() - 100)
    left = [file.relative_to(tmp_path).as_posix() for file in sorted(tmp_path.rglob("?"))]
    assert left == [f"prepared/now/{n}" for n in (2, 3, 4, 5)]
    assert not place.new.exists()


def test_the_beginning_of_what_is_too_large_is_kept(tmp_path: Path) -> None:
    place = CachePlace(tmp_path / "prepared" / "now", tmp_path / "new", 250)
    for number in (1, 2, 3):
        write(place.new / str(number), 100, 10 - number)
    keep_prepared(place, time.time() - 100)
    assert sorted(file.name for file in place.folder.iterdir()) == ["1", "2"]


def test_nothing_is_kept_where_nothing_may_be(tmp_path: Path) -> None:
    assert cache_place(tmp_path, "key", tmp_path, 0) is None


@pytest.fixture
def own(config: Config, tmp_path: Path) -> Config:
    tracking = config.tracking.model_copy(update={"home": str(tmp_path / "mlruns")})
    return config.model_copy(update={"tracking": tracking})


def cleaned(own: Config, corpus: Path, scope: str | None = None) -> tuple[Pipeline, Result]:
    sources = [{"name": "files", "path": str(corpus), "documents": "line"}]
    step = clean_config(sources=sources, validation_share=0.3, repair_unicode=True)
    digest = digest_source(step.sources[0])
    raw = Source("files", str(corpus), digest, "pretraining", {}, lambda: digest)
    with open_pipeline("test", own, "tests", {}, scope) as pipeline:
        return pipeline, pipeline.run(CLEAN, step, sources=(raw,), threads=1)


def packs(own: Config) -> set[Path]:
    return set(Path(own.tracking.home, "prepared").glob("*/*"))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The specified dataset source can be:UserWarning")
def test_a_grown_corpus_adds_what_is_new_and_is_that_of_a_cold_run(
    own: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for name in "ac":
        lines = [f"Sentence number {n} of the file called {name}." for n in range(20)]
        (corpus / f"{name}.txt").write_text("\n".join(lines))
    pipeline, first = cleaned(own, corpus)
    before = packs(own)
    (corpus / "b.txt").write_text("\n".join(f"The {n}. one that is new." for n in range(9)))
    pipeline, grown = cleaned(own, corpus)
    (added,) = packs(own) - before
    assert pq.read_metadata(added).num_rows == 9
    assert added.stem == digest_file(added)

    run = pipeline.store.client.get_run(grown.run_id)
    assert run.data.tags[PREPARED_TAG] == added.parent.name
    assert find_unused(pipeline.store, 1)[-1].what == "result"

    kept = packs(own)
    _, again = cleaned(own, corpus, scope="again")  # computes, and neither reads nor adds
    assert (again.is_reused, again.digest) == (False, grown.digest)
    assert packs(own) == kept

    monkeypatch.setattr(request, "edited_file", lambda *_: corpus / "code.py")
    (corpus / "d.txt").write_text("What code that was edited meanwhile has prepared.")
    with pytest.raises(Exception, match="was edited after the run"):
        cleaned(own, corpus)
    assert packs(own) == kept

    waste = [item for item in find_unused(pipeline.store, 0) if item.what == "cache"]
    assert [(item.label, item.n_bytes) for item in waste] == [
        (f"prepared {added.parent.name[:12]}", sum(pack.stat().st_size for pack in kept))
    ]
    remove(pipeline.store, waste[0])
    assert packs(own) == set()
    assert json.loads((grown.folder / "metrics.json").read_text())["documents_kept"] == 49
