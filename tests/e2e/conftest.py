from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from benchmarks.small_demo import SMALL

HOOK = Path(__file__).parent.with_name("hook")
"""Notes the foreign hosts that a process, and those it starts, ask for."""
TESTING = ("CI", "GITHUB_ACTIONS", "PYTEST_CURRENT_TEST")
"""Variables with which MLflow and Prefect send nothing, whatever else is set."""


def outside_environment() -> dict[str, str]:
    """Return the environment without what tests in this process and their runners have set."""
    ours = ("PREFECT_", "TEXTMILL_")
    others = ("MLFLOW_TRACKING_URI", *TESTING)
    return {k: v for k, v in os.environ.items() if not k.startswith(ours) and k not in others}


class Product:
    """The installed command in a working folder of its own.

    Making Prefect's database takes seconds: a home for it may be shared.
    """

    def __init__(
        self,
        folder: Path,
        prefect_home: Path | None = None,
        environment: Mapping[str, str] | None = None,
        command: Path | None = None,
    ) -> None:
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self.prefect_home = prefect_home
        self.environment = environment or {}
        self.command = command or Path(sys.executable).with_name("textmill")
        self.first_err = ""
        """What the run that made `finished` wrote on standard error."""

    def start(self, *words: str) -> subprocess.Popen[str]:
        environment = outside_environment()
        environment |= {"PYTHONPATH": str(HOOK), "FOREIGN_HOSTS": str(self.folder / "foreign")}
        if self.prefect_home is not None:
            environment["PREFECT_HOME"] = str(self.prefect_home)
        # Files, not pipes: the Prefect server of a killed flow would hold a pipe open.
        with (
            (self.folder / "stdout").open("w") as out,
            (self.folder / "stderr").open("w") as err,
        ):
            return subprocess.Popen(
                [str(self.command), *words],
                cwd=self.folder,
                env=environment | self.environment,
                text=True,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )

    def run(self, *words: str, timeout_s: float = 300) -> subprocess.CompletedProcess[str]:
        process = self.start(*words)
        status = process.wait(timeout_s)
        out, err = ((self.folder / name).read_text() for name in ("stdout", "stderr"))
        return subprocess.CompletedProcess(process.args, status, out, err)

    def foreign_hosts(self) -> str:
        """What all processes of all commands so far have asked for outside this machine."""
        file = self.folder / "foreign"
        return file.read_text() if file.exists() else ""

    def stop_in_training(self, number: signal.Signals, *words: str, step: int) -> int:
        """Start a run, send the signal once training has passed a step; return the exit status."""
        process = self.start(*words)
        wait_until(lambda: self.newest_step() >= step or process.poll() is not None, 120)
        assert process.poll() is None, (self.folder / "stderr").read_text()
        process.send_signal(number)
        return process.wait(60)

    def in_work(self, pattern: str) -> list[Path]:
        """Files in the work folders of steps that have not finished."""
        steps = self.folder.glob("mlruns/wip/*")
        return [file for step in steps for file in (step / "work").glob(pattern)]

    def newest_step(self) -> int:
        lines = [
            line
            for file in self.in_work("metrics.jsonl")
            for line in file.read_text().splitlines()
            if '"step"' in line
        ]
        return max((int(line.split('"step": ')[1].split(",")[0]) for line in lines), default=0)


def wait_until(holds: Callable[[], bool], timeout_s: float) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline_s, "waited too long"
        time.sleep(0.05)


@pytest.fixture
def product(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Product:
    home = tmp_path_factory.getbasetemp() / "prefect"
    home.mkdir(exist_ok=True)
    return Product(tmp_path, home)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Product:
    """A working folder in which the shrunken demo has run once.

    Of the fast tests, those in `test_run.py` alone use it, so that a single worker makes it.
    """
    product = Product(tmp_path_factory.mktemp("finished"))
    done = product.run("run", *SMALL)
    assert done.returncode == 0, done.stderr
    product.first_err = done.stderr
    return product
