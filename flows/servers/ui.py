"""The web UIs of MLflow and Prefect for one store: `textmill ui`."""

from __future__ import annotations

import os
import signal
import subprocess
import time
import urllib.error
import urllib.request

from textmill.config import Config, TrackingConfig
from textmill.errors import RunError
from textmill.secrets import without_credentials
from textmill.tracking.store import Store
from textmill.web import launch as web
from textmill.web.addresses import listen, local_address, own_hosts
from textmill.web.login import required_login
from textmill_flows.running.console import console
from textmill_flows.servers.server import launch, set_up_environment

START_TIMEOUT_S = 90
REQUEST_TIMEOUT_S = 2


def serve_pages(config: Config) -> None:
    """Start both servers and wait until Ctrl-C.

    Raises:
        InputError: a login is required, and none is set.
        RunError: a server does not start, for example because its port is in use.
    """
    store = Store(config.tracking)
    if store.read_only is not None:
        console.print(f"{store.home} is read-only: changes made in the web UIs are not saved.")
        os.environ.setdefault("PREFECT_HOME", str(store.private))
    set_up_environment(config)
    servers: dict[str, tuple[subprocess.Popen[bytes], str, str]] = {}
    elsewhere: dict[str, str] = {}
    # The default handler would leave the servers running.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        if store.uri.startswith("http"):
            elsewhere["MLflow"] = store.ui_url
        else:
            servers["MLflow"] = (*_launch_mlflow(config.tracking, store), "/health")
        if "PREFECT_API_URL" in os.environ:
            address = without_credentials(os.environ["PREFECT_API_URL"])
            elsewhere["Prefect"] = address.removesuffix("/api")
        else:
            server, api = launch(config.tracking, is_full=True)
            servers["Prefect"] = (server, api.removesuffix("/api"), "/api/health")
        for name, (server, url, health) in servers.items():
            _wait_for(name, server, f"{url}{health}")
            console.print(f"{name:8} {url}")
        for name, url in elsewhere.items():
            console.print(f"{name:8} {url} (already running)")
        if runs := store.experiment_url(config.experiment):
            console.print(f"{config.experiment}: {runs}")
        if not servers:
            return
        console.print(f"Press Ctrl-C to stop {' and '.join(servers)}.")
        while True:
            time.sleep(0.5)
            for name, (server, _, _) in servers.items():
                _raise_if_ended(name, server)
    except KeyboardInterrupt:
        pass  # the normal way to stop
    finally:
        for server, _, _ in servers.values():
            web.stop(server)


def _launch_mlflow(tracking: TrackingConfig, store: Store) -> tuple[subprocess.Popen[bytes], str]:
    """Start the process of an MLflow server for a store; return it and its URL."""
    host, port = tracking.host, tracking.mlflow_port
    login = required_login(host, tracking.auth, tracking.allowed_hosts)
    environment = {"MLFLOW_BACKEND_STORE_URI": store.uri}
    if store.artifact_root is not None:  # not into the working folder
        environment["MLFLOW_ARTIFACTS_DESTINATION"] = store.artifact_root
    server = web.start(
        "textmill.tracking.database.mlflow_app",
        listen(host, port, "tracking.mlflow_port"),
        own_hosts(host, port, tracking.allowed_hosts),
        environment=environment,
        has_login=login is not None,
    )
    return server, f"http://{local_address(host, port)}"


def _wait_for(name: str, server: subprocess.Popen[bytes], url: str) -> None:
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline_s:
        _raise_if_ended(name, server)
        if _answers(url):
            return
        time.sleep(0.2)
    raise RunError(
        f"The {name} server does not answer at {url} after {START_TIMEOUT_S} s: run again, or "
        "check the store with textmill doctor."
    )


def _raise_if_ended(name: str, server: subprocess.Popen[bytes]) -> None:
    if server.poll() is not None:
        raise RunError(
            f"The {name} server exited with status {server.returncode}: run again, or check the "
            "store with textmill doctor."
        )


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=REQUEST_TIMEOUT_S):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
