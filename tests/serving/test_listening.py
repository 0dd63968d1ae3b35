"""Specifies how the server of models stops."""

from __future__ import annotations

import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

SCRIPT = """
import asyncio, sys, time
from types import SimpleNamespace
from textmill.config import Config
from textmill.safety.filtering.content_filter import ContentFilter
from textmill.serving import listening
from textmill.serving.request_limits import Limits
from textmill.serving.workers import Workers

workers = Workers(1)
executors = {"/batch": workers.predicting, "/load": None}

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        for name in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{name}.complete"})
        workers.close()
        return
    loop = asyncio.get_running_loop()
    running = loop.run_in_executor(executors[scope["path"]], time.sleep, 30)
    print("begun", flush=True)
    await running

config = Config.model_validate({
    "corpus": {"sources": [{"name": "own", "path": "own.jsonl"}]},
    "tracking": {"home": sys.argv[1]},
    "serve": {"port": 0, "shutdown_s": 0, "log": "none"},
})
listening.open_models = lambda config, store: SimpleNamespace(kinds={})
listening.create_app = lambda *given: Limits(app, 100, 60)
listening.serve(config, ContentFilter([]), lambda url: print(url, flush=True))
"""
"""A server whose requests keep a thread busy for longer than it may take to stop."""


@pytest.mark.parametrize("path", ["/batch", "/load"])
def test_it_stops_while_threads_are_busy_and_tells_their_clients(tmp_path: Path, path: str) -> None:
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "mlruns")]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with server, ThreadPoolExecutor(1) as pool:
        assert server.stdout is not None
        assert server.stderr is not None
        url = server.stdout.readline().strip()
        asking = pool.submit(requests.get, f"{url}{path}", timeout=60)
        assert server.stdout.readline() == "begun\n"
        server.send_signal(signal.SIGINT)
        try:
            assert server.wait(15) == 0
        finally:
            server.kill()
        answer = asking.result()
        assert (answer.status_code, "The server is stopping." in answer.text) == (503, True)
        assert "Traceback" not in server.stderr.read()
