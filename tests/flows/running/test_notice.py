"""Specifies notices: who is told what, and that a notifier never harms a run."""

from __future__ import annotations

import logging
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from textmill.config import Config
from textmill_flows.running import notice
from textmill_flows.running.notice import notify

FACTS = {"run_url": "http://store/run", "run_id": "abc"}
WRITER = """
import os, sys
with open(sys.argv[1], "a") as file:
    file.write(sys.stdin.read() + "|")
    file.write("|".join(f"{k}={v}" for k, v in sorted(os.environ.items()) if "TEXTMILL" in k))
"""


def make(*entries: dict[str, Any]) -> Config:
    return Config.model_validate(
        {
            "experiment": "desk",
            "corpus": {"sources": [{"name": "own", "path": "own.jsonl"}]},
            "notify": entries,
        }
    )


@pytest.fixture
def writer(tmp_path: Path) -> str:
    (tmp_path / "tell.py").write_text(WRITER)
    return f"{sys.executable} {tmp_path / 'tell.py'} {tmp_path / 'told'}"


def test_a_command_gets_the_message_and_the_facts(writer: str, tmp_path: Path) -> None:
    config = make({"event": "failed", "command": writer})
    notify(config, "failed", "no luck:\n  a reason", FACTS)
    assert (tmp_path / "told").read_text() == (
        "no luck:\n  a reason|TEXTMILL_EVENT=failed|TEXTMILL_EXPERIMENT=desk"
        "|TEXTMILL_RUN_ID=abc|TEXTMILL_RUN_URL=http://store/run"
    )


def test_only_those_who_asked_for_the_event_are_told(writer: str, tmp_path: Path) -> None:
    config = make({"event": "drifted", "command": writer}, {"event": "promoted", "command": writer})
    notify(config, "failed", "no luck", FACTS)
    assert not (tmp_path / "told").exists()
    notify(config, "promoted", "better", FACTS)
    assert (tmp_path / "told").read_text().startswith("better|TEXTMILL_EVENT=promoted")


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("no-such-program --now", "No such file"),
        (f"{sys.executable} -c 'import sys; sys.exit(\"no route\")'", "status 1 (no route)"),
        (f"{sys.executable} -c 'import time; time.sleep(60)'", "timed out"),
        ("'unbalanced", "No closing quotation"),
    ],
)
def test_a_notifier_that_fails_is_logged_and_the_next_is_told(
    command: str,
    words: str,
    writer: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(notice, "TIME_LIMIT_S", 1)
    entries = ({"event": "failed", "command": c} for c in (command, writer))
    with caplog.at_level(logging.WARNING):
        notify(make(*entries), "failed", "no luck", FACTS)
    (record,) = caplog.records
    assert re.match("The notification .* failed: ", record.message)
    assert words in record.message
    assert (tmp_path / "told").exists()


def test_what_is_logged_of_a_notifier_that_fails_is_not_what_it_was_given(
    caplog: pytest.LogCaptureFixture,
) -> None:
    fail = "import sys; sys.exit('no ' + sys.argv[1])"
    command = f'{sys.executable} -c "{fail}" MARKED'
    with caplog.at_level(logging.WARNING):
        notify(make({"event": "failed", "command": command}), "failed", "no luck", FACTS)
        notify(make({"event": "failed", "command": "MARKED-program MARKED"}), "failed", "", FACTS)
    assert [record.message for record in caplog.records] == [
        f"The notification {sys.executable} *** failed: it exited with status 1 (no ***)",
        "The notification MARKED-program *** failed: "
        "[Errno 2] No such file or directory: 'MARKED-program'",
    ]
