"""Runs textmill on the servers of docker/compose.yaml: PostgreSQL, MLflow, Prefect, a worker."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import requests
from mlflow.tracking import MlflowClient
from moto.server import ThreadedMotoServer

from tests.e2e.conftest import SMALL, Product, wait_until
from tests.e2e.servers import (
    DOCKER,
    LOGIN,
    PASSWORD,
    TOKEN,
    Postgres,
    Services,
    postgres_server,
    services,
)
from tests.e2e.test_attacks import MLFLOW, PREFECT, ask, assert_answers_its_own_alone, with_login
from textmill.config import TrackingConfig
from textmill.errors import RunError
from textmill.tracking.store import Store

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

NIGHTLY = """
from prefect import flow
from textmill_flows.invocation import Composed
from textmill_flows.pipeline import pipeline

@flow
def nightly():
    pipeline(Composed.of("demo", {overrides!r}))
"""
DEPLOY = """
from prefect.flows import EntrypointType
from nightly import nightly
nightly.to_deployment(
    name="test", work_pool_name="textmill", entrypoint_type=EntrypointType.MODULE_PATH
).apply()
"""
FEW = ["pretrain.max_steps=20", "tasks=[sample-sentiment]"]
SMALLER = [word for word in SMALL if not word.startswith("tasks.")] + FEW


@pytest.fixture(scope="module", autouse=True)
def _login() -> Iterator[None]:
    """Let MLflow's client in this process use the login of the servers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_USERNAME", LOGIN.partition(":")[0])
        patch.setenv("MLFLOW_TRACKING_PASSWORD", PASSWORD)
        yield


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with postgres_server() as started:
        yield started


