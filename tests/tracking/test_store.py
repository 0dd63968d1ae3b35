"""Specifies the store: what it opens, what it refuses, and what it logs."""

from __future__ import annotations

import json
import re
import shutil
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from mlflow.entities import Metric
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from textmill.config import TrackingConfig
from textmill.errors import InputError, RunError
from textmill.tracking.artifacts import artifact
from textmill.tracking.database import opening
from textmill.tracking.store import (
    LONG_PARAMS,
    MAX_PARAM_CHARS,
    TRUNCATED_SUFFIX,
    Store,
    metric_name,
)


@pytest.fixture
def run_id(store: Store) -> Iterator[str]:
    run_id = store.start_run(store.experiment("tests"), "a run", {})
    yield run_id
    store.end_run(run_id, "FINISHED")


def closed_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def test_an_unreachable_address_is_reported_quickly(tmp_path: Path) -> None:
    uri = f"http://127.0.0.1:{closed_port()}"
    started = time.monotonic()
    with pytest.raises(RunError, match=f"{uri} does not answer .*tracking.uri"):
        Store(TrackingConfig(home=str(tmp_path), uri=uri))
    assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    "uri",
    [
        "http://ann:MARKED@127.0.0.1:{port}",
        "http://ann:MARKED@nowhere.invalid",
        "postgresql://ann:MARKED@127.0.0.1:{port}/db?password=MARKED",
        "nosuch+kind://ann:MARKED@host/db",
    ],
)
def test_an_address_that_cannot_be_opened_is_named_without_its_credentials(
    uri: str, tmp_path: Path
) -> None:
    uri = uri.format(port=closed_port())
    with pytest.raises(RunError) as caught:
        Store(TrackingConfig(home=str(tmp_path), uri=uri))
    assert "MARKED" not in str(caught.value)
    assert "://***@" in str(caught.value)


def test_links_have_no_credentials(store: Store, tmp_path: Path) -> None:
    config = TrackingConfig(home=str(tmp_path), uri="http://ann:MARKED@host:5000")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Store, "_open", lambda *_: store.client)
        assert (
            Store(config).run_url("1", "2").startswith("http://host:5000/#/experiments/1/runs/2?")
        )


def test_the_address_of_an_experiment_opens_its_training_runs(store: Store) -> None:
    assert store.experiment_url("never made") is None
    made = store.experiment("made")
    address = store.experiment_url("made")
    assert address == f"{store.ui_url}/#/experiments/{made}/runs?workflowType=machine_learning"


def test_a_failure_is_recorded_without_credentials(store: Store, run_id: str) -> None:
    store.end_run(run_id, "FAILED", "no route to http://ann:MARKED@host")
    tags = store.client.get_run(run_id).data.tags
    assert tags["textmill.failure"] == "no route to http://***@host"


def test_a_server_that_never_responds_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "PING_TIMEOUT_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as server:
        uri = f"http://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(RunError, match="does not answer"):
            Store(TrackingConfig(home=str(tmp_path), uri=uri))


def test_the_environment_names_the_store_unless_the_configuration_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{closed_port()}")
    with pytest.raises(RunError, match="does not answer"):
        Store(TrackingConfig(home=str(tmp_path)))


def test_two_stores_of_a_process_do_not_mix(
    store: Store, empty_database: Path, tmp_path: Path
) -> None:
    shutil.copy(empty_database, tmp_path)
    second = Store(TrackingConfig(home=str(tmp_path)))
    store.experiment("only here")
    assert store.client.get_experiment_by_name("only here") is not None
    assert second.client.get_experiment_by_name("only here") is None


def test_a_damaged_database_is_reported(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"no database " * 100)
    with pytest.raises(RunError, match="mlflow.db cannot be opened"):
        Store(TrackingConfig(home=str(tmp_path)))


@pytest.mark.parametrize("content", [b"", b"\xff", b"7" * 32, b"{}", b"0" * 32 + b" 12345678"])
def test_a_damaged_id_of_the_locks_is_recreated_with_a_warning(
    empty_database: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    shutil.copy(empty_database, tmp_path)
    config = TrackingConfig(home=str(tmp_path))
    known = Store(config).locks_id
    assert Store(config).locks_id == known
    assert re.fullmatch("[0-9a-f]{32}", known)
    assert not caplog.records
    file = tmp_path / "wip" / "locks" / "id"
    file.write_bytes(content)
    now = Store(config).locks_id
    is_of_an_early_version = content == b"7" * 32
    assert (now == "7" * 32) == is_of_an_early_version
    assert (f"{file} was damaged" in caplog.text) != is_of_an_early_version
    assert Store(config).locks_id == now != known


def test_a_home_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="tracking.home"):
        Store(TrackingConfig(home=str(tmp_path / "file")))


