"""Specifies tracked steps: computed once, recorded whole, closed properly, taken up again."""

from __future__ import annotations

import errno
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from textmill.config import (
    ClassificationConfig,
    Config,
    CorpusConfig,
    SampleConfig,
    TokenizerConfig,
    TokensConfig,
)
from textmill.errors import InputError, RunError
from textmill.files import MANIFEST, digest_file, digest_values, read_json
from textmill.tracking import system, worker
from textmill.tracking.pipeline import Result, Source, find_result, open_pipeline
from textmill.tracking.step import CLEAN, TOKENIZER, TOKENS, Step
from textmill.tracking.store import Store, StoreError

# MLflow registers its source of local files twice, and warns of the choice that gives it.
pytestmark = pytest.mark.filterwarnings("ignore:The specified dataset source:UserWarning")

Probe = Callable[[str], Step]
Calls = Callable[[], int]


def run_once(config: Config, step: Step, settings: SampleConfig, **further: Any) -> Result:
    with open_pipeline("test", config, "tests", {}) as pipeline:
        return pipeline.run(step, settings, **further)


def key_runs(store: Store, step: str, seed: int) -> list[Run]:
    """All step runs of a probe with this seed, whatever their status."""
    return store.search(f"tags.`textmill.step`='{step}' and params.seed='{seed}'")


def newest_parent(store: Store) -> Run:
    return store.search("tags.`textmill.kind`='pipeline'")[0]


def running(store: Store) -> list[Run]:
    return store.search("attributes.status='RUNNING'")


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
    assert newest_parent(store).data.tags["textmill.result.write"] == first.run_id


def test_what_only_serves_a_comparison_is_no_result_of_the_parent(
    config: Config, store: Store, probe: Probe, seed: SampleConfig, calls: Calls
) -> None:
    with open_pipeline("test", config, "tests", {}) as pipeline:
        result = pipeline.run(probe("write"), seed, is_part=False)
        assert pipeline.results == {}
    assert "textmill.result.write" not in newest_parent(store).data.tags
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


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("bad_input", InputError, "data.csv:3: no label"),
        ("run_error", RunError, "the hub is down"),
        ("full_disk", RunError, "is full"),
        ("killed", RunError, "signal 9"),
    ],
)
def test_a_failed_step_leaves_a_failed_run_and_no_result(
    config: Config,
    store: Store,
    probe: Probe,
    seed: SampleConfig,
    name: str,
    error: type[Exception],
    message: str,
) -> None:
    with pytest.raises(error, match=message):
        run_once(config, probe(name), seed)
    (run,) = key_runs(store, name, seed.seed)
    assert run.info.status == "FAILED"
    assert message in run.data.tags["textmill.failure"]
    assert [f.path for f in store.client.list_artifacts(run.info.run_id, "output")] == []
    assert not (store.wip / run.data.tags["textmill.key"] / "out").exists()
    parent = newest_parent(store)
    assert parent.info.status == "FAILED"
    assert message in parent.data.tags["textmill.failure"]
    assert running(store) == []


def test_the_log_of_a_failed_step_is_kept(
    config: Config, store: Store, probe: Probe, seed: SampleConfig
) -> None:
    with pytest.raises(RunError, match="KeyError: 'lost'"):
        run_once(config, probe("bug"), seed)
    (run,) = key_runs(store, "bug", seed.seed)
    file = Path(store.client.download_artifacts(run.info.run_id, "log/worker.log"))
    assert "before the bug" in file.read_text()
    assert "Traceback" in file.read_text()


def test_an_error_between_steps_fails_the_parent(config: Config, store: Store) -> None:
    with pytest.raises(ZeroDivisionError), open_pipeline("test", config, "tests", {}):
        raise ZeroDivisionError("by nought")
    parent = newest_parent(store)
    assert parent.info.status == "FAILED"
    assert parent.data.tags["textmill.failure"] == "by nought"


def interrupt(progress: object) -> None:
    raise KeyboardInterrupt


