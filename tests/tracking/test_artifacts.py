"""Specifies artifacts: published whole, checked when they are read, damage reported in words."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mlflow.entities import Run

from tests.tracked import Calls, Probe, run_once
from textmill.config import Config, SampleConfig
from textmill.errors import RunError
from textmill.files import MANIFEST, digest_folder, write_json
from textmill.registry.lineage import trace
from textmill.registry.recorded import load_recorded
from textmill.steps.manifest import MANIFEST_TAG, load_manifest
from textmill.tracking import artifacts
from textmill.tracking.artifacts import (
    CONFIG,
    RECORD_TAG,
    artifact,
    output_file,
    output_folder,
    publish,
    read_artifact,
    read_config,
    read_manifest,
    read_output_json,
    read_output_lines,
)
from textmill.tracking.pipeline import open_pipeline
from textmill.tracking.results import Result
from textmill.tracking.store import Store

DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "bit": lambda content: bytes([content[0] ^ 1]) + content[1:],
    "last bit": lambda content: content[:-1] + bytes([content[-1] ^ 1]),
    "cut": lambda content: content[: len(content) // 2],
    "empty": lambda content: b"",
    "longer": lambda content: content + b" ",
    "deep": lambda content: b'{"files":' * 100_000,
    "no UTF-8": lambda content: b"\xff\xfe",
    "other": lambda content: b"[]",
}


@pytest.fixture
def result(config: Config, probe: Probe, seed: SampleConfig, calls: Calls) -> Result:
    return run_once(config, probe("write"), seed)


@pytest.fixture
def run(store: Store, result: Result) -> Run:
    return store.client.get_run(result.run_id)


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_manifest_is_refused_by_everything_that_reads_it(
    store: Store, run: Run, result: Result, damage: Callable[[bytes], bytes]
) -> None:
    manifest = result.folder / MANIFEST
    manifest.write_bytes(damage(manifest.read_bytes()))
    parent = run.data.tags["mlflow.parentRunId"]
    readers: list[Callable[[], object]] = [
        lambda: read_manifest(store, run),
        lambda: read_output_json(store, run, "metrics.json"),
        lambda: trace(store, result.run_id),
        lambda: load_recorded(store, parent),
        lambda: output_folder(store, result.run_id),
        lambda: result.manifest,
    ]
    for read in readers:
        with pytest.raises(
            RunError,
            match=rf"{manifest} is damaged, its digest differs from the recorded one: restore",
        ):
            read()


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_is_refused_by_everything_that_reads_it(
    store: Store, run: Run, result: Result, damage: Callable[[bytes], bytes]
) -> None:
    file = result.folder / "metrics.json"
    assert read_output_json(store, run, "metrics.json") == result.metrics()
    file.write_bytes(damage(file.read_bytes()))
    for read in (
        lambda: read_output_json(store, run, "metrics.json"),
        lambda: read_output_lines(store, run, "metrics.json"),
        lambda: load_recorded(store, run.data.tags["mlflow.parentRunId"]),
        result.metrics,
        lambda: list(result.files("*.json")),
    ):
        with pytest.raises(
            RunError,
            match=rf"{file} is damaged, its digest differs from the recorded one: restore",
        ):
            read()


def test_a_lost_file_is_named(store: Store, run: Run, result: Result) -> None:
    (result.folder / "metrics.json").unlink()
    with pytest.raises(RunError, match="The artifact output/metrics.json of the run .* is lost"):
        read_output_json(store, run, "metrics.json")
    with pytest.raises(RunError, match=r"metrics\.json is missing"):
        result.metrics()
    with pytest.raises(RunError, match=r"has no file nothing\.json"):
        result.file("nothing.json")


def test_files_are_found_by_their_names_in_the_manifest(result: Result) -> None:
    assert [file.name for file in result.files("*.json")] == ["metrics.json", "tags.json"]
    assert [file.name for file in result.files("deep/*")] == ["more.bin"]
    (result.folder / "deep" / "more.bin").unlink()
    with pytest.raises(RunError, match=r"more\.bin is missing"):
        list(result.files("deep/*"))


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_record_of_a_pipeline_is_refused(
    config: Config, store: Store, damage: Callable[[bytes], bytes]
) -> None:
    with open_pipeline("test", config, "tests", {}) as pipeline:
        pass
    run = store.client.get_run(pipeline.run_id)
    assert read_config(store, run) == config.model_dump(mode="json")
    for name in (CONFIG, "environment.txt"):
        file = artifact(store, run, name)
        file.write_bytes(damage(file.read_bytes()))
        with pytest.raises(RunError, match=rf"{file} is damaged, its digest differs"):
            read_artifact(store, run, name)
    with pytest.raises(RunError, match=rf"{CONFIG} is damaged, its digest differs"):
        load_recorded(store, pipeline.run_id)


def test_results_without_recorded_digests_are_read_with_a_warning(
    config: Config, store: Store, run: Run, result: Result, caplog: pytest.LogCaptureFixture
) -> None:
    store.client.delete_tag(result.run_id, MANIFEST_TAG)
    parent = run.data.tags["mlflow.parentRunId"]
    store.client.delete_tag(parent, f"{RECORD_TAG}{CONFIG}")
    assert trace(store, result.run_id).nodes[result.run_id].digest == result.digest
    assert f"{result.folder / MANIFEST} is not verified" in caplog.text
    assert load_recorded(store, parent).config == config
    assert output_folder(store, result.run_id) == result.folder


UNREADABLE: dict[str, Callable[[dict[str, Any]], Any]] = {
    "a list": lambda manifest: [manifest],
    "no inputs": lambda manifest: {k: v for k, v in manifest.items() if k != "inputs"},
    "inputs of numbers": lambda manifest: manifest | {"inputs": {"a": 1}},
    "a number as digest": lambda manifest: manifest | {"digest": 1},
    "files in a list": lambda manifest: manifest | {"files": ["a"]},
    "a source without place": lambda manifest: manifest | {"sources": {"a": {"digest": "d"}}},
}


@pytest.mark.parametrize("change", UNREADABLE.values(), ids=UNREADABLE)
def test_a_manifest_without_digest_has_to_look_like_one(
    result: Result, tmp_path: Path, change: Callable[[dict[str, Any]], Any]
) -> None:
    assert load_manifest(result.folder / MANIFEST, {}) == result.manifest
    file = tmp_path / MANIFEST
    file.write_text(json.dumps(change(result.manifest)))
    with pytest.raises(RunError, match=rf"{file} is damaged \(.+\): restore it"):
        load_manifest(file, {})


@pytest.mark.parametrize("text", ["[1", "- a", "", "a: &x [*x, {", "\x00", "2001-99-99"])
def test_a_configuration_without_digest_has_to_be_one(
    config: Config, store: Store, text: str
) -> None:
    with open_pipeline("test", config, "tests", {}) as pipeline:
        pass
    store.client.delete_tag(pipeline.run_id, f"{RECORD_TAG}{CONFIG}")
    store.client.log_text(pipeline.run_id, text, CONFIG)
    with pytest.raises(RunError, match=rf"{CONFIG} of .* is damaged \(.+\)"):
        read_config(store, store.client.get_run(pipeline.run_id))


@pytest.fixture
def run_id(store: Store) -> Iterator[str]:
    run_id = store.start_run(store.experiment("tests"), "a run", {})
    yield run_id
    store.end_run(run_id, "FINISHED")


def published(store: Store, run_id: str, out: Path) -> Path:
    (out / "sub").mkdir(parents=True)
    (out / "sub" / "data").write_bytes(b"data")
    write_json(out / MANIFEST, {"files": digest_folder(out)})
    return publish(store, run_id, out)


def test_a_published_folder_is_moved_completely(store: Store, run_id: str, tmp_path: Path) -> None:
    folder = published(store, run_id, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert output_folder(store, run_id) == folder
    assert (folder / "sub" / "data").read_bytes() == b"data"


def test_publishing_again_replaces_what_was_there(
    store: Store, run_id: str, tmp_path: Path
) -> None:
    folder = published(store, run_id, tmp_path / "out")
    (folder / "stray").touch()
    published(store, run_id, tmp_path / "out")
    assert not (output_folder(store, run_id) / "stray").exists()


def test_a_changed_file_is_named(store: Store, run_id: str, tmp_path: Path) -> None:
    folder = published(store, run_id, tmp_path / "out")
    (folder / "sub" / "data").write_bytes(b"Data")
    with pytest.raises(RunError, match="sub/data is damaged, its digest differs"):
        output_folder(store, run_id)


def test_a_manifest_that_was_not_published_is_not_believed(
    store: Store, run_id: str, tmp_path: Path
) -> None:
    folder = published(store, run_id, tmp_path / "out")
    (folder / "sub" / "data").write_bytes(b"Data")
    write_json(folder / MANIFEST, {"files": digest_folder(folder)})
    with pytest.raises(RunError, match=f"{MANIFEST} is damaged, its digest differs"):
        output_folder(store, run_id)
    with pytest.raises(RunError, match=f"{MANIFEST} is damaged, its digest differs"):
        output_file(store, store.client.get_run(run_id), MANIFEST)


@pytest.fixture
def far(store: Store, run_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A published folder of a store that has to be read through copies."""
    folder = published(store, run_id, tmp_path / "out")
    monkeypatch.setattr(artifacts, "_artifact_folder", lambda run: None)
    return folder