def test_a_database_that_could_not_be_made_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        (tmp_path / ".mlflow.db").write_text("half")
        raise MlflowException("(sqlite3.OperationalError) database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "search_experiments", full)
        with pytest.raises(RunError, match="is full: free space and run again"):
            Store(TrackingConfig(home=str(tmp_path)))
    assert [file.name for file in tmp_path.iterdir()] == ["wip"]


def test_a_run_is_closed_on_a_full_disk_by_giving_up_the_room_set_aside(
    store: Store, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = MlflowClient.set_terminated

    def needs_room(client: MlflowClient, *arguments: str) -> None:
        if store.reserve.exists():
            raise MlflowException("(sqlite3.OperationalError) database or disk is full")
        end(client, *arguments)

    store.reserve_space()
    assert store.reserve.stat().st_size > 0
    monkeypatch.setattr(MlflowClient, "set_terminated", needs_room)
    store.end_run(run_id, "FAILED", "the disk is full")
    run = store.client.get_run(run_id)
    assert (run.info.status, run.data.tags["textmill.failure"]) == ("FAILED", "the disk is full")


def test_an_experiment_keeps_its_id(store: Store) -> None:
    assert store.experiment("kept") == store.experiment("kept")


def test_a_deleted_experiment_is_refused(store: Store) -> None:
    store.client.delete_experiment(store.experiment("gone"))
    with pytest.raises(InputError, match="gone"):
        store.experiment("gone")


def test_a_long_param_is_truncated_and_logged_in_full(store: Store) -> None:
    text = "a long prompt " * 1000
    run_id = store.start_run(store.experiment("long"), "long", {})
    store.log_params(run_id, {"prompt": text, "short": "a"})
    run = store.client.get_run(run_id)
    assert run.data.params["short"] == "a"
    shown = run.data.params["prompt"]
    assert (len(shown), shown.endswith(TRUNCATED_SUFFIX)) == (MAX_PARAM_CHARS, True)
    assert json.loads(artifact(store, run, LONG_PARAMS).read_text()) == {"prompt": text}


def test_more_params_and_points_than_one_call_takes_are_all_logged(
    store: Store, run_id: str
) -> None:
    store.log_params(run_id, {f"p{i}": i for i in range(250)})
    store.log_points(run_id, [Metric("m", float(i), i, i) for i in range(2100)])
    assert store.client.get_run(run_id).data.params == {f"p{i}": str(i) for i in range(250)}
    steps = [point.step for point in store.client.get_metric_history(run_id, "m")]
    assert steps == list(range(2100))


def test_points_sent_twice_count_once(store: Store, run_id: str) -> None:
    points = [Metric("twice", i / 3, 10 + i, i) for i in range(3)]
    store.log_points(run_id, points[:2])
    store.log_points(run_id, points)
    history = store.client.get_metric_history(run_id, "twice")
    assert [point.value for point in history] == [0, 1 / 3, 2 / 3]


@pytest.mark.parametrize(
    ("name", "spelt"),
    [
        ("topic/class/R&D/f1", "topic/class/R:26:D/f1"),
        ("class/C++/f1", "class/C:2b::2b:/f1"),
        ("class/don't know/f1", "class/don:27:t know/f1"),
        ("class/日本/f1", "class/日本/f1"),
        ("class//f1", "class/:/f1"),
        ("class/../f1", "class/:2e:2e:/f1"),
    ],
)
def test_a_metric_is_logged_whatever_its_label(
    store: Store, run_id: str, name: str, spelt: str
) -> None:
    assert metric_name(name) == spelt
    store.log_metrics(run_id, {name: 0.5})
    assert store.client.get_run(run_id).data.metrics == {spelt: 0.5}


@pytest.mark.filterwarnings("ignore:The specified dataset source:UserWarning")
def test_runs_that_log_the_same_data_at_once_all_have_it(store: Store, tmp_path: Path) -> None:
    experiment = store.experiment("readers")
    ids = [store.start_run(experiment, f"reader {i}", {}) for i in range(8)]
    for number in range(5):
        data = [("shared", str(tmp_path), f"{number}-{time.time_ns()}", "training")]
        with ThreadPoolExecutor(len(ids)) as pool:
            list(pool.map(partial(store.log_datasets, inputs=data), ids))
    for run_id in ids:
        assert len(store.client.get_run(run_id).inputs.dataset_inputs) == 5
        store.end_run(run_id, "FINISHED")
