"""Specifies that no command asks for a host but its own, in any of its processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import HOOK, Product, wait_until
from tests.e2e.servers import free_port

pytestmark = pytest.mark.slow


def test_a_run_and_what_answers_from_it_ask_for_no_foreign_host(finished: Product) -> None:
    run = (finished.folder / "mlruns" / "artifacts").iterdir()
    assert finished.run("predict", "ner", "Anna lives in Berlin.").returncode == 0
    assert finished.run("lineage", next(run).name).returncode == 0
    assert finished.foreign_hosts() == ""


def test_the_hook_notices_foreign_hosts(tmp_path: Path) -> None:
    code = (
        "import socket\n"
        "for host in ('127.0.0.1', 'localhost', '::1', 'host.invalid'):\n"
        "    try: socket.getaddrinfo(host, 80)\n"
        "    except OSError: pass\n"
    )
    environment = {"PYTHONPATH": str(HOOK), "FOREIGN_HOSTS": str(tmp_path / "foreign")}
    subprocess.run([sys.executable, "-c", code], env=os.environ | environment, check=True)
    noted = (tmp_path / "foreign").read_text().splitlines()
    assert [line.split()[1] for line in noted] == ["host.invalid"]


@pytest.mark.slow
@pytest.mark.parametrize("words", [["ui"], ["schedule", "--cron", "0 2 * * *"]])
def test_servers_ask_for_no_foreign_host(product: Product, words: list[str]) -> None:
    ports = [f"tracking.{name}_port={free_port()}" for name in ("prefect", "mlflow")]
    process = product.start(*words, *ports)

    def said() -> str:
        return "".join((product.folder / name).read_text() for name in ("stdout", "stderr"))

    try:
        wait_until(lambda: "Ctrl-C" in said() or process.poll() is not None, 120)
        assert process.poll() is None, said()
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)
    assert product.foreign_hosts() == ""
