"""Opening a tracking store: a server that answers and fits, or a database that is whole."""

from __future__ import annotations

import urllib.error
import urllib.request
from http.client import HTTPException
from pathlib import Path

import mlflow
from mlflow.tracking import MlflowClient

from textmill.errors import RunError
from textmill.secrets import request

PING_TIMEOUT_S = 5


def ping(uri: str) -> None:
    """Return if an MLflow server answers.

    Raises:
        RunError: nothing answers there.
    """
    try:
        with urllib.request.urlopen(request(f"{uri.rstrip('/')}/health"), timeout=PING_TIMEOUT_S):
            return
    except (OSError, ValueError, HTTPException) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        raise RunError(
            f"The tracking server {uri} does not answer ({reason}): start it, or set tracking.uri "
            "and MLFLOW_TRACKING_URI to one that does."
        ) from None


def check_version(uri: str) -> None:
    """Return if an MLflow server speaks this package's interface, or does not tell its version.

    Raises:
        RunError: its version has another major number; calls would fail in the middle of a run.
    """
    try:
        asked = request(f"{uri.rstrip('/')}/version")
        with urllib.request.urlopen(asked, timeout=PING_TIMEOUT_S) as answer:
            theirs = answer.read(99).decode().strip()
    except (OSError, ValueError, HTTPException):
        return  # what stands before a server need not pass this address on
    major = theirs.partition(".")[0]
    if major.isdigit() and major != mlflow.__version__.partition(".")[0]:
        raise RunError(
            f"The tracking server {uri} runs MLflow {theirs}, and textmill MLflow "
            f"{mlflow.__version__}: both need the same major version."
        )


def make_database(file: Path) -> None:
    """Make MLflow's database whole or not at all: it cannot open one that is half-made."""
    beside = file.with_name(f".{file.name}")

    def remove() -> None:
        for leftover in file.parent.glob(f"{beside.name}*"):  # SQLite has a journal beside it
            leftover.unlink()

    remove()
    try:
        MlflowClient(f"sqlite:///{beside}").search_experiments(max_results=1)
        beside.rename(file)
    finally:
        remove()
