"""Attacks the servers that textmill starts, as a page of another site, and from this machine."""

from __future__ import annotations

import base64
import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Product, wait_until
from tests.e2e.servers import free_port

pytestmark = pytest.mark.filterwarnings("ignore")

LOGIN = "anna:a-long-password"
JSON = {"Content-Type": "application/json"}
CONFIG = """
defaults: [base, _self_]
experiment: attacked
corpus:
  sources: [{{name: notes, path: {folder}/missing.jsonl, text: text}}]
notify: [{{event: failed, command: "touch {folder}/{mark}"}}]
"""


def ask(
    port: int, method: str, path: str, headers: Mapping[str, str] | None = None, body: Any = None
) -> tuple[int, Any]:
    """Return status and answer of a request to this machine, whatever its headers say."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, body and json.dumps(body), {**JSON, **(headers or {})})
        answer = connection.getresponse()
        said = answer.read()
        if answer.status == 403:
            assert answer.getheader("access-control-allow-origin") is None
        is_json = answer.getheader("content-type", "").startswith("application/json")
        return answer.status, json.loads(said) if is_json and said else said.decode()
    finally:
        connection.close()


def with_login(login: str = LOGIN) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"}


def assert_answers_its_own_alone(
    port: int, method: str, path: str, body: Any, further: Mapping[str, str] | None = None
) -> None:
    own, kept = f"127.0.0.1:{port}", further or {}
    for headers in ({}, {"Origin": f"http://{own}"}, {"Host": f"localhost:{port}"}):
        assert ask(port, method, path, {**kept, **headers}, body)[0] == 200, headers
    for headers in (
        {"Host": f"evil.example:{port}"},
        {"Host": f"evil.example:{port}", "Origin": f"http://evil.example:{port}"},
        {"Origin": "http://evil.example"},
        {"Origin": "http://localhost:3000"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
    ):
        assert ask(port, method, path, {**kept, **headers}, body)[0] == 403, headers
    preflight = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    assert ask(port, "OPTIONS", path, {**kept, **preflight})[0] == 403


PREFECT = ("POST", "/api/deployments/filter", {"limit": 1})
MLFLOW = ("POST", "/api/2.0/mlflow/experiments/search", {"max_results": 1})


def upgrade(port: int, path: str, origin: str | None) -> int:
    """Return the status with which a server answers the wish for a web socket."""
    headers = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
        **({"Origin": origin} if origin else {}),
    }
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", path, headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()


@contextmanager
def started(product: Product, words: str, *command: str) -> Iterator[Any]:
    """Run a command until the end of the block, from when it has said some words."""
    process = product.start(*command)
    said = product.folder / "stderr"
    try:
        wait_until(lambda: words in said.read_text() or process.poll() is not None, 240)
        assert words in said.read_text(), said.read_text()
        yield process
    finally:
        process.terminate()
        process.wait(60)


def ports() -> tuple[int, int, list[str]]:
    mlflow, prefect = free_port(), free_port()
    return mlflow, prefect, [f"tracking.mlflow_port={mlflow}", f"tracking.prefect_port={prefect}"]


@pytest.mark.slow
def test_a_temporary_server_answers_its_own_alone(product: Product) -> None:
    script = (
        "import sys\nfrom textmill.config import TrackingConfig\n"
        "from textmill_flows.servers import server\n"
        "s, url = server.launch(TrackingConfig(), False); print(url, flush=True); sys.stdin.read()"
    )
    home = str(product.prefect_home)
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PREFECT_HOME": home, "PREFECT_SERVER_ANALYTICS_ENABLED": "false"},
    )
    assert process.stdout is not None
    port = int(process.stdout.readline().split(":")[2].split("/")[0])
    try:
        assert_answers_its_own_alone(port, *PREFECT)
        assert upgrade(port, "/api/events/in", None) == 101
        assert upgrade(port, "/api/events/in", f"http://127.0.0.1:{port}") == 101
        for path in ("/api/events/in", "/api/events/out", "/api/logs/out"):
            assert upgrade(port, path, "http://evil.example") == 403
    finally:
        process.kill()  # as by SIGKILL
        process.wait()
    wait_until(lambda: not listens(port), 30)  # it does not outlive its command


def listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.slow
def test_pages_that_others_reach_ask_for_the_login(tmp_path: Path) -> None:
    mlflow, prefect, overrides = ports()
    product = Product(tmp_path, None, {"TEXTMILL_AUTH": LOGIN, "HTTP_PROXY": "http://127.0.0.1:9"})
    command = ("ui", "tracking.host=0.0.0.0", "tracking.allowed_hosts=[box]", *overrides)
    with started(product, "Press Ctrl-C to stop MLflow and Prefect", *command):
        for port, request in ((mlflow, MLFLOW), (prefect, PREFECT)):
            assert_answers_its_own_alone(port, *request, with_login())
            method, path, body = request
            named = {**with_login(), "Host": f"box:{port}", "Origin": f"http://box:{port}"}
            assert ask(port, method, path, named, body)[0] == 200
            for wrong in ({}, *map(with_login, ("", "anna:", "anna:another-password"))):
                assert ask(port, method, path, wrong, body)[0] == 401
        health = ((mlflow, "/health"), (prefect, "/api/health"))
        assert [ask(port, "GET", path)[0] for port, path in health] == [200, 200]
        for path in (
            "/api/2.0/mlflow/users/create",
            "/signup",
            "/api/2.0/mlflow-artifacts/artifacts",
        ):
            assert ask(mlflow, "GET", path)[0] in (401, 404, 405)
        commands = Path("/proc").glob("*/cmdline")
        assert not [file for file in commands if b"a-long-password" in read(file)]
    for file in tmp_path.rglob("*"):
        assert not file.is_file() or b"a-long-password" not in file.read_bytes(), file


def read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""  # it has ended


@pytest.mark.slow
@pytest.mark.parametrize(
    "setting", ["tracking.host=0.0.0.0", "tracking.auth=true"], ids=["network", "wanted"]
)
def test_without_a_login_nothing_is_served(product: Product, setting: str) -> None:
    done = product.run("ui", setting, *ports()[2])
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert "No login is set" in done.stderr
    assert "set TEXTMILL_AUTH=USER:PASSWORD" in done.stderr


@pytest.mark.slow
def test_a_port_that_a_silent_program_holds_is_named_at_once(product: Product) -> None:
    mlflow, _, overrides = ports()
    with socket.create_server(("127.0.0.1", mlflow)):
        begun_s = time.monotonic()
        done = product.run("ui", *overrides)
        assert time.monotonic() - begun_s < 60  # of which most is importing MLflow
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert f"Port {mlflow} of 127.0.0.1 cannot be used" in done.stderr


class Api:
    """Prefect's interface, as a program of this machine uses it."""

    def __init__(self, port: int) -> None:
        self.port = port
        found: list[dict[str, Any]] = []

        def is_made() -> bool:
            found[:] = ask(port, "POST", "/api/deployments/filter", body={"limit": 9})[1]
            return bool(found)

        wait_until(is_made, 60)
        self.deployment = str(found[0]["id"])
        self.runs = f"/api/deployments/{self.deployment}/create_flow_run"

    def run(self, **values: Any) -> tuple[int, Any]:
        return ask(self.port, "POST", self.runs, body=values)

    def end_of(self, run: Any) -> str:
        """Return in what state a run ends."""

        def state() -> str:
            return str(ask(self.port, "GET", f"/api/flow_runs/{run['id']}")[1]["state_type"])

        wait_until(lambda: state() in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED"), 240)
        return state()


@pytest.mark.slow
def test_no_run_of_the_schedule_takes_settings_or_commands_from_the_api(tmp_path: Path) -> None:
    for mark in ("own", "evil"):
        text = CONFIG.format(folder=tmp_path, mark=mark)
        (tmp_path / f"{mark}.yaml").write_text(text, encoding="utf-8")
    own, evil = tmp_path / "own", tmp_path / "evil"
    _, port, overrides = ports()
    command = ["schedule", "--cron", "0 0 29 2 *", "--trigger", "data", "--config", "own.yaml"]
    hostile = {
        "trigger": "schedule",
        "config": str(tmp_path / "evil.yaml"),
        "overrides": [f"notify=[{{event: failed, command: 'touch {evil}'}}]", "tracking.uri=''"],
    }
    variables = {
        "command": f"touch {evil}",
        "env": {
            "TEXTMILL_CONFIG": hostile["config"],
            "PREFECT__FLOW_ENTRYPOINT": "textmill_flows.scheduling.retrain.retrain",
        },
    }
    steps = [{"prefect.deployments.steps.run_shell_script": {"script": f"touch {evil}"}}]
    with started(Product(tmp_path), "Press Ctrl-C to stop", *command, *overrides):
        assert_answers_its_own_alone(port, *PREFECT)
        api = Api(port)
        described = ask(port, "GET", f"/api/deployments/{api.deployment}")[1]
        assert (described["parameters"], described["entrypoint"]) == (
            {},
            "textmill_flows.scheduling.retrain.deployed",
        )
        for is_enforced in (True, False):
            _, run = api.run(parameters=hostile, enforce_parameter_schema=is_enforced)
            assert api.end_of(run) in ("FAILED", "CRASHED")
        assert not own.exists()  # they have not even begun
        patch = {
            "parameters": hostile,
            "entrypoint": "textmill_flows.pipeline.pipeline",
            "pull_steps": steps,
            "path": str(tmp_path),
            "job_variables": variables,
            "enforce_parameter_schema": False,
        }
        ask(port, "PATCH", f"/api/deployments/{api.deployment}", body=patch)
        _, patched = api.run(job_variables=variables)
        assert api.end_of(patched) in ("FAILED", "CRASHED")
        ask(port, "PATCH", f"/api/deployments/{api.deployment}", body={**patch, "parameters": {}})
        _, plain = api.run(job_variables=variables)
        assert api.end_of(plain) == "FAILED"  # as its data are missing: its owner is told
        assert own.exists()
        assert not evil.exists()