@pytest.fixture(scope="module")
def stack(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    with services(tmp_path_factory.mktemp("stack"), postgres) as started:
        yield started


def on(stack: Services, folder: Path) -> Product:
    """A working folder of its own whose runs use the servers."""
    return Product(
        folder,
        stack.folder / "prefect",
        {
            "MLFLOW_TRACKING_URI": stack.mlflow_url,
            "PREFECT_API_URL": stack.prefect_url,
            "TEXTMILL_AUTH": LOGIN,
        },
    )


def runs_of(url: str, kind: str) -> list[Any]:
    client = MlflowClient(url)
    experiments = [e.experiment_id for e in client.search_experiments()]
    return list(client.search_runs(experiments, f"tags.`textmill.kind`='{kind}'"))


def test_a_pipeline_runs_through_all_of_them(stack: Services, tmp_path: Path) -> None:
    here, there = on(stack, tmp_path / "here"), on(stack, tmp_path / "there")
    done = here.run("run", *SMALLER)
    assert done.returncode == 0, done.stderr
    steps = Counter(run.info.run_name for run in runs_of(stack.mlflow_url, "step"))
    assert set(steps.values()) == {1}
    (parent,) = runs_of(stack.mlflow_url, "pipeline")
    assert (parent.info.status, "sentiment/accuracy" in parent.data.metrics) == ("FINISHED", True)
    names = {a.path for a in MlflowClient(stack.mlflow_url).list_artifacts(parent.info.run_id)}
    assert {"report.html", "config.yaml", "environment.txt", "scores.md"} <= names
    assert not (tmp_path / "here" / "mlruns" / "mlflow.db").exists()

    again = there.run("run", *SMALLER)  # another machine, for all that they know
    assert again.returncode == 0, again.stderr
    assert again.stderr.count(": reused") == len(steps), again.stderr
    answered = there.run("predict", "sentiment", "A lovely day.")
    assert '"label"' in answered.stdout, answered.stderr
    written = there.run("generate", "The", "generation.max_new_tokens=4")
    assert written.stdout.startswith("The"), written.stderr
    pages = there.run("ui")
    assert (pages.returncode, stack.mlflow_url in pages.stderr) == (0, True), pages.stderr

    stack.start("serve").wait_for(f"{stack.serve_url}/health")
    health = f"{stack.serve_url}/health"
    wait_until(lambda: requests.get(health, timeout=60).json()["models"]["sentiment"], 120)
    url, body = f"{stack.serve_url}/v1/tasks/sentiment/predict", {"inputs": ["A lovely day."]}
    assert requests.post(url, json=body, timeout=60).status_code == 401
    given = {"Authorization": f"Bearer {TOKEN}"}
    served = requests.post(url, json=body, headers=given, timeout=60).json()
    assert served["predictions"][0]["label"] == json.loads(answered.stdout)["label"]


def test_a_worker_runs_two_pipelines_at_once_and_computes_each_step_once(
    stack: Services, tmp_path: Path
) -> None:
    overrides = [*SMALLER, "experiment=worker", "sample.seed=7", f"tracking.home={tmp_path}/mlruns"]
    fixed = {"TEXTMILL_TRIGGER": "schedule", "TEXTMILL_OVERRIDES": shlex.join(overrides)}
    stack.start("worker", **fixed, PYTHONPATH=str(stack.folder))
    environment = stack.running["worker"].environment
    (stack.folder / "nightly.py").write_text(NIGHTLY.format(overrides=overrides))

    def pool_is_there() -> bool:
        inspect = ["prefect", "work-pool", "inspect", "textmill", "--output", "json"]
        found = subprocess.run(inspect, env=environment, capture_output=True, text=True)
        return '"READY"' in found.stdout  # the health check of the compose file

    wait_until(pool_is_there, 120)
    deploy = [sys.executable, "-c", DEPLOY]
    subprocess.run(deploy, env=environment, check=True, cwd=stack.folder)
    start = ["prefect", "deployment", "run", "nightly/test", "--watch"]
    both = [
        subprocess.Popen(start, env=environment, stdout=(tmp_path / f"out{i}").open("w"))
        for i in range(2)
    ]
    assert [process.wait(400) for process in both] == [0, 0], stack.running[
        "worker"
    ].log.read_text()
    retrain = ["prefect", "deployment", "run", "retrain/process", "--watch"]
    for command in (["prefect", "--no-prompt", "deploy", "--name", "process"], retrain):
        subprocess.run(command, env=environment, check=True, cwd=DOCKER.parent)
    mine = Store(TrackingConfig(uri=stack.mlflow_url, home=str(tmp_path / "mlruns")))
    experiment = mine.experiment("worker")
    runs = [run for run in mine.search("attributes.status='FINISHED'")]
    ours = [run for run in runs if run.info.experiment_id == experiment]
    kinds = Counter(run.data.tags["textmill.kind"] for run in ours)
    assert kinds["pipeline"] == 3
    keys = Counter(run.data.tags["textmill.key"] for run in ours if "textmill.key" in run.data.tags)
    assert set(keys.values()) == {1}
    assert mine.search("attributes.status='RUNNING'") == []


def test_no_run_of_a_work_pool_brings_a_command_an_environment_or_settings(
    stack: Services, tmp_path: Path
) -> None:
    port = int(stack.ports["4200"])

    def tell(method: str, path: str, body: Any = None) -> tuple[int, Any]:
        return ask(port, method, f"/api/{path}", with_login(LOGIN), body)

    found = tell("GET", "deployments/name/retrain/process")[1]  # the test before has made it
    runs = f"deployments/{found['id']}/create_flow_run"
    for variables in ({"command": "touch evil"}, {"env": {"TEXTMILL_CONFIG": "evil.yaml"}}):
        assert tell("POST", runs, {"job_variables": variables})[0] == 422
    mark, before = tmp_path / "mark", len(runs_of(stack.mlflow_url, "pipeline"))
    overrides = [f"notify=[{{event: failed, command: 'touch {mark}'}}]", "tracking.uri=''"]
    hostile = {"config": "evil.yaml", "overrides": overrides, "trigger": "schedule"}
    status, run = tell("POST", runs, {"parameters": hostile})
    assert status == 201
    state = f"flow_runs/{run['id']}"
    # Prefect takes the request; the worker's process refuses parameters that the flow has not.
    wait_until(lambda: tell("GET", state)[1]["state_type"] in ("FAILED", "CRASHED"), 240)
    assert "SignatureMismatchError" in stack.running["worker"].log.read_text()
    assert not mark.exists()
    assert len(runs_of(stack.mlflow_url, "pipeline")) == before


def test_servers_answer_by_their_names_in_the_network_of_containers_and_to_no_other(
    stack: Services,
) -> None:
    for name, number, request in (("mlflow", "5000", MLFLOW), ("prefect", "4200", PREFECT)):
        port = stack.ports[number]
        assert_answers_its_own_alone(int(port), *request, with_login(LOGIN))
        method, path, body = request
        named = {**with_login(LOGIN), "Host": f"{name}:{port}"}
        assert ask(int(port), method, path, named, body)[0] == 200
        assert ask(int(port), method, path, {"Host": f"{name}:{port}"}, body)[0] == 401


def test_artifacts_may_lie_in_s3(postgres: Postgres, tmp_path: Path) -> None:
    postgres.sql("--command", "DROP DATABASE IF EXISTS mlflow_s3")
    postgres.sql("--command", "CREATE DATABASE mlflow_s3")
    store = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    store.start()
    host, port = store.get_host_and_port()
    keys = {
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "MLFLOW_S3_ENDPOINT_URL": f"http://{host}:{port}",
    }
    (tmp_path / "stack").mkdir()
    servers = Services(
        tmp_path / "stack", postgres, {"TEXTMILL_ARTIFACTS": "s3://textmill/artifacts"}, keys
    )
    try:
        with pytest.MonkeyPatch.context() as patch:
            for key, value in keys.items():
                patch.setenv(key, value)
            s3 = boto3.client("s3", endpoint_url=keys["MLFLOW_S3_ENDPOINT_URL"])
        s3.create_bucket(Bucket="textmill")
        own = servers.compose["services"]["mlflow"]["environment"]
        own["MLFLOW_BACKEND_STORE_URI"] += "_s3"
        servers.start("mlflow").wait_for(f"{servers.mlflow_url}/health")
        folders = tmp_path / "here", tmp_path / "there"
        environment = {"MLFLOW_TRACKING_URI": servers.mlflow_url, "TEXTMILL_AUTH": LOGIN}
        here, there = (Product(f, tmp_path / "prefect", environment) for f in folders)
        for product, state in ((here, "computed"), (there, "reused")):
            done = product.run("prepare", *SMALLER)
            assert done.returncode == 0, done.stderr
            assert done.stderr.count(f": {state}") == 4, done.stderr
        found = [o["Key"] for o in s3.list_objects_v2(Bucket="textmill")["Contents"]]
        assert sum(key.endswith("/output/manifest.json") for key in found) == 4
        assert all(key.startswith("artifacts/") for key in found)
    finally:
        servers.close()
        store.stop()


def test_a_database_without_rights_is_one_message(
    postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    role = f"reader{os.getpid()}"
    postgres.sql("--command", f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'")
    postgres.sql("--command", f"CREATE DATABASE {role}_db")
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    uri = f"postgresql+psycopg://{role}@127.0.0.1:{postgres.port}/{role}_db"
    with pytest.raises(RunError, match="permission denied for schema public") as raised:
        Store(TrackingConfig(uri=uri, home=str(tmp_path)))
    assert len(str(raised.value).splitlines()) == 1
