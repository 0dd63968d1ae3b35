"""Specifies how a page of a run is kept, and what is said when it cannot be."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from mlflow.exceptions import MlflowException

from textmill.config import Config
from textmill.errors import RunError
from textmill.reports.logging import log_page
from textmill.tracking.pipeline import open_pipeline
from textmill.tracking.store import StoreError


def test_a_page_is_an_artifact_of_the_parent_run_and_found_on_this_machine(config: Config) -> None:
    with open_pipeline("test", config, "tests", {}) as pipeline:
        place = log_page(pipeline, "page.html", lambda: "<p>größer")
        assert Path(place).read_bytes() == "<p>größer".encode()
        artifacts = pipeline.store.client.list_artifacts(pipeline.run_id)
        assert "page.html" in [artifact.path for artifact in artifacts]


def test_a_page_that_cannot_be_written_is_named_with_the_reason(config: Config) -> None:
    def fail() -> str:
        raise PermissionError(13, "Permission denied")

    reason = re.escape("The page page.html could not be written: [Errno 13] Permission denied")
    with (
        pytest.raises(RunError, match=reason),
        open_pipeline("test", config, "tests", {}) as pipeline,
    ):
        log_page(pipeline, "page.html", fail)


def test_a_page_that_cannot_be_created_is_replaced_by_a_notice(
    config: Config, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> str:
        raise KeyError("lost")

    with open_pipeline("test", config, "tests", {}) as pipeline:
        place = log_page(pipeline, "page.html", fail)
    assert "could not be created" in Path(place).read_text()
    assert "page page.html could not be created (KeyError: 'lost')" in caplog.text


def test_a_store_that_fails_under_a_page_is_a_failure_all_the_same(config: Config) -> None:
    def fail() -> str:
        raise MlflowException("down")

    with (
        pytest.raises(StoreError, match="down"),
        open_pipeline("test", config, "tests", {}) as pipeline,
    ):
        log_page(pipeline, "page.html", fail)
