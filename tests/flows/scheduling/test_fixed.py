"""Specifies that the settings of a deployment's runs come from the process that serves it."""

from __future__ import annotations

import importlib
import warnings
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # third parties' own
    from prefect import Flow

    fixed: Any = importlib.import_module("textmill_flows.scheduling.fixed")
    retrain: Any = importlib.import_module("textmill_flows.scheduling.retrain")
    from textmill_flows.running.recording import recorded_flow
from textmill.errors import InputError

FLOWS = ("pipeline", "prepare", "pretrain", "finetune", "evaluate", "reproduce", "retrain")
ODD = ["tasks=[topic, 'a b']", "data_root=/a b/$HOME", "experiment=ä\"'"]


@pytest.fixture(autouse=True)
def _nothing_fixed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (fixed.CONFIG, fixed.OVERRIDES, fixed.TRIGGER):
        monkeypatch.setenv(name, "to be restored")
        monkeypatch.delenv(name)


def run_of(monkeypatch: pytest.MonkeyPatch, deployment_id: Any) -> None:
    """Set the deployment of the running flow; None if it was not started by a deployment."""
    context = SimpleNamespace(flow_run=SimpleNamespace(deployment_id=deployment_id))
    monkeypatch.setattr(fixed, "FlowRunContext", SimpleNamespace(get=lambda: context))


def test_settings_are_returned_as_they_were_set() -> None:
    assert fixed.fixed_settings() == ("data", "demo", [])
    fixed.fix_settings("drift", "/a b/my.yaml", ODD)
    assert fixed.fixed_settings() == ("drift", "/a b/my.yaml", ODD)


def test_invalid_overrides_are_an_error_that_does_not_show_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(fixed.OVERRIDES, "notify='MARKED")
    with pytest.raises(InputError, match="TEXTMILL_OVERRIDES cannot be parsed") as caught:
        fixed.fixed_settings()
    assert "MARKED" not in str(caught.value)


@pytest.mark.parametrize("name", FLOWS)
def test_a_flow_with_parameters_is_rejected_as_a_deployment(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    module = {"reproduce": "reproduce", "retrain": "scheduling.retrain"}.get(name, "pipeline")
    flow: Flow[..., Any] = getattr(importlib.import_module(f"textmill_flows.{module}"), name)
    n_needed = len(flow.parameters.required)
    run_of(monkeypatch, uuid4())
    with pytest.raises(InputError, match=f"The flow {name} takes its settings from parameters"):
        flow.fn(*[None] * n_needed)


def test_a_flow_called_by_another_uses_its_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    run_of(monkeypatch, None)
    echo = recorded_flow("echo")(lambda value: value)
    assert echo.fn("given") == "given"


def test_the_deployed_flow_has_no_parameters_and_uses_the_fixed_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run_of(monkeypatch, uuid4())
    fixed.fix_settings("schedule", "demo", ["experiment=own"])
    monkeypatch.setattr(retrain, "_retrain", lambda *settings: settings)
    assert not retrain.deployed.parameters.properties
    trigger, composed = retrain.deployed.fn()
    assert (trigger, composed.name, composed.config.experiment) == ("schedule", "demo", "own")
