"""Specifies that importing the package switches off what libraries tell their makers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from textmill.telemetry import SWITCHED_OFF

ROOT = Path(__file__).parents[1]
# With these, MLflow and Prefect send nothing, whatever else is set.
TESTING = ("CI", "GITHUB_ACTIONS", "PYTEST_CURRENT_TEST")


def run(code: str, **variables: str) -> str:
    kept = {k: v for k, v in os.environ.items() if k not in (*TESTING, *SWITCHED_OFF)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, env=kept | variables, check=True, capture_output=True, text=True, cwd=ROOT
    )
    return done.stdout.strip()


def test_what_is_less_strict_does_not_stay() -> None:
    code = "import textmill, os; print(os.environ['MLFLOW_DISABLE_TELEMETRY'])"
    assert run(code, MLFLOW_DISABLE_TELEMETRY="false") == "true"


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("from mlflow.telemetry import get_telemetry_client as f; print(f())", "None"),
        ("from prefect._internal.analytics.enabled import is_telemetry_enabled as f; print(f())",
         "False"),
        ("from huggingface_hub.constants import HF_HUB_DISABLE_TELEMETRY as v; print(v)", "True"),
        ("from datasets.config import HF_UPDATE_DOWNLOAD_COUNTS as v; print(v)", "False"),
    ],
    ids=["mlflow", "prefect", "hub", "datasets"],
)  # fmt: skip
def test_libraries_are_silent(call: str, expected: str) -> None:
    assert run(f"import textmill; {call}") == expected


@pytest.mark.parametrize("name", ["Dockerfile", "Dockerfile.cuda"])
def test_images_have_the_same_variables(name: str) -> None:
    text = (ROOT / "docker" / name).read_text().replace("\\\n", " ")
    words = [word for line in text.splitlines() if line.startswith("ENV ") for word in line.split()]
    assert {f"{key}={value}" for key, value in SWITCHED_OFF.items()} <= set(words)


def test_runs_of_a_worker_that_is_no_container_have_the_same_variables() -> None:
    template = json.loads((ROOT / "docker" / "process-pool.json").read_text())
    assert template["job_configuration"]["env"] == SWITCHED_OFF
