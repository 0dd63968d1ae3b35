"""Specifies tracked steps: computed once, recorded whole, and reused."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from tests.tracked import Calls, Probe, key_runs, newest_parent, run_once
from textmill.config import (
    CleanConfig,
    Config,
    SampleConfig,
    TokenizerConfig,
    TokensConfig,
)
from textmill.files import MANIFEST, digest_file, digest_values, read_json
from textmill.steps.graph import CLEAN, TOKENIZER, TOKENS
from textmill.steps.raw_sources import Source
from textmill.tasks.classification.settings import ClassificationConfig
from textmill.tracking.metrics import system
from textmill.tracking.pipeline import open_pipeline
from textmill.tracking.results import Result, find_result, recorded_results
from textmill.tracking.store import Store

# MLflow registers its source of local files twice, and warns of the choice that gives it.
pytestmark = pytest.mark.filterwarnings("ignore:The specified dataset source:UserWarning")


def test_a_second_call_reuses_the_result_and_makes_no_run(
    config: Config, store: Store, probe: Probe, seed: SampleConfig, calls: Calls
) -> None:
    first = run_once(config, probe("write"), seed)
    second = run_once(config, probe("write"), seed)
    assert (first.is_reused, second.is_reused) == (False, True)
    assert second.run_id == first.run_id
    assert second.folder == first.folder
    assert second.digest == first.digest
    assert second.metrics() == {"score": seed.seed / 4}
    assert calls() == 1
    assert len(key_runs(store, "write", seed.seed)) == 1


def test_the_parent_says_which_run_a_reused_result_came_from(
    config: Config, store: Store, probe: Probe, seed: SampleConfig, calls: Calls
) -> None:
    first = run_once(config, probe("write"), seed)
    run_once(config, probe("write"), seed)
    assert recorded_results(newest_parent(store)) == {"write": first.run_id}


def test_an_unrecorded_result_is_not_on_the_parent(
    config: Config, store: Store, probe: Probe, seed: SampleConfig, calls: Calls
) -> None:
    with open_pipeline("test", config, "tests", {}) as pipeline:
        result = pipeline.run(probe("write"), seed, is_recorded=False)
        assert pipeline.results == {}
    assert recorded_results(newest_parent(store)) == {}
    found = find_result(store, result.run_id)
    assert (found.key, found.folder, found.digest) == (result.key, result.folder, result.digest)
    assert found.label == "write"


def test_results_may_be_read_while_others_arrive(
    config: Config, probe: Probe, seed: SampleConfig, calls: Calls
) -> None:
    with open_pipeline("test", config, "tests", {}) as pipeline:
        reading = iter(pipeline.results.items())
        pipeline.run(probe("write"), seed)
        assert list(reading) == []
        assert pipeline.results.keys() == {"write"}


def test_results_are_found_across_experiments(
    config: Config, probe: Probe, seed: SampleConfig, calls: Calls
) -> None:
    first = run_once(config, probe("write"), seed)
    other = config.model_copy(update={"experiment": "another"})
    assert run_once(other, probe("write"), seed).run_id == first.run_id


def test_the_manifest_holds_the_digest_of_every_file(
    config: Config, probe: Probe, seed: SampleConfig, calls: Calls
) -> None:
    result = run_once(config, probe("write"), seed)
    manifest = read_json(result.folder / MANIFEST)
    assert set(manifest["files"]) == {"seed.txt", "deep/more.bin", "metrics.json", "tags.json"}
    for name, digest in manifest["files"].items():
        assert digest == digest_file(result.folder / name)
    assert manifest["digest"] == digest_values(manifest["files"]) == result.digest
    assert manifest["key"] == result.key
    assert manifest["run_id"] == result.run_id


def test_stage_times_are_in_the_manifest_and_not_in_the_digest(
    config: Config, store: Store, probe: Probe, seed: SampleConfig
) -> None:
    result = run_once(config, probe("staged"), seed)
    manifest = read_json(result.folder / MANIFEST)
    assert manifest["stages"].keys() == {"reading", "writing"}
    assert manifest["stages"]["reading"]["bytes"] == 10
    assert set(manifest["files"]) == {"metrics.json"}
    assert result.metrics() == {"score": 1}
    logged = store.client.get_run(result.run_id).data.metrics
    assert logged["seconds/writing"] == manifest["stages"]["writing"]["seconds"]


def test_the_tags_that_a_step_writes_stand_on_its_run(
    config: Config, store: Store, probe: Probe, seed: SampleConfig, calls: Calls
) -> None:
    result = run_once(config, probe("write"), seed)
    assert store.client.get_run(result.run_id).data.tags["signature.score"] == "seed|per:4"


def test_a_step_run_records_params_tags_metrics_and_data(
    config: Config, store: Store, probe: Probe, seed: SampleConfig, calls: Calls, tmp_path: Path
) -> None:
    raw = tmp_path / "raw.txt"
    raw.write_text("raw")
    source = Source("raw", str(raw), digest_file(raw), "pretraining")
    with open_pipeline("test", config, "my.yaml", {"textmill.flow": "f1"}) as pipeline:
        first = pipeline.run(probe("write"), seed)
        second = pipeline.run(probe("slow"), seed, inputs={"first": first}, sources=(source,))
    run = store.client.get_run(second.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params == {key: str(value) for key, value in seed.model_dump().items()}
    expected = {
        "mlflow.parentRunId": pipeline.run_id,
        "textmill.kind": "step",
        "textmill.step": "slow",
        "textmill.key": second.key,
        "textmill.config": "my.yaml",
        "textmill.flow": "f1",
    }
    assert expected.items() <= run.data.tags.items()
    data = {d.dataset.name: d.dataset.digest for d in run.inputs.dataset_inputs}
    assert data == {"first": first.digest[:36], "raw": source.digest[:36]}
    assert store.client.get_run(first.run_id).data.metrics["score"] == seed.seed / 4
    assert read_json(second.folder / MANIFEST)["inputs"]["first"]["run_id"] == first.run_id


def test_the_parent_keeps_config_and_environment_and_finishes(
    config: Config, store: Store, probe: Probe, seed: SampleConfig, calls: Calls
) -> None:
    run_once(config, probe("write"), seed)
    parent = newest_parent(store)
    assert parent.info.status == "FINISHED"
    assert {"config.yaml", "environment.txt"} <= {
        file.path for file in store.client.list_artifacts(parent.info.run_id)
    }
    assert parent.data.params["tokenizer.vocab_size"] == str(config.tokenizer.vocab_size)
    assert parent.data.tags["textmill.pipeline"] == "test"


def test_the_artifact_address_leads_to_the_output_folder(
    config: Config, store: Store, probe: Probe, seed: SampleConfig, calls: Calls
) -> None:
    result = run_once(config, probe("write"), seed)
    assert (
        f"{store.client.get_run(result.run_id).info.artifact_uri}/output" == result.folder.as_uri()
    )


@pytest.mark.parametrize("damage", ["changed", "missing", "added", "no manifest"])
def test_a_damaged_result_is_computed_again(
    config: Config, probe: Probe, seed: SampleConfig, calls: Calls, damage: str
) -> None:
    first = run_once(config, probe("write"), seed)
    file = first.folder / "deep" / "more.bin"
    if damage == "changed":
        file.write_bytes(bytes(8) + b"\1")
    elif damage == "missing":
        file.unlink()
    elif damage == "added":
        (first.folder / "stray").touch()
    else:
        (first.folder / MANIFEST).unlink()
    again = run_once(config, probe("write"), seed)
    assert not again.is_reused
    assert again.run_id != first.run_id
    assert (again.folder / "deep" / "more.bin").read_bytes() == bytes(9)
    assert calls() == 2
    third = run_once(config, probe("write"), seed)  # and the new one is used from then on
    assert (third.run_id, third.is_reused) == (again.run_id, True)


def test_a_finished_step_leaves_no_work_folder(
    config: Config, store: Store, probe: Probe, seed: SampleConfig, calls: Calls
) -> None:
    result = run_once(config, probe("write"), seed)
    assert not (store.wip / result.key).exists()


def test_two_pipelines_that_need_the_same_step_compute_it_once(
    config: Config, store: Store, probe: Probe, seed: SampleConfig, calls: Calls
) -> None:
    results: list[Result] = []

    def work() -> None:
        results.append(run_once(config, probe("slow"), seed))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(result.is_reused for result in results) == [False, True]
    assert len({result.run_id for result in results}) == 1
    assert calls() == 1
    assert len(key_runs(store, "slow", seed.seed)) == 1


def test_a_step_of_a_task_carries_the_tasks_name(
    config: Config, store: Store, probe: Probe, seed: SampleConfig, calls: Calls
) -> None:
    task = ClassificationConfig(kind="classification", name="mood", train="a.csv", test="b.csv")
    result = run_once(config, probe("write"), seed, task=task)
    assert result.label == "write mood"
    assert store.client.get_run(result.run_id).data.tags["textmill.task"] == "mood"
    assert recorded_results(newest_parent(store)) == {"write mood": result.run_id}


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    file = tmp_path / "own.jsonl"
    # Other texts than those of test_recorded: results are reused across experiments of a store.
    texts = [
        f"The hen number {i} sat on nest {i * i} and looked at fox {i + 3}." for i in range(80)
    ]
    file.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return file


def prepare(config: Config, file: Path) -> list[Result]:
    corpus = CleanConfig.model_validate(
        {"sources": [{"name": "own", "path": str(file)}], "validation_share": 0.2}
    )
    source = Source("own", str(file), digest_file(file), "pretraining")
    with open_pipeline("prepare", config, "tests", {}) as pipeline:
        clean = pipeline.run(CLEAN, corpus, sources=(source,))
        small = TokenizerConfig(vocab_size=300)
        tokenizer = pipeline.run(TOKENIZER, small, {"corpus": clean})
        tokens = pipeline.run(
            TOKENS, TokensConfig(), {"corpus": clean, "tokenizer": tokenizer}, threads=1
        )
    return [clean, tokenizer, tokens]


def test_real_steps_chain_and_are_reused_wherever_the_source_lies(
    config: Config, documents: Path, tmp_path: Path
) -> None:
    first = prepare(config, documents)
    elsewhere = tmp_path / "moved" / "own.jsonl"
    elsewhere.parent.mkdir()
    documents.rename(elsewhere)
    second = prepare(config, elsewhere)
    assert [result.is_reused for result in first] == [False] * 3
    assert [result.is_reused for result in second] == [True] * 3
    assert [r.run_id for r in first] == [r.run_id for r in second]
    inputs = read_json(first[2].folder / MANIFEST)["inputs"]
    assert inputs["corpus"]["digest"] == first[0].digest
    assert inputs["tokenizer"]["digest"] == first[1].digest


def test_system_metrics_are_logged_when_wanted(
    config: Config,
    store: Store,
    probe: Probe,
    seed: SampleConfig,
    calls: Calls,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(system, "SAMPLING_INTERVAL_S", 0.1)
    tracking = config.tracking.model_copy(update={"system_metrics": True})
    watched = config.model_copy(update={"tracking": tracking})
    result = run_once(watched, probe("slow"), seed)
    metrics = store.client.get_run(result.run_id).data.metrics
    assert metrics["system/system_memory_usage_megabytes"] > 0