@pytest.mark.parametrize("name", [MANIFEST, "sub/data"])
def test_a_damaged_copy_of_a_far_result_is_fetched_again(
    store: Store, run_id: str, far: Path, name: str
) -> None:
    copy = output_folder(store, run_id)
    (copy / name).write_text("{}")
    assert output_folder(store, run_id) == copy
    assert (copy / name).read_bytes() == (far / name).read_bytes()
    (far / name).write_text("{}")
    assert output_folder(store, run_id) == copy  # which is whole, and not fetched
    (copy / name).unlink()
    with pytest.raises(RunError, match=f"{name} is damaged, its digest differs"):
        output_folder(store, run_id)


@pytest.mark.parametrize("name", [MANIFEST, "sub/data"])
def test_a_damaged_copy_of_one_file_is_fetched_again(
    store: Store, run_id: str, far: Path, name: str
) -> None:
    run = store.client.get_run(run_id)
    copy = output_file(store, run, name)
    copy.write_text("{}")
    assert output_file(store, run, name) == copy
    assert copy.read_bytes() == (far / name).read_bytes()
    (far / name).write_text("{}")
    copy.write_text("damaged")
    with pytest.raises(RunError, match=f"{name} is damaged, its digest differs"):
        output_file(store, run, name)


def test_a_run_without_output_is_incomplete(store: Store, run_id: str) -> None:
    with pytest.raises(RunError, match=f"{MANIFEST} is missing"):
        output_folder(store, run_id)
