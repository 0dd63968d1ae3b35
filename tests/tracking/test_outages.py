"""Specifies what becomes of work when the tracking server fails: nothing is lost, or there twice.

A real MLflow server stands behind a proxy that delays, hangs, drops or fails requests.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from tests.faults import Fault, FaultyProxy
from textmill.config import Config, SampleConfig
from textmill.errors import RunError
from textmill.files import MANIFEST
from textmill.steps.raw_sources import Source
from textmill.steps.step import Step
from textmill.tracking.artifacts import output_folder
from textmill.tracking.database import opening, patience
from textmill.tracking.liveness import close_dead_runs
from textmill.tracking.metrics import follow
from textmill.tracking.pipeline import open_pipeline
from textmill.tracking.results import Result
from textmill.tracking.served.logged import log_task_model
from textmill.tracking.store import Store, StoreError

# MLflow and pandas warn.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

Probe = Callable[[str], Step]
Calls = Callable[[], int]

FAILING = [Fault.HANG, Fault.DROP, Fault.FAIL]
ALL = [Fault.SLOW, *FAILING, Fault.LOSE]
POINTS = "mlflow/runs/log-batch"
UPLOAD = "PUT /api/2.0/mlflow-artifacts"
END = "runs/update"


@pytest.fixture(scope="module")
def server_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder = tmp_path_factory.mktemp("server")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = int(listener.getsockname()[1])
    with (folder / "log").open("wb") as log:
        command = ["mlflow", "server", "--port", str(port), "--workers", "1"]
        command += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db"]
        command += ["--artifacts-destination", str(folder / "artifacts")]
        process = subprocess.Popen([sys.executable, "-m", *command], stdout=log, stderr=log)
    try:
        deadline_s = time.monotonic() + 300
        while not answers(f"http://127.0.0.1:{port}"):
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline_s
            time.sleep(0.2)
        # The first call takes seconds.
        MlflowClient(f"http://127.0.0.1:{port}").search_experiments(max_results=1)
        yield port
    finally:
        process.terminate()
        process.wait()


def answers(uri: str) -> bool:
    try:
        opening.ping(uri)
    except RunError:
        return False
    return True


@pytest.fixture
def proxy(server_port: int) -> Iterator[FaultyProxy]:
    proxy = FaultyProxy(server_port, slow_s=0.4)
    yield proxy
    proxy.close()


@pytest.fixture
def remote(config: Config, proxy: FaultyProxy, tmp_path: Path) -> Config:
    tracking = {"home": str(tmp_path / "mlruns"), "uri": proxy.url, "system_metrics": False}
    return Config.model_validate({**config.model_dump(), "tracking": tracking})


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "3")
    monkeypatch.setattr(opening, "PING_TIMEOUT_S", 1)
    monkeypatch.setattr(patience, "MAX_WAIT_S", 0.05)
    monkeypatch.setattr(follow, "LOG_INTERVAL_S", 0.2)
    monkeypatch.setattr(follow, "MAX_FINAL_ATTEMPTS", 2)


class Outage:
    """Chooses a fault for the first so many requests whose line holds some words."""

    def __init__(self, fault: Fault, words: str, most: int) -> None:
        self.fault, self.words, self.most = fault, words, most

    def __call__(self, request: str) -> Fault:
        if self.words not in request or self.most <= 0:
            return Fault.NONE
        if self.fault is not Fault.HANG:  # which asks again and again
            self.most -= 1
        return self.fault


def run_once(config: Config, step: Step, settings: SampleConfig) -> Result:
    source = Source("notes", "notes.csv", "0" * 32, "training")
    with open_pipeline("test", config, "tests", {}) as pipeline:
        return pipeline.run(step, settings, sources=(source,))


def runs_of(store: Store, step: Step, seed: int) -> list[Run]:
    return store.search(f"tags.`textmill.step`='{step.name}' and params.seed='{seed}'")


def assert_everything_once(config: Config, step: Step, seed: int) -> Run:
    """Every run of the step is finished, there is one, and it holds everything once."""
    store = Store(config.tracking)
    (run,) = runs_of(store, step, seed)
    assert run.info.status == "FINISHED"
    history = store.client.get_metric_history(run.info.run_id, "train/loss")
    assert [(p.step, p.value) for p in history] == [(s, 1 / s) for s in range(1, 31)]
    for name in ("score", "seconds"):
        assert len(store.client.get_metric_history(run.info.run_id, name)) == 1
    assert Counter(i.dataset.name for i in run.inputs.dataset_inputs) == {"notes": 1}
    assert {"weights", "metrics.json", MANIFEST} == {
        file.name for file in output_folder(store, run.info.run_id).iterdir()
    }
    assert store.search("attributes.status='RUNNING'") == []
    return run


@pytest.mark.parametrize("fault", [Fault.HANG, Fault.DROP, Fault.FAIL])
def test_at_the_start_a_server_that_fails_is_reported_at_once(
    remote: Config, proxy: FaultyProxy, fault: Fault
) -> None:
    proxy.choose = lambda request: fault
    started_s = time.monotonic()
    with pytest.raises(RunError, match=f"{proxy.url} does not answer"):
        Store(remote.tracking)
    assert time.monotonic() - started_s < 8


def test_at_the_start_a_server_whose_database_fails_is_reported_at_once(
    remote: Config, proxy: FaultyProxy
) -> None:
    proxy.choose = Outage(Fault.FAIL, "/experiments/search", 99)
    started_s = time.monotonic()
    with pytest.raises(RunError, match=f"{proxy.url} cannot be opened"):
        Store(remote.tracking)
    assert time.monotonic() - started_s < 8


@pytest.mark.parametrize("fault", ALL)
@pytest.mark.parametrize("words", [POINTS, UPLOAD, END, "log-inputs"])
def test_an_outage_that_passes_delays_and_loses_nothing(
    remote: Config,
    proxy: FaultyProxy,
    probe: Probe,
    seed: SampleConfig,
    calls: Calls,
    words: str,
    fault: Fault,
) -> None:
    step = probe("train_in_view")
    outage = Outage(fault, words, 3)
    proxy.choose = outage
    if fault is Fault.HANG:
        threading.Timer(2.5, lambda: setattr(outage, "most", 0)).start()
    assert run_once(remote, step, seed).metrics() == {"score": 0.5}
    assert calls() == 1
    assert any(words in request for request in proxy.seen)
    assert_everything_once(remote, step, seed.seed)


@pytest.mark.parametrize("fault", FAILING)
@pytest.mark.parametrize("words", [POINTS, UPLOAD, END])
def test_after_a_lasting_outage_the_next_run_publishes_what_was_computed(
    remote: Config,
    proxy: FaultyProxy,
    probe: Probe,
    seed: SampleConfig,
    calls: Calls,
    monkeypatch: pytest.MonkeyPatch,
    words: str,
    fault: Fault,
) -> None:
    monkeypatch.setattr(patience, "RETRY_TIMEOUT_S", 0.5)
    step = probe("train_in_view")

    def fail_at_the_end(request: str) -> Fault:
        done = list(Path(remote.tracking.home, "wip").glob(f"*/out/{MANIFEST}"))
        return fault if done and words in request else Fault.NONE

    proxy.choose = fail_at_the_end
    with pytest.raises(RunError, match=r"could not be finished: .*Its result is kept in"):
        run_once(remote, step, seed)
    proxy.choose = lambda request: Fault.NONE
    close_dead_runs(Store(remote.tracking))  # as every start does
    run_once(remote, step, seed)
    assert calls() == 1
    assert_everything_once(remote, step, seed.seed)


def test_a_server_killed_in_mid_training_is_waited_for(
    remote: Config, proxy: FaultyProxy, probe: Probe, seed: SampleConfig, calls: Calls
) -> None:
    step = probe("train_in_view")
    begun_s = 0.0

    def away_for_a_while(request: str) -> Fault:
        nonlocal begun_s
        if POINTS in request and begun_s == 0.0:
            begun_s = time.monotonic()
        is_away = begun_s and time.monotonic() < begun_s + 3
        return Fault.DROP if is_away else Fault.NONE

    proxy.choose = away_for_a_while
    run_once(remote, step, seed)
    assert calls() == 1
    assert_everything_once(remote, step, seed.seed)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault.DROP, UPLOAD),
        *(
            (fault, words)
            for fault in (Fault.FAIL, Fault.LOSE)
            for words in (UPLOAD, "logged-models", "mlflow/runs/outputs")
        ),
    ],
)
def test_a_model_whose_upload_breaks_off_is_there_once(
    remote: Config,
    proxy: FaultyProxy,
    model_folder: Callable[[str], Path],
    task_of: Callable[[str, str], Any],
    fault: Fault,
    words: str,
) -> None:
    store = Store(remote.tracking)
    experiment = store.experiment("models")
    run_id = store.start_run(experiment, "finetune mood", {})
    task, folder = task_of("classification", "mood"), model_folder("classification")
    proxy.choose = Outage(fault, words, 2)
    log_task_model(store, run_id, task, folder)
    log_task_model(store, run_id, task, folder)
    store.end_run(run_id, "FINISHED")
    (model,) = store.client.search_logged_models([experiment], f"source_run_id='{run_id}'")
    assert model.status == "READY"
    outputs = store.client.get_run(run_id).outputs.model_outputs
    assert [output.model_id for output in outputs] == [model.model_id]


def test_a_call_whose_response_was_lost_has_effect_once(remote: Config, proxy: FaultyProxy) -> None:
    store = Store(remote.tracking)
    client: Any = store.client

    def losing(words: str, act: Callable[[], Any]) -> Any:
        outage = Outage(Fault.LOSE, words, 1)
        proxy.choose = outage
        done = act()
        assert outage.most == 0
        proxy.choose = lambda request: Fault.NONE
        return done

    experiment = losing("experiments/create", lambda: store.experiment("lost"))
    assert store.experiment("lost") == experiment
    run_id = losing("runs/create", lambda: store.start_run(experiment, "lost", {}))
    assert [run.info.run_id for run in client.search_runs([experiment])] == [run_id]
    other = store.start_run(experiment, "another", {})
    assert other != run_id
    model = losing(
        "POST /api/2.0/mlflow/logged-models",
        lambda: client.create_logged_model(experiment, "mood", source_run_id=run_id),
    )
    assert [m.model_id for m in client.search_logged_models([experiment])] == [model.model_id]
    made = losing(
        "registered-models/create", lambda: client.create_registered_model("lost", {"a": "b"})
    )
    assert (made.name, made.tags) == ("lost", {"a": "b"})
    source = f"models:/{model.model_id}"
    for number, of in (("1", run_id), ("2", other)):  # the second is another one, of another run
        make = partial(client.create_model_version, "lost", source, of, model_id=model.model_id)
        version = losing("model-versions/create", make)
        assert str(version.version) == number
    assert len(client.search_model_versions("name='lost'")) == 2
    store.set_tags(run_id, {"passing": "yes"})
    losing("runs/delete-tag", lambda: client.delete_tag(run_id, "passing"))
    assert "passing" not in client.get_run(run_id).data.tags


def test_what_was_there_before_is_no_success(remote: Config, proxy: FaultyProxy) -> None:
    client = Store(remote.tracking).client
    client.create_registered_model("before")
    with pytest.raises(StoreError, match="already exists"):
        client.create_registered_model("before")
    with pytest.raises(StoreError, match="No run with id|not found"):
        client.delete_tag("0" * 32, "colour")
