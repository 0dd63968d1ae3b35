"""Runs textmill on a Prefect server that fails at the start, in the middle, at the end of a run."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from tests.e2e.conftest import Product
from tests.e2e.servers import Process, free_port
from tests.e2e.test_bad_input import CONFIG, NOTE
from tests.faults import Fault, FaultyProxy

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

FAILING = [Fault.HANG, Fault.DROP, Fault.FAIL]
PREPARE = ("prepare", "--config", "my.yaml")
MIDDLE, END = "POST /api/artifacts", "/set_state"
OUTAGE_S = 6.0


@pytest.fixture(scope="module")
def prefect_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder, port = tmp_path_factory.mktemp("prefect"), free_port()
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
    server = Process(
        [sys.executable, "-m", "prefect", "server", "start", "--port", str(port)],
        kept | {"PREFECT_HOME": str(folder), "PREFECT_SERVER_ANALYTICS_ENABLED": "false"},
        folder / "log",
    )
    server.start()
    server.wait_for(f"http://127.0.0.1:{port}/api/health")
    yield port
    server.stop()


@pytest.fixture
def proxy(prefect_port: int) -> Iterator[FaultyProxy]:
    proxy = FaultyProxy(prefect_port, slow_s=0.5)
    yield proxy
    proxy.close()


@pytest.fixture
def project(proxy: FaultyProxy, tmp_path: Path) -> Product:
    (tmp_path / "my.yaml").write_text(CONFIG)
    (tmp_path / "notes.jsonl").write_text("".join(NOTE % i for i in range(200)))
    for name in ("train.csv", "test.csv"):
        (tmp_path / name).write_text("text,label\n" + "a fine day,good\na grey day,bad\n" * 20)
    environment = {"PREFECT_API_URL": f"{proxy.url}/api", "PREFECT_API_REQUEST_TIMEOUT": "3"}
    return Product(tmp_path, None, environment)


def statuses(product: Product) -> dict[str, Counter[str]]:
    """How many runs of each kind ended how."""
    client = MlflowClient(f"sqlite:///{product.folder}/mlruns/mlflow.db")
    runs = client.search_runs([e.experiment_id for e in client.search_experiments()])
    found: dict[str, Counter[str]] = {"pipeline": Counter(), "step": Counter()}
    for run in runs:
        found[run.data.tags["textmill.kind"]][run.info.status] += 1
    return found


@pytest.mark.parametrize("fault", FAILING)
def test_at_the_start_a_server_that_fails_is_named_at_once(
    project: Product, proxy: FaultyProxy, fault: Fault
) -> None:
    proxy.choose = lambda request: fault
    started_s = time.monotonic()
    done = project.run(*PREPARE)
    assert time.monotonic() - started_s < 60
    assert (done.returncode, "Traceback" in done.stderr) == (1, False), done.stderr
    assert f"The Prefect server {proxy.url}/api does not answer" in done.stderr
    assert not (project.folder / "mlruns" / "mlflow.db").exists()


@pytest.mark.parametrize("fault", [Fault.SLOW, *FAILING, Fault.LOSE])
@pytest.mark.parametrize("words", [MIDDLE, END])
def test_an_outage_that_passes_costs_time_alone(
    project: Product, proxy: FaultyProxy, words: str, fault: Fault
) -> None:
    begun_s: list[float] = []

    def choose(request: str) -> Fault:
        if words in request and fault is not Fault.SLOW:
            begun_s.append(time.monotonic())
        is_away = begun_s and time.monotonic() < begun_s[0] + OUTAGE_S
        if fault is Fault.LOSE:  # one answer
            return fault if words in request and len(begun_s) == 1 else Fault.NONE
        return fault if is_away or fault is Fault.SLOW else Fault.NONE

    proxy.choose = choose
    done = project.run(*PREPARE)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    assert statuses(project) == {"pipeline": {"FINISHED": 1}, "step": {"FINISHED": 3}}
    assert done.stderr.count(": computed") == 3
    assert "Error logging" not in done.stderr


@pytest.mark.parametrize("fault", FAILING)
def test_a_lasting_outage_loses_no_work(project: Product, proxy: FaultyProxy, fault: Fault) -> None:
    project.environment = {**project.environment, "PREFECT_CLIENT_MAX_RETRIES": "1"}

    def choose(request: str) -> Fault:
        return fault if any(MIDDLE in seen for seen in proxy.seen) else Fault.NONE

    proxy.choose = choose
    done = project.run(*PREPARE)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False), done.stderr
    assert done.stderr.count("textmill: The Prefect server") == 1, done.stderr
    assert statuses(project) == {"pipeline": {"FINISHED": 1}, "step": {"FINISHED": 3}}

    proxy.choose = lambda request: Fault.NONE
    again = project.run(*PREPARE)
    assert again.returncode == 0, again.stderr
    assert again.stderr.count(": reused") == 3, again.stderr