def test_an_interrupted_step_and_its_parent_are_killed_runs(
    config: Config, store: Store, probe: Probe, seed: SampleConfig
) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_once(config, probe("train_and_hang"), seed, on_progress=interrupt)
    (run,) = key_runs(store, "train_and_hang", seed.seed)
    assert run.info.status == "KILLED"
    assert newest_parent(store).info.status == "KILLED"
    assert worker._running == set()
    assert running(store) == []


def test_a_stopped_step_and_its_parent_are_killed_runs(
    config: Config, store: Store, probe: Probe, seed: SampleConfig
) -> None:
    timer = threading.Timer(1.0, worker.stop_all)
    timer.start()
    with pytest.raises(worker.Stopped):
        run_once(config, probe("hang"), seed)
    timer.join()
    (run,) = key_runs(store, "hang", seed.seed)
    assert run.info.status == "KILLED"
    assert newest_parent(store).info.status == "KILLED"
    assert running(store) == []


def test_an_interruption_while_the_run_is_described_leaves_none_running(
    config: Config, store: Store, probe: Probe, seed: SampleConfig, calls: Calls
) -> None:
    interruption = patch.object(Store, "log_datasets", side_effect=KeyboardInterrupt)
    with interruption, pytest.raises(KeyboardInterrupt):
        run_once(config, probe("write"), seed)
    (run,) = key_runs(store, "write", seed.seed)
    assert run.info.status == "KILLED"
    assert running(store) == []
    assert run_once(config, probe("write"), seed).run_id == run.info.run_id


@pytest.fixture
def died(
    config: Config, store: Store, probe: Probe, seed: SampleConfig, calls: Calls
) -> tuple[SampleConfig, str]:
    """A training step killed after three of its six points; the seed and its run's id."""
    with pytest.raises(RunError, match="signal 9"):
        run_once(config, probe("train"), seed)
    (run,) = key_runs(store, "train", seed.seed)
    return seed, run.info.run_id


