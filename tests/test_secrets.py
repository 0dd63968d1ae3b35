"""Specifies what is hidden of texts that may hold credentials."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator

import pytest

from textmill import secrets
from textmill.errors import InputError, RunError
from textmill.secrets import (
    as_written,
    mask_address,
    mask_block,
    mask_command,
    redact,
    redact_settings,
    redact_values,
    register_secrets,
    request,
    without_credentials,
)


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(secrets, "_known", {})
    factory, hook = logging.getLogRecordFactory(), sys.excepthook
    monkeypatch.setattr(secrets, "_is_installed", False)
    yield
    logging.setLogRecordFactory(factory)
    sys.excepthook = hook


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("http://host:5000", "http://host:5000"),
        ("sqlite:////a@b/mlflow.db", "sqlite:////a@b/mlflow.db"),
        ("head:6379", "head:6379"),
        ("postgresql://ann:pw@h/db", "postgresql://***@h/db"),
        ("https://token@h", "https://***@h"),
        ("ann:pw@head:6379", "***@head:6379"),
        ("postgresql://ann:p/w?x@y@h/db", "postgresql://***@h/db"),
        ("postgresql://h/db?password=x&sslkey=y", "postgresql://h/db?password=***&sslkey=***"),
        ("${oc.env:URI}", "${oc.env:URI}"),
        ("postgresql://ann:${oc.env:PW}@h/db", "postgresql://ann:${oc.env:PW}@h/db"),
        ("postgresql://ann:x${oc.env:PW}@h/db", "postgresql://***@h/db"),
        ("http://${oc.env:A}:${oc.env:B}@h?k=${oc.env:C}",) * 2,
        ("${oc.env:URI,http://ann:pw@h}", "${oc.env:URI,***}"),
        ("http://${experiment}/x", "http://${experiment}/x"),
    ],
)
def test_of_an_address_scheme_host_path_and_references_are_shown(address: str, shown: str) -> None:
    assert as_written(mask_address, address) == shown


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("notify-send", "notify-send"),
        ("mail -s textmill ops@example.org", "mail ***"),
        ("/opt/tell.sh 'X-Key: abc'", "/opt/tell.sh ***"),
        ("TOKEN=abc tell", "*** ***"),
        ("tell 'unbalanced", "***"),
        ("${oc.env:COMMAND}", "${oc.env:COMMAND}"),
        ("sh tell.sh 'a b' ${oc.env:T}", "sh tell.sh 'a b' ${oc.env:T}"),
        ('tell -H "X-Key: ${oc.env:T}"', 'tell -H "X-Key: ${oc.env:T}"'),
        ("tell -H 'X-Key: abc' ${oc.env:T}", 'tell -H "X-Key: ***" ${oc.env:T}'),
        ("tell --token abc ${oc.env:T}", "tell --token *** ${oc.env:T}"),
        ("tell --token=abc ${oc.env:T}", "tell --token=*** ${oc.env:T}"),
        ("tell -u ann:pw ${oc.env:T}", "tell -u *** ${oc.env:T}"),
        ("tell 4f9a77c2d1e0b ${oc.env:T}", "tell *** ${oc.env:T}"),
        ("tell https://a:b@h/x?k=v ${oc.env:T}", 'tell "https://***@h/x?k=***" ${oc.env:T}'),
        ("tell ${oc.env:T,default}", "tell ${oc.env:T,***}"),
    ],
)
def test_of_a_command_the_program_is_shown_and_with_references_all_that_is_no_secret(
    command: str, shown: str
) -> None:
    assert as_written(mask_command, command) == shown


@pytest.mark.parametrize(
    ("slug", "shown"),
    [
        ("slack-webhook/ml", "slack-webhook/***"),
        ("slack-webhook/${oc.env:NAME}", "slack-webhook/${oc.env:NAME}"),
        ("slack-webhook/T0/B0/x", "slack-webhook/***"),
        ("xoxb-123", "***"),
    ],
)
def test_of_a_block_the_type_is_shown(slug: str, shown: str) -> None:
    assert as_written(mask_block, slug) == shown


def test_what_was_hidden_is_in_no_message_log_or_trace(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    uri = "postgresql://ann:top%40secret@h/db?password=otherwise"
    assert register_secrets(uri) == uri
    said = f"{uri} failed: top@secret, top%40secret or otherwise; not topsecret"
    shown = "postgresql://***@h/db?password=*** failed: ***, *** or ***; not topsecret"
    assert redact(said) == shown
    assert [str(InputError(said)), str(RunError(said))] == [shown, shown]
    try:
        raise ValueError(said)
    except ValueError as error:
        logging.getLogger("tests").exception("It is %s", "otherwise")
        sys.excepthook(type(error), error, error.__traceback__)
    printed = capsys.readouterr().err
    assert f"ValueError: {shown}" in printed
    assert f"ValueError: {shown}" in caplog.text
    assert "It is ***" in caplog.text
    for text in (printed.replace("topsecret", ""), caplog.text.replace("topsecret", "")):
        assert "secret" not in text.partition("ValueError: ")[2]


def test_a_short_password_is_hidden_as_a_word_and_a_very_short_one_in_its_url_alone() -> None:
    register_secrets("postgresql://ann:post@h/db")
    register_secrets("http://ann:no@host/")
    text = "post the posters for http://ann:no@host/, no?"
    assert redact(text) == "*** the posters for http://***@host/, no?"


def test_the_environment_says_by_its_names_what_is_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "correct-horse")
    monkeypatch.setenv("HTTPS_PROXY", "http://ann:battery@proxy:3128")
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "falsehood")
    monkeypatch.setenv("POSTGRES_PASSWORD_FILE", "/run/secrets/file")
    said = "correct-horse, battery, falsehood, /run/secrets/file"
    assert redact(said) == "***, ***, falsehood, /run/secrets/file"


def test_credentials_are_known_by_their_place_in_a_url() -> None:
    values = {
        "path": ["https://ann:pw@h/x?token=t&page=2", "/data/https:/ann:pw@h/x"],
        "n": 3,
        "text": "a:b@c",
    }
    assert redact_values(values) == {
        "path": ["https://***@h/x?token=***&page=2", "/data/https:/***@h/x"],
        "n": 3,
        "text": "a:b@c",
    }


def test_settings_are_redacted_by_their_names() -> None:
    settings = {
        "dataset_kwargs": {
            "token": "hf_abc",
            "storage_options": {"client": {"user": "ann", "pw": "b"}, "anon": False},
            "data_files": {"test": ["https://ann:pw@h/x"]},
        },
        "password": ("p", 1),
        "max_new_tokens": 8,
        "tokenizer": "gpt2",
    }
    assert redact_settings(settings) == {
        "dataset_kwargs": {
            "token": "***",
            "storage_options": {"client": {"user": "***", "pw": "***"}, "anon": False},
            "data_files": {"test": ["https://***@h/x"]},
        },
        "password": ["***", 1],
        "max_new_tokens": 8,
        "tokenizer": "gpt2",
    }


def test_a_request_sends_credentials_as_basic_authentication() -> None:
    asked = request("http://ann:p%40w@127.0.0.1:5000/health")
    assert asked.full_url == "http://127.0.0.1:5000/health"
    assert asked.get_header("Authorization") == "Basic YW5uOnBAdw=="
    assert request("http://127.0.0.1:5000/health").get_header("Authorization") is None
    assert without_credentials("https://ann:pw@h:1/a?b#c") == "https://h:1/a?b#c"
