"""Specifies what a command is given: a configuration composed once, with the words for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from textmill.errors import InputError
from textmill_flows.invocation import Composed


def test_a_file_is_known_by_its_place_from_wherever_it_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my.yaml").write_text(
        "defaults: [base, _self_]\ncorpus: {sources: [{name: a, path: a.txt}]}\n"
    )
    monkeypatch.chdir(tmp_path)
    found = Composed.of("my.yaml", ["experiment=own"])
    assert found.name == str(tmp_path / "my.yaml")
    assert found.config.experiment == "own"
    assert Composed.of("demo").name == "demo"


def test_the_command_line_does_the_same_and_holds_no_credentials() -> None:
    composed = Composed.of("demo", ["tracking.uri=http://ann:MARKED@h", "experiment='a b'"])
    line = composed.command_line("finetune", "topic")
    assert line.startswith("textmill finetune topic --config demo ")
    assert "MARKED" not in line
    assert composed.command_line("pipeline").startswith("textmill run --config demo")


def test_a_message_names_the_file_as_it_was_given() -> None:
    with pytest.raises(InputError, match=r"The configuration file no\.yaml does not exist"):
        Composed.of("no.yaml")