def test_a_killed_training_step_goes_on_in_the_same_run(
    config: Config, store: Store, probe: Probe, died: tuple[SampleConfig, str], calls: Calls
) -> None:
    result = run_once(config, probe("train"), died[0])
    assert result.run_id == died[1]
    assert not result.is_reused
    run = store.client.get_run(result.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.tags["mlflow.parentRunId"] == newest_parent(store).info.run_id
    assert len(key_runs(store, "train", died[0].seed)) == 1
    assert calls() == 2


def test_a_resumed_step_ships_every_point_once(
    config: Config, store: Store, probe: Probe, died: tuple[SampleConfig, str]
) -> None:
    run_once(config, probe("train"), died[0])
    history = store.client.get_metric_history(died[1], "train/loss")
    assert [(p.step, p.timestamp, p.value) for p in history] == [
        (step, 1000 + step, 1 / step) for step in range(1, 7)
    ]


def test_a_step_that_succeeds_in_the_end_is_not_tagged_as_failed(
    config: Config, store: Store, probe: Probe, died: tuple[SampleConfig, str]
) -> None:
    run_once(config, probe("train"), died[0])
    assert "textmill.failure" not in store.client.get_run(died[1]).data.tags


def test_progress_tells_step_total_and_newest_values(
    config: Config, probe: Probe, died: tuple[SampleConfig, str]
) -> None:
    seen: list[Any] = []
    run_once(config, probe("train"), died[0], on_progress=seen.append)
    assert [p.step for p in seen] == [1, 2, 3, 4, 5, 6]
    assert {p.total_steps for p in seen} == {6}
    assert seen[-1].metrics == {"train/loss": 1 / 6}


def test_a_step_whose_flow_was_killed_goes_on_in_the_same_run(
    config: Config, store: Store, probe: Probe, died: tuple[SampleConfig, str]
) -> None:
    store.client.update_run(died[1], "RUNNING")  # as a killed flow leaves it
    store.tidy()
    assert store.client.get_run(died[1]).info.status == "KILLED"
    assert run_once(config, probe("train"), died[0]).run_id == died[1]
    assert store.client.get_run(died[1]).info.status == "FINISHED"


def test_a_step_whose_run_was_deleted_gets_a_new_one(
    config: Config, store: Store, probe: Probe, died: tuple[SampleConfig, str], calls: Calls
) -> None:
    store.client.delete_run(died[1])
    result = run_once(config, probe("train"), died[0])
    assert result.run_id != died[1]
    assert store.client.get_run(result.run_id).info.status == "FINISHED"


def test_a_step_killed_before_publication_is_published_and_not_computed_again(
    config: Config, store: Store, probe: Probe, seed: SampleConfig, calls: Calls
) -> None:
    interruption = patch.object(Store, "publish", side_effect=KeyboardInterrupt)
    with interruption, pytest.raises(KeyboardInterrupt):
        run_once(config, probe("write"), seed)
    (run,) = key_runs(store, "write", seed.seed)
    assert run.info.status == "KILLED"
    result = run_once(config, probe("write"), seed)
    assert result.run_id == run.info.run_id
    assert (result.folder / "seed.txt").read_text() == str(seed.seed)
    assert calls() == 1


@pytest.mark.parametrize(
    ("method", "error", "message"),
    [
        ("log_metrics", MlflowException("no route to host"), "failed: no route to host.*waits in"),
        ("publish", MlflowException("no route to host"), "failed: no route to host.*waits in"),
        ("publish", OSError(errno.ENOSPC, "No space left on device"), "is full.*waits in"),
    ],
)
def test_a_store_that_fails_after_the_work_leaves_no_result_until_the_next_run(
    config: Config,
    store: Store,
    probe: Probe,
    seed: SampleConfig,
    calls: Calls,
    method: str,
    error: Exception,
    message: str,
) -> None:
    with patch.object(Store, method, side_effect=error), pytest.raises(RunError, match=message):
        run_once(config, probe("write"), seed)
    (run,) = key_runs(store, "write", seed.seed)
    assert run.info.status == "FAILED"
    assert run_once(config, probe("write"), seed).run_id == run.info.run_id
    assert calls() == 1


def test_an_output_damaged_while_it_waited_is_computed_again(
    config: Config, store: Store, probe: Probe, seed: SampleConfig, calls: Calls
) -> None:
    away = patch.object(Store, "publish", side_effect=StoreError("away"))
    with away, pytest.raises(RunError, match="waits in"):
        run_once(config, probe("write"), seed)
    (run,) = key_runs(store, "write", seed.seed)
    waiting = store.wip / run.data.tags["textmill.key"] / "out" / "seed.txt"
    waiting.write_text("other")
    result = run_once(config, probe("write"), seed)
    assert (result.folder / "seed.txt").read_text() == str(seed.seed)
    assert calls() == 2


@pytest.mark.parametrize("method", ["search_runs", "log_batch", "create_run"])
def test_a_store_that_fails_between_steps_is_reported_in_words(
    config: Config, store: Store, probe: Probe, seed: SampleConfig, method: str
) -> None:
    error = MlflowException("the server is away")
    message = "failed: the server is away. Run again when it works"
    with (
        open_pipeline("test", config, "tests", {}) as pipeline,
        patch.object(MlflowClient, method, side_effect=error),
        pytest.raises(RunError, match=message),
    ):
        pipeline.run(probe("write"), seed)
    assert running(store) == []


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
    assert newest_parent(store).data.tags["textmill.result.write.mood"] == result.run_id


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    file = tmp_path / "own.jsonl"
    texts = [f"The cat number {i} sat on mat {i * i} and looked at dog {i + 3}." for i in range(80)]
    file.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return file


def prepare(config: Config, file: Path) -> list[Result]:
    corpus = CorpusConfig.model_validate(
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
    monkeypatch.setattr(system, "EVERY_S", 0.1)
    tracking = config.tracking.model_copy(update={"system_metrics": True})
    watched = config.model_copy(update={"tracking": tracking})
    result = run_once(watched, probe("slow"), seed)
    metrics = store.client.get_run(result.run_id).data.metrics
    assert metrics["system/system_memory_usage_megabytes"] > 0
