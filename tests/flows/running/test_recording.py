"""Specifies that what Prefect records of a flow holds no credentials, whoever calls it."""

from __future__ import annotations

import warnings

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # third parties' own
    from textmill import secrets
    from textmill.errors import InputError, RunError
    from textmill.secrets import register_secrets
    from textmill_flows.invocation import Composed
    from textmill_flows.pipeline import pipeline
    from textmill_flows.reproduce import reproduce
    from textmill_flows.running.recording import RecordedFlow, quiet, recorded_flow
    from textmill_flows.scheduling.retrain import retrain

URI = "postgresql://ann:MARKED@h/db"
OVERRIDES = [f"tracking.uri={URI}", "notify=[{event: failed, command: 'tell MARK'}]"]
PARAMETERS = {
    "composed": Composed.of("demo", OVERRIDES),
    "event": None,
    "moved": ["a=http://ann:MARKED@h"],
}
SHOWN = {
    "config": "demo",
    "overrides": [
        "tracking.uri=postgresql://***@h/db",
        "notify=[{event: failed, command: 'tell ***'}]",
    ],
    "event": None,
    "moved": ["a=http://***@h"],
}


@pytest.mark.parametrize("flow", [pipeline, retrain, reproduce], ids=lambda flow: flow.name)
def test_parameters_are_recorded_without_credentials(flow: RecordedFlow[..., object]) -> None:
    for one in (flow, flow.with_options(retries=1), flow.with_options(name="other")):
        assert one.serialize_parameters(PARAMETERS) == SHOWN
        assert one.serialize_parameters({"composed": Composed.of()})["overrides"] == []
    assert "composed" in PARAMETERS


def test_a_flow_keeps_name_and_parameters_of_its_function() -> None:
    @recorded_flow("own")
    def function(config: str, overrides: list[str] | None = None) -> str:
        """Do it."""
        return config

    assert (function.name, function.description) == ("own", "Do it.")
    assert set(function.parameters.properties) == {"config", "overrides"}
    assert function.fn("demo") == "demo"


def test_an_exception_of_others_that_quotes_credentials_becomes_one_of_ours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(secrets, "_known", {})
    register_secrets(URI)

    def fail(error: Exception) -> None:
        raise error

    with pytest.raises(RunError) as caught:
        quiet(fail)(OSError(f"no route to {URI}, MARKED"))
    assert str(caught.value) == "OSError: no route to postgresql://***@h/db, ***"
    for error in (OSError("no route"), InputError("no file")):
        with pytest.raises(type(error), match="no "):
            quiet(fail)(error)
