"""Specifies which settings may hold credentials, and how they are shown and recorded."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from textmill.config import Config, NotifyConfig, TrackingConfig, key_values
from textmill.config.masked import Command, Hidden, has_secrets, mark_secrets, secrets_in

URI = "postgresql://ann:MARK@h/db"
COMMAND = "tell --token MARK"


def make(**values: Any) -> Config:
    sources = [{"name": "own", "path": "own.jsonl"}]
    return Config.model_validate({"corpus": {"sources": sources}, **values})


@pytest.fixture
def config() -> Config:
    return make(
        tracking={"uri": URI},
        cluster={"address": "ann:MARK@head:6379"},
        notify=[
            {"event": "failed", "command": COMMAND},
            {"event": "failed", "block": "slack-webhook/MARK"},
        ],
    )


def test_code_gets_the_value_and_records_do_not(config: Config) -> None:
    assert config.tracking.uri is not None
    assert config.tracking.uri.get_secret_value() == URI
    for shown in (str(config.model_dump(mode="json")), config.model_dump_json(), repr(config)):
        assert "MARK" not in shown
        assert "postgresql://***@h/db" in shown


def test_a_copy_through_plain_values_keeps_the_value_and_the_spelling() -> None:
    command = Command("tell abc", "tell ${oc.env:TOKEN}")
    entry = NotifyConfig(event="failed", command=command)
    for copy in (NotifyConfig.model_validate(entry.model_dump()), entry.model_copy()):
        assert copy.command is not None
        assert copy.command.get_secret_value() == "tell abc"
        assert str(copy.command) == "tell ${oc.env:TOKEN}"


def test_no_key_of_a_step_depends_on_a_secret(config: Config) -> None:
    plain = config.model_copy(update={"tracking": TrackingConfig(), "notify": ()})
    assert "MARK" not in repr(key_values(config))
    assert key_values(config)["tracking"] == key_values(plain)["tracking"]
    assert not list(secrets_in(key_values(config)))


def test_every_field_that_may_hold_a_secret_is_one() -> None:
    found = {
        f"{name}.{inner}"
        for name, field in Config.model_fields.items()
        for model in _models(field.annotation)
        for inner, part in model.model_fields.items()
        if "Address" in str(part) or "Command" in str(part) or "BlockName" in str(part)
    }
    assert found == {"tracking.uri", "cluster.address", "notify.command", "notify.block"}
    assert has_secrets(Config)


def _models(annotation: Any) -> list[type[BaseModel]]:
    from textmill.config.masked import models_in

    return models_in(annotation)


def test_marked_values_have_the_spelling_of_the_configuration() -> None:
    values = {"tracking": {"uri": URI}, "notify": [{"event": "failed", "command": "tell MARK"}]}
    written = {
        "tracking": {"uri": "${oc.env:URI}"},
        "notify": [{"event": "failed", "command": "tell ${oc.env:TOKEN}"}],
    }
    marked = mark_secrets(Config, values, written)
    assert list(map(str, secrets_in(marked))) == ["${oc.env:URI}", "tell ${oc.env:TOKEN}"]


@pytest.mark.parametrize(
    "values",
    [
        {"notify": "tell MARK"},
        {"notify": ["tell MARK"]},
        {"notify": [{"event": "failed", "comand": "tell MARK"}]},
        {"tracking": "postgresql://ann:MARK@h"},
        {"tracking": {"url": "postgresql://ann:MARK@h"}},
    ],
)
def test_what_does_not_fit_where_secrets_stand_is_hidden_too(values: dict[str, Any]) -> None:
    marked = mark_secrets(Config, values)
    assert [type(secret) for secret in secrets_in(marked)] == [Hidden] * len(
        list(secrets_in(marked))
    )
    assert "MARK" not in repr({k: v for k, v in marked.items()})


def test_a_message_about_a_command_has_nothing_that_is_not_shown_of_it() -> None:
    said = "curl: (6) no host MARKED in 'X-Key: MARKED', asked by curl -s"
    assert Command("curl -s -H 'X-Key: MARKED'").redact_in(said) == (
        "curl: (6) no host *** in '***', asked by curl -s"
    )
    command = Command("sh tell.sh MARKED", "sh tell.sh ${oc.env:KEY}")
    assert command.redact_in("tell.sh: MARKED?") == "tell.sh: ***?"
