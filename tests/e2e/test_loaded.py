"""Specifies which large packages a command loads before it answers: seconds of processor time."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import SMALL, Product, outside_environment

pytestmark = pytest.mark.slow

LARGE = {
    "datasets",
    "evaluate",
    "lightning",
    "matplotlib",
    "pandas",
    "prefect",
    "pyarrow",
    "scipy",
    "sklearn",
    "torch",
    "torch._dynamo",
    "transformers",
}
CODE = """
import atexit, json, sys
large = json.loads(sys.argv.pop(1))
atexit.register(lambda: print(json.dumps([n for n in large if n in sys.modules]), file=sys.stderr))
from textmill_flows.cli import app
app()
"""


@pytest.fixture(scope="module")
def run_id(finished: Product) -> str:
    artifacts = finished.folder / "mlruns" / "artifacts"
    return next(file.parent.parent.name for file in artifacts.glob("*/artifacts/report.html"))


@pytest.mark.parametrize(
    ("words", "allowed"),
    [
        (["lineage", "RUN"], []),
        (["status", *SMALL], []),
        (["doctor", *SMALL], []),
        (["prune"], []),
        (["promote", "ner"], []),
        (["compare", "RUN", "RUN"], []),
        (["predict", "topic", "The team won."], ["torch"]),
        (["generate", "The train"], ["torch"]),
    ],
    ids=lambda value: value[0] if value and value[0].islower() else "",
)
def test_a_command_loads_no_more_than_it_needs(
    finished: Product, run_id: str, words: list[str], allowed: list[str]
) -> None:
    words = [run_id if word == "RUN" else word for word in words]
    done = subprocess.run(
        [sys.executable, "-c", CODE, json.dumps(sorted(LARGE)), *words],
        cwd=finished.folder,
        env=outside_environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode in (0, 2), done.stderr  # 2: compare, of a run with itself
    assert json.loads(done.stderr.splitlines()[-1]) == allowed
    assert Path(finished.folder, "mlruns").exists()
