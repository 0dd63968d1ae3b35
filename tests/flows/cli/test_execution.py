"""Specifies the arguments of textmill evaluate --harness."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from textmill.config import Config
from textmill_flows.answering import harness
from textmill_flows.answering.harness import HarnessRequest
from textmill_flows.cli import app, execution, shared


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What is evaluated, in a process that is not set up as a command's."""
    seen: list[Any] = []

    def evaluate_model(*arguments: Any) -> Iterator[str]:
        seen.extend(arguments)
        yield "a table\n"

    monkeypatch.setattr(harness, "evaluate_model", evaluate_model)
    monkeypatch.setattr(execution, "_run_flow", lambda *arguments: seen.extend(arguments))
    for name in ("spare_collections", "set_up_streams"):
        monkeypatch.setattr(shared, name, lambda: None)
    return seen


def run(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["evaluate", *words])
    return done.exit_code, done.output


def test_tasks_model_and_settings_of_lm_eval_are_passed_on(asked: list[Any]) -> None:
    options = ["--include", "own", "--limit", "9", "--shots", "0", "--trust-code"]
    words = ["--harness", "piqa, arc_easy", "models:/demo.backbone/1", "experiment=other"]
    assert run(*words, *options) == (0, "a table\n")
    model, request, config = asked
    assert model == "models:/demo.backbone/1"
    assert request == HarnessRequest(["piqa", "arc_easy"], Path("own"), 9, 0, True)
    assert isinstance(config, Config)
    assert config.experiment == "other"


def test_the_champion_is_evaluated_if_no_model_is_given(asked: list[Any]) -> None:
    assert run("--harness", "piqa", "experiment=other")[0] == 0
    assert asked[:2] == [None, HarnessRequest(["piqa"])]


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--harness", ","], "name tasks of lm-eval"),
        (["--limit", "3"], "add --harness TASKS"),
        (["topic", "--trust-code"], "add --harness TASKS"),
    ],
)
def test_options_that_do_not_fit_are_named(asked: list[Any], words: list[str], named: str) -> None:
    status, output = run(*words)
    assert (status, asked) == (2, [])
    assert named in output


def test_without_the_option_a_task_of_the_configuration_is_evaluated(asked: list[Any]) -> None:
    assert run("topic", "experiment=other") == (0, "")
    assert asked == ["pipeline:evaluate", "demo", ["experiment=other"], "topic"]
