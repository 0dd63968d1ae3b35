"""The web pages of MLflow and Prefect on one store."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

from flows.console import console
from flows.server import set_up_environment
from textmill.compose import compose
from textmill.errors import RunError
from textmill.secrets import without_credentials
from textmill.tracking.store import Store

START_TIMEOUT_S = 90


def serve_pages(config_name: str, overrides: list[str]) -> None:
    """Start both servers and wait until Ctrl-C.

    Raises:
        RunError: a server does not start, such as when its port is taken.
    """
    config = compose(config_name, overrides)
    store = Store(config.tracking)
    if store.read_only is not None:
        console.print(f"{store.home} is shown, and what is changed in the pages is not kept.")
        os.environ.setdefault("PREFECT_HOME", str(store.private))
    set_up_environment(config)
    tracking = config.tracking
    servers: dict[str, tuple[str, str, list[str]]] = {}
    elsewhere: dict[str, str] = {}
    if store.uri.startswith("http"):
        elsewhere["MLflow"] = store.ui_url
    else:
        command = ["mlflow", "server", "--workers", "1"]
        command += ["--host", "127.0.0.1", "--port", str(tracking.mlflow_port)]
        if store.artifact_root is not None:  # not into the working folder
            command += ["--artifacts-destination", store.artifact_root]
        servers["MLflow"] = (store.ui_url, "/health", command)
    if "PREFECT_API_URL" in os.environ:
        address = without_credentials(os.environ["PREFECT_API_URL"])
        elsewhere["Prefect"] = address.removesuffix("/api")
    else:
        url = f"http://127.0.0.1:{tracking.prefect_port}"
        command = ["prefect", "server", "start", "--host", "127.0.0.1"]
        command += ["--port", str(tracking.prefect_port)]
        servers["Prefect"] = (url, "/api/health", command)
    # Or it would leave the servers behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    processes = {}
    try:
        for name, (url, _, command) in servers.items():
            if _answers(url):
                raise RunError(
                    f"{url} is in use already: stop what runs there, or set "
                    f"tracking.{name.lower()}_port."
                )
            processes[name] = subprocess.Popen(
                [sys.executable, "-m", *command],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                # No argument, as everybody sees those of all processes.
                env=os.environ
                | {"PREFECT_UI_API_URL": f"{url}/api", "MLFLOW_BACKEND_STORE_URI": store.uri},
            )
        for name, (url, health, _) in servers.items():
            _wait_for(name, processes[name], f"{url}{health}")
            console.print(f"{name:8} {url}")
        for name, url in elsewhere.items():
            console.print(f"{name:8} {url} (runs already)")
        if not processes:
            return
        console.print(f"Ctrl-C ends {' and '.join(processes)}.")
        while True:
            time.sleep(0.5)
            for name, process in processes.items():
                _raise_if_ended(name, process)
    except KeyboardInterrupt:
        pass  # how it is meant to end
    finally:
        for process in processes.values():
            process.terminate()
        for process in processes.values():
            process.wait()


def _wait_for(name: str, process: subprocess.Popen[bytes], url: str) -> None:
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline_s:
        _raise_if_ended(name, process)
        if _answers(url):
            return
        time.sleep(0.2)
    raise RunError(f"The {name} server does not answer at {url}.")


def _raise_if_ended(name: str, process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        raise RunError(f"The {name} server ended with status {process.returncode}.")


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
