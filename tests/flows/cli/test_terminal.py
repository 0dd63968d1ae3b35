"""Specifies the streams and arguments of a command."""

from __future__ import annotations

import io
import os
import sys

import pytest

from textmill.errors import InputError
from textmill_flows.cli.terminal import (
    as_json,
    decode_argument,
    reject_undecodable_bytes,
    set_up_streams,
)


def ascii_streams(monkeypatch: pytest.MonkeyPatch) -> tuple[io.BytesIO, io.BytesIO]:
    """Set up streams of an ASCII locale; return the bytes of output and input."""
    output, given = io.BytesIO(), io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(output, "ascii"))
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(io.BytesIO(), "ascii"))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(given, "ascii", "surrogateescape"))
    set_up_streams()
    return output, given


def test_what_an_output_cannot_hold_is_drawn_alike_or_escaped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    output, _ = ascii_streams(monkeypatch)
    sys.stdout.write("├─ corpus → 中 …")
    sys.stdout.flush()
    assert output.getvalue() == rb"|- corpus -> \u4e2d ..."


def test_input_in_an_ascii_locale_is_utf_8(monkeypatch: pytest.MonkeyPatch) -> None:
    _, given = ascii_streams(monkeypatch)
    given.write("schön\n".encode())
    given.seek(0)
    assert sys.stdin.readline() == "schön\n"


def test_input_that_is_not_text_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    _, given = ascii_streams(monkeypatch)
    given.write(b"sch\xf6n\n")
    given.seek(0)
    with pytest.raises(UnicodeDecodeError):
        sys.stdin.readline()


@pytest.mark.parametrize(("encoding", "line"), [("ascii", r'{"a": "\u4e2d"}'), ("utf-8", None)])
def test_json_holds_what_the_output_does(
    monkeypatch: pytest.MonkeyPatch, encoding: str, line: str | None
) -> None:
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding))
    assert as_json({"a": "中"}) == (line or '{"a": "中"}')


def test_arguments_that_are_not_text_are_refused() -> None:
    reject_undecodable_bytes(["run", "experiment=größer"])
    with pytest.raises(InputError, match=r"The argument a=\\xff is not text"):
        reject_undecodable_bytes(["run", os.fsdecode(b"a=\xff")])


def test_a_text_is_read_as_utf_8_whatever_the_locale_says() -> None:
    strays = "schön".encode().decode("ascii", "surrogateescape")
    assert (decode_argument("schön"), decode_argument(strays)) == ("schön", "schön")
    with pytest.raises(InputError, match=r"sch\\xf6n is not UTF-8"):
        decode_argument(b"sch\xf6n".decode("ascii", "surrogateescape"))
