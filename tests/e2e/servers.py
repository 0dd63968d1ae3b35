"""The services of docker/compose.yaml as plain processes on the loopback."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

DOCKER = Path(__file__).parents[2] / "docker"
PASSWORD = "only-for-tests"
TOKEN = "a-token-of-the-tests"
LOGIN = f"anna:{PASSWORD}"
START_TIMEOUT_S = 300
STOP_TIMEOUT_S = 30
POSTGRES_PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def compose_file(variables: Mapping[str, str], name: str = "compose.yaml") -> dict[str, Any]:
    """Return a compose file as Docker reads it: with its variables filled in.

    Raises:
        KeyError: a variable that has to be set is not.
    """

    def value(match: re.Match[str]) -> str:
        variable, sign, otherwise = match.groups()
        return variables[variable] if sign == ":?" else variables.get(variable, otherwise)

    text = (DOCKER / name).read_text(encoding="utf-8")
    return dict(yaml.safe_load(re.sub(r"\$\{(\w+)(:[-?])([^}]*)\}", value, text)))


class Process:
    """A server that can be stopped and started again, with its output in a file."""

    def __init__(
        self, command: list[str], environment: Mapping[str, str], log: Path, user: str | None = None
    ) -> None:
        self.command, self.environment, self.log, self.user = command, environment, log, user
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                self.command,
                env=self.environment,
                cwd=self.log.parent,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                user=self.user,
                group=self.user,
                process_group=0,
            )

    def stop(self) -> None:
        """End the server and all its processes."""
        if self.process is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def wait_for(self, url: str) -> None:
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while not answers(url):
            assert self.process is not None
            assert self.process.poll() is None, self.log.read_text()[-3000:]
            assert time.monotonic() < deadline_s, f"{url}: {self.log.read_text()[-3000:]}"
            time.sleep(0.2)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except OSError:
        return False


class Postgres:
    """Debian's PostgreSQL with the databases of the compose file."""

    def __init__(self) -> None:
        if not POSTGRES_PROGRAMS:
            pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
        self.programs = POSTGRES_PROGRAMS[-1]
        self.port = free_port()
        # Its own, as it has to belong to the user of the server, who cannot be root.
        self.folder = Path(tempfile.mkdtemp(prefix="textmill-postgres-"))
        user = "postgres" if os.geteuid() == 0 else None
        if user is not None:
            shutil.chown(self.folder, user, user)
        password = self.folder / "password"
        password.write_text(PASSWORD)
        password.chmod(0o644)
        data = self.folder / "data"
        subprocess.run(
            [
                *(str(self.programs / "initdb"), "--pgdata", str(data), "--no-sync"),
                *("--username", "textmill", "--pwfile", str(password), "--auth", "scram-sha-256"),
            ],
            check=True,
            capture_output=True,
            user=user,
            group=user,
            cwd=self.folder,
        )
        settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "off",
        }
        self.server = Process(
            [
                *(str(self.programs / "postgres"), "-D", str(data), "-p", str(self.port)),
                *(word for key, value in settings.items() for word in ("-c", f"{key}={value}")),
            ],
            os.environ,
            self.folder / "log",
            user,
        )
        (self.folder / "log").touch(0o666)

    def start(self) -> None:
        self.server.start()
        ready = [str(self.programs / "pg_isready"), "--host=127.0.0.1", f"--port={self.port}"]
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while subprocess.run(ready, capture_output=True).returncode:
            assert time.monotonic() < deadline_s, self.server.log.read_text()[-3000:]
            time.sleep(0.1)

    def sql(self, *words: str) -> None:
        """Run psql with these arguments as the owner of the databases."""
        subprocess.run(
            [
                *("psql", "--host=127.0.0.1", f"--port={self.port}", "--username=textmill"),
                *("--dbname=postgres", "--set=ON_ERROR_STOP=1", "--quiet", *words),
            ],
            env=os.environ | {"PGPASSWORD": PASSWORD},
            check=True,
            capture_output=True,
        )

    def close(self) -> None:
        self.server.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class Services:
    """The services of the compose file, each a process; their addresses are those of this machine.

    Args:
        folder: for logs, artifacts and Prefect's files.
        postgres: a running database.
        variables: those of the compose file, such as TEXTMILL_ARTIFACTS.
        environment: what the shell would hold.
    """

    def __init__(
        self,
        folder: Path,
        postgres: Postgres,
        variables: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.folder, self.postgres = folder, postgres
        self.ports = {
            "5432": postgres.port,
            "5000": free_port(),
            "4200": free_port(),
            "8000": free_port(),
        }
        self.mlflow_url = f"http://127.0.0.1:{self.ports['5000']}"
        self.prefect_url = f"http://127.0.0.1:{self.ports['4200']}/api"
        self.serve_url = f"http://127.0.0.1:{self.ports['8000']}"
        given = {
            "POSTGRES_PASSWORD": PASSWORD,
            "TEXTMILL_AUTH": LOGIN,
            "TEXTMILL_TOKEN": TOKEN,
            **(variables or {}),
        }
        self.compose = compose_file(given)
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "MLFLOW_"))}
        self.environment = {
            **kept,
            **(environment or {}),
            "PREFECT_HOME": str(folder / "prefect"),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }
        (folder / "artifacts").mkdir()
        self.running: dict[str, Process] = {}

    def start(self, name: str, **further: str) -> Process:
        """Start a service, with further environment variables."""
        service = self.compose["services"][name]
        own = {
            key: self._here(value)
            for key, value in service["environment"].items()
            if value is not None
        }
        command = [self._here(word) for word in (*service["entrypoint"], *service["command"])]
        process = Process(command, self.environment | own | further, self.folder / f"{name}.log")
        self.running[name] = process
        process.start()
        return process

    def _here(self, word: str) -> str:
        """Return a word with this machine in place of the containers, and the ports used here."""
        word = re.sub(r"(?<=//)(mlflow|prefect)(?=:)|(?<=@)postgres(?=:)", "127.0.0.1", word)
        word = re.sub(r"\b(5432|5000|4200|8000)\b", lambda m: str(self.ports[m.group()]), word)
        word = word.replace("/opt/textmill/", f"{DOCKER.parent}/")
        word = word.replace("/home/textmill/serving", f"{self.folder}/serving")
        return re.sub(r"^/artifacts$", f"{self.folder}/artifacts", word)

    def close(self) -> None:
        for process in reversed(self.running.values()):
            process.stop()


@contextmanager
def postgres_server() -> Iterator[Postgres]:
    """Start PostgreSQL and make the databases of the compose file."""
    postgres = Postgres()
    try:
        postgres.start()
        postgres.sql("--file", str(DOCKER / "databases.sql"))
        yield postgres
    finally:
        postgres.close()


@contextmanager
def services(folder: Path, postgres: Postgres, **further: Any) -> Iterator[Services]:
    """Start MLflow and Prefect as the compose file does."""
    started = Services(folder, postgres, **further)
    try:
        mlflow, prefect = started.start("mlflow"), started.start("prefect")
        mlflow.wait_for(f"{started.mlflow_url}/health")
        prefect.wait_for(f"{started.prefect_url}/health")
        yield started
    finally:
        started.close()
