"""Specifies the arguments of textmill export."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from textmill_flows.answering import export
from textmill_flows.answering.export import ExportRequest
from textmill_flows.cli import app, shared


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What is exported, in a process that is not set up as a command's."""
    seen: list[Any] = []

    def export_model(*arguments: Any) -> Iterator[str]:
        seen.extend(arguments)
        yield "topic-onnx\n"

    monkeypatch.setattr(export, "export_model", export_model)
    for name in ("spare_collections", "set_up_streams"):
        monkeypatch.setattr(shared, name, lambda: None)
    return seen


@pytest.mark.parametrize(
    ("override", "expected"),
    [("serve.tasks=null", "mood"), ("serve.tasks=[]", "the backbone"), ("serve.port=1", "mood")],
)
def test_serve_announces_what_it_serves(
    asked: list[Any], monkeypatch: pytest.MonkeyPatch, override: str, expected: str
) -> None:
    given = SimpleNamespace(serve=lambda config, filters, announce, command: announce("URL"))
    monkeypatch.setitem(sys.modules, "textmill.serving.listening", given)
    words = ["serve", "tasks=[{name: mood, kind: classification, train: a.csv, test: a.csv}]"]
    done = CliRunner().invoke(app, [*words, override])
    assert f"Serving {expected} on URL." in done.output


def run(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["export", *words])
    return done.exit_code, done.output


def test_model_form_folder_and_settings_are_passed_on(asked: list[Any]) -> None:
    options = ["--to", "onnx", "--quantization", "int8", "--out", "own"]
    assert run("topic", *options, "experiment=other") == (0, "topic-onnx\n")
    model, request, config = asked
    assert (model, request) == ("topic", ExportRequest("onnx", "int8", Path("own")))
    assert config.experiment == "other"


@pytest.mark.parametrize("words", [["topic"], ["topic", "--to", "keras"], ["--to", "hf"]])
def test_model_and_form_are_required(asked: list[Any], words: list[str]) -> None:
    status, _ = run(*words)
    assert status == 2
    assert not asked
