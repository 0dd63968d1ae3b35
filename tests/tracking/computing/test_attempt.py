"""Specifies steps that fail, or are cut off: closed properly, and resumed."""

from __future__ import annotations

import errno
import threading
from pathlib import Path
from unittest.mock import patch

import pytest
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from tests.tracked import Calls, Probe, key_runs, newest_parent, run_once, running
from textmill.config import Config, SampleConfig
from textmill.errors import InputError, RunError
from textmill.steps import process
from textmill.steps.raw_sources import Source
from textmill.steps.step import Step
from textmill.tracking import artifacts
from textmill.tracking.computing import attempt
from textmill.tracking.liveness import close_dead_runs
from textmill.tracking.pipeline import open_pipeline
from textmill.tracking.store import Store, StoreError

# MLflow registers its source of local files twice, and warns of the choice that gives it.
pytestmark = pytest.mark.filterwarnings("ignore:The specified dataset source:UserWarning")


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
    assert process._running == set()
    assert running(store) == []


def test_a_stopped_step_and_its_parent_are_killed_runs(
    config: Config, store: Store, probe: Probe, seed: SampleConfig
) -> None:
    timer = threading.Timer(1.0, process.stop_all)
    timer.start()
    with pytest.raises(process.Stopped):
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


def test_a_step_killed_before_publication_is_published_and_not_computed_again(
    config: Config, store: Store, probe: Probe, seed: SampleConfig, calls: Calls
) -> None:
    interruption = patch.object(artifacts, "publish", side_effect=KeyboardInterrupt)
    with interruption, pytest.raises(KeyboardInterrupt):
        run_once(config, probe("write"), seed)
    (run,) = key_runs(store, "write", seed.seed)
    assert run.info.status == "KILLED"
    result = run_once(config, probe("write"), seed)
    assert result.run_id == run.info.run_id
    assert (result.folder / "seed.txt").read_text() == str(seed.seed)
    assert calls() == 1


@pytest.mark.parametrize(
    ("owner", "method", "error", "message"),
    [
        (
            Store,
            "log_metrics",
            MlflowException("no route to host"),
            "failed: no route to host.*is kept in",
        ),
        (
            artifacts,
            "publish",
            MlflowException("no route to host"),
            "failed: no route to host.*is kept in",
        ),
        (
            artifacts,
            "publish",
            OSError(errno.ENOSPC, "No space left on device"),
            "is full.*is kept in",
        ),
    ],
)
def test_a_store_that_fails_after_the_work_leaves_no_result_until_the_next_run(
    config: Config,
    store: Store,
    probe: Probe,
    seed: SampleConfig,
    calls: Calls,
    owner: object,
    method: str,
    error: Exception,
    message: str,
) -> None:
    with patch.object(owner, method, side_effect=error), pytest.raises(RunError, match=message):
        run_once(config, probe("write"), seed)
    (run,) = key_runs(store, "write", seed.seed)
    assert run.info.status == "FAILED"
    assert run_once(config, probe("write"), seed).run_id == run.info.run_id
    assert calls() == 1


def test_a_damaged_unpublished_output_is_computed_again(
    config: Config, store: Store, probe: Probe, seed: SampleConfig, calls: Calls
) -> None:
    away = patch.object(artifacts, "publish", side_effect=StoreError("away"))
    with away, pytest.raises(RunError, match="is kept in"):
        run_once(config, probe("write"), seed)
    (run,) = key_runs(store, "write", seed.seed)
    waiting = store.wip / run.data.tags["textmill.key"] / "out" / "seed.txt"
    waiting.write_text("other")
    result = run_once(config, probe("write"), seed)
    assert (result.folder / "seed.txt").read_text() == str(seed.seed)
    assert calls() == 2


@pytest.mark.parametrize("method", ["search_runs", "log_batch", "create_run"])
def test_a_store_that_fails_between_steps_is_reported_in_one_message(
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


def test_a_published_result_whose_run_was_not_ended_is_reused(
    config: Config, store: Store, probe: Probe, seed: SampleConfig, calls: Calls
) -> None:
    away = patch.object(MlflowClient, "set_terminated", side_effect=MlflowException("away"))
    with away, pytest.raises(RunError, match="write could not be finished: .* failed: away"):
        run_once(config, probe("write"), seed)
    (run,) = key_runs(store, "write", seed.seed)
    assert run.info.status == "RUNNING"
    close_dead_runs(store)
    result = run_once(config, probe("write"), seed)
    assert (result.run_id, calls()) == (run.info.run_id, 1)
    (run,) = key_runs(store, "write", seed.seed)
    assert run.info.status == "FINISHED"
    assert "textmill.failure" not in run.data.tags
    assert not (store.wip / result.key).exists()
    assert run_once(config, probe("write"), seed).is_reused


@pytest.mark.parametrize(("name", "n_computed"), [("write", 1), ("train", 0)])
def test_data_that_change_while_they_are_read_give_no_result(
    config: Config,
    store: Store,
    probe: Probe,
    seed: SampleConfig,
    calls: Calls,
    name: str,
    n_computed: int,
) -> None:
    source = Source("mood", "train.csv", "1", "train", digest_now=lambda: "2")
    with pytest.raises(InputError, match="train.csv changed while it was read"):
        run_once(config, probe(name), seed, sources=(source,))
    (run,) = key_runs(store, name, seed.seed)
    assert run.info.status == "FAILED"
    assert not (store.wip / run.data.tags["textmill.key"] / "out").exists()
    # A training, which takes long and may have waited for its place, does not even begin.
    assert calls() == n_computed


def test_data_that_stay_as_they_are_give_a_result(
    config: Config, probe: Probe, seed: SampleConfig, calls: Calls
) -> None:
    source = Source("mood", "train.csv", "1", "train", digest_now=lambda: "1")
    run_once(config, probe("write"), seed, sources=(source,))
    assert calls() == 1


EDITED = """
from pathlib import Path

def work(config, inputs, out):
    Path(__file__).write_text("LIMIT = 4")
    (out / "made").touch()

def train(config, inputs, out, work):
    raise ValueError
"""


@pytest.mark.parametrize("name", ["work", "train"])
def test_code_that_is_edited_while_a_step_runs_gives_no_result(
    config: Config,
    store: Store,
    seed: SampleConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    file = tmp_path / f"edited_{name}.py"
    file.write_text(EDITED)
    monkeypatch.syspath_prepend(tmp_path)
    if name == "train":  # before it has a place
        monkeypatch.setattr(attempt, "warm_up", lambda: file.write_text("LIMIT = 4"))
    step = Step(f"edited-{name}", f"edited_{name}:{name}", is_training=name == "train")
    with pytest.raises(RunError, match=f"{file} was edited after the run .* run again"):
        run_once(config, step, seed)
    (run,) = key_runs(store, step.name, seed.seed)
    assert run.info.status == "FAILED"
    assert not (store.wip / run.data.tags["textmill.key"] / "out").exists()


def test_an_unpublished_output_with_a_damaged_manifest_is_computed_again(
    config: Config, store: Store, probe: Probe, seed: SampleConfig, calls: Calls
) -> None:
    away = patch.object(artifacts, "publish", side_effect=StoreError("away"))
    with away, pytest.raises(RunError):
        run_once(config, probe("write"), seed)
    (run,) = key_runs(store, "write", seed.seed)
    manifest = store.wip / run.data.tags["textmill.key"] / "out" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"seconds": ', '"seconds": 9'))
    run_once(config, probe("write"), seed)
    assert calls() == 2
