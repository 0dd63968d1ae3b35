"""Runs the server of models on a finished store: answers, a graceful stop, kills, bad requests."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.e2e.conftest import Product, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


HANGING = b"POST /v1/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\n{"
"""A request whose body never comes."""


class Server:
    """A server of the models of a store, in a working folder of its own."""

    def __init__(self, finished: Product, folder: Path, *words: str) -> None:
        product = Product(folder)
        home = f"tracking.home={finished.folder / 'mlruns'}"
        self.process = product.start("serve", "--port", "0", home, *words)
        out = product.folder / "stdout"
        wait_until(lambda: "Ctrl-C" in out.read_text() or self.process.poll() is not None, 60)
        assert self.process.poll() is None, (product.folder / "stderr").read_text()
        line = next(line for line in out.read_text().splitlines() if "Ctrl-C" in line)
        self.url = next(word for word in line.split() if word.startswith("http")).rstrip(".")

    def predict(self, task: str, *inputs: str) -> requests.Response:
        url = f"{self.url}/v1/tasks/{task}/predict"
        return requests.post(url, json={"inputs": inputs}, timeout=60)

    def is_ready(self) -> bool:
        """Return whether all models are loaded."""
        return bool(requests.get(f"{self.url}/health", timeout=60).json()["status"] == "ok")

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(60)


@pytest.fixture(scope="module")
def server(finished: Product, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    started = Server(finished, tmp_path_factory.mktemp("server"), "generation.seed=3")
    wait_until(started.is_ready, 60)
    yield started
    started.stop()


def test_answers_are_those_of_the_command_line(server: Server, finished: Product) -> None:
    for task in ("topic", "ner", "sentiment", "translation"):
        served = server.predict(task, "Two children are playing.").json()
        done = finished.run("predict", task, "Two children are playing.")
        expected = json.loads(done.stdout)
        [prediction] = served["predictions"]
        for name in ("label", "entities", "translation"):
            assert prediction.get(name) == expected.get(name), task
        assert served["model"]["run"] == expected["run"]


def test_a_stream_is_what_generate_prints(server: Server, finished: Product) -> None:
    printed = finished.run("generate", "The", "generation.seed=3").stdout.rstrip("\n")
    request = {"prompt": "The", "echo": True, "stream": True}
    with requests.post(
        f"{server.url}/v1/completions", json=request, timeout=60, stream=True
    ) as got:
        lines = [line.decode().removeprefix("data: ") for line in got.iter_lines() if line]
    assert lines.pop() == "[DONE]"
    assert "".join(json.loads(line)["choices"][0]["text"] for line in lines) == printed


def test_a_stop_finishes_what_has_begun(finished: Product, tmp_path: Path) -> None:
    server = Server(finished, tmp_path)
    wait_until(server.is_ready, 60)
    request = {"prompt": "The", "max_tokens": 500, "n": 8, "temperature": 1.5}
    answers: list[requests.Response] = []
    asking = threading.Thread(
        target=lambda: answers.append(
            requests.post(f"{server.url}/v1/completions", json=request, timeout=60)
        )
    )
    asking.start()
    time.sleep(0.3)
    server.process.send_signal(signal.SIGTERM)
    asking.join()
    assert server.process.wait(60) == -signal.SIGTERM
    assert answers[0].status_code == 200
    assert all(choice["finish_reason"] for choice in answers[0].json()["choices"])


def test_a_stop_ends_what_takes_too_long(finished: Product, tmp_path: Path) -> None:
    server = Server(finished, tmp_path, "serve.shutdown_s=0")
    wait_until(server.is_ready, 60)
    request = {"prompt": "The", "max_tokens": 1000, "n": 8, "temperature": 1.5}
    answers: dict[bool, requests.Response] = {}

    def ask(stream: bool) -> None:
        url = f"{server.url}/v1/completions"
        answers[stream] = requests.post(url, json=request | {"stream": stream}, timeout=60)

    asking = [threading.Thread(target=ask, args=[stream]) for stream in (False, True)]
    for one in asking:
        one.start()
    time.sleep(0.3)
    server.process.send_signal(signal.SIGINT)
    assert server.process.wait(60) == 0
    for one in asking:
        one.join()
    assert answers[False].status_code == 503
    *_, last, done = [line for line in answers[True].text.split("\n\n") if line]
    assert ("The server is stopping." in last, done) == (True, "data: [DONE]")
    assert "Traceback" not in (tmp_path / "stderr").read_text()


def test_a_killed_server_leaves_nothing_that_stops_the_next(
    finished: Product, tmp_path: Path
) -> None:
    server = Server(finished, tmp_path)
    server.process.kill()
    server.process.wait()
    again = Server(finished, tmp_path)
    wait_until(lambda: again.predict("topic", "a").status_code == 200, 60)
    again.stop()


def test_clients_that_leave_or_hang_do_not_stop_it(server: Server) -> None:
    request = {"prompt": "The", "max_tokens": 500, "stream": True, "n": 8}
    for _ in range(5):
        url = f"{server.url}/v1/completions"
        with requests.post(url, json=request, timeout=60, stream=True) as got:
            next(got.iter_lines())  # and leaves
    host, port = server.url.removeprefix("http://").split(":")
    sockets = [socket.create_connection((host, int(port))) for _ in range(20)]
    for one in sockets:
        one.sendall(HANGING)
    assert server.predict("topic", "a").status_code == 200
    for one in sockets:
        one.close()


def test_requests_made_from_its_own_schema_find_no_server_error(
    server: Server, tmp_path: Path
) -> None:
    """Of what the schema allows and forbids; it leaves out the routes that start runs."""
    command = [str(Path(sys.executable).with_name("schemathesis")), "run"]
    options = ("--checks=not_a_server_error", "--exclude-path-regex=/runs", "--seed=1")
    limits = ("--max-examples=20", "--request-timeout=60", "--max-failures=1")
    done = subprocess.run(
        [*command, f"{server.url}/openapi.json", *options, *limits],
        cwd=tmp_path,  # where it keeps examples
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout
    assert server.predict("topic", "a").status_code == 200


def test_a_server_for_others_needs_a_token(product: Product) -> None:
    done = product.run("serve", "serve.host=0.0.0.0")
    assert done.returncode == 2
    assert (
        "No token is set, and a server on 0.0.0.0 requires one: set TEXTMILL_TOKEN" in done.stderr
    )
    assert len(done.stderr.splitlines()) == 1


def test_a_port_in_use_is_one_message(server: Server, product: Product) -> None:
    done = product.run("serve", "--port", server.url.rsplit(":", 1)[1])
    assert done.returncode == 1
    assert "serve.port" in done.stderr
    assert "Traceback" not in done.stderr


def test_predictions_are_logged_in_the_store_without_texts(
    server: Server, finished: Product
) -> None:
    server.predict("topic", "a secret text")
    files = [*(finished.folder / "mlruns" / "serving").glob("*.jsonl")]
    assert files
    assert all(file.stat().st_mode & 0o077 == 0 for file in files)
    assert not any("secret" in file.read_text() for file in files)
