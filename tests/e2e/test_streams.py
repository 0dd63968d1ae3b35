"""Specifies arguments, standard input, file names and outputs that are not text, or not UTF-8."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import Product
from tests.e2e.test_bad_input import CONFIG, NOTE

pytestmark = pytest.mark.filterwarnings("ignore")

TEXTMILL = os.fsencode(Path(sys.executable).with_name("textmill"))
ASCII = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
"""A locale of 128 characters, as Python finds it in a bare container that says so."""
LATIN = "Das Wetter war schön.".encode("latin-1")


def run(
    folder: Path, *words: bytes, stdin: bytes = b"", **environment: str
) -> subprocess.CompletedProcess[bytes]:
    """Run the command on raw bytes."""
    return subprocess.run(
        [TEXTMILL, *words],
        cwd=folder,
        input=stdin,
        env={**os.environ, **environment},
        capture_output=True,
        timeout=300,
    )


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ((b"lineage", LATIN), rb"The argument Das Wetter war sch\xf6n. is not text"),
        ((b"doctor", b"experiment=" + LATIN), rb"experiment=Das Wetter war sch\xf6n. is not text"),
        ((b"run", b"--config", b"\xff.yaml"), rb"The argument \xff.yaml is not text"),
        ((b"predict", b"topic", LATIN), rb"The text Das Wetter war sch\xf6n. is not UTF-8"),
        ((b"generate", LATIN), rb"The text Das Wetter war sch\xf6n. is not UTF-8"),
    ],
)
def test_an_argument_that_is_not_text_is_refused_by_name(
    tmp_path: Path, words: tuple[bytes, ...], named: bytes
) -> None:
    done = run(tmp_path, *words)
    assert (done.returncode, done.stdout) == (2, b"")
    assert named in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.slow
def test_standard_input_that_is_not_utf_8_is_refused(finished: Product) -> None:
    done = run(finished.folder, b"predict", b"topic", stdin=LATIN)
    assert done.returncode == 2
    assert done.stderr.startswith(
        b"textmill: standard input:1: not valid UTF-8 at byte 19 of the line: convert it to UTF-8. "
    )


@pytest.mark.slow
def test_a_text_in_utf_8_is_read_in_an_ascii_locale_and_answered_in_ascii(
    finished: Product,
) -> None:
    text = "Das Wetter war schön, 天气很好."
    by_argument = run(finished.folder, b"predict", b"topic", text.encode(), **ASCII)
    by_input = run(finished.folder, b"predict", b"topic", stdin=text.encode(), **ASCII)
    usual = run(finished.folder, b"predict", b"topic", text.encode(), PYTHONUTF8="1")
    assert [d.returncode for d in (by_argument, by_input, usual)] == [0, 0, 0], by_argument.stderr
    assert by_argument.stdout.isascii()
    answers = [json.loads(d.stdout) for d in (by_argument, by_input, usual)]
    assert answers[0]["text"] == text
    assert answers[0] == answers[1] == answers[2]


@pytest.mark.slow
@pytest.mark.parametrize("words", [("doctor",), ("lineage", "models:/demo.ner@champion")])
def test_an_ascii_terminal_is_written_to(finished: Product, words: tuple[str, ...]) -> None:
    done = run(finished.folder, *map(str.encode, words), **ASCII)
    assert (done.returncode, b"Traceback" in done.stderr) == (0, False), done.stderr
    assert done.stdout.isascii()
    assert run(finished.folder, *map(str.encode, words), PYTHONUTF8="1").returncode == 0


@pytest.mark.slow
def test_a_source_whose_name_is_not_text_is_named(product: Product) -> None:
    (product.folder / "my.yaml").write_text(CONFIG.replace("notes.jsonl", "notes/*.jsonl"))
    folder = product.folder / "notes"
    folder.mkdir()
    (folder / "good.jsonl").write_text("".join(NOTE % i for i in range(200)))
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff.jsonl")).write_text(NOTE % 201)
    done = product.run("prepare", "--config", "my.yaml")
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert r"\xff.jsonl" in done.stderr


def test_the_command_line_runs_as_a_module(product: Product) -> None:
    command = [sys.executable, "-m", "textmill_flows"]
    shown = subprocess.run([*command, "--help"], cwd=product.folder, capture_output=True, text=True)
    assert "Usage: python -m textmill_flows" in shown.stdout
    refused = subprocess.run(
        [*command, "doctor", "nonsense=1"], cwd=product.folder, capture_output=True, text=True
    )
    assert (refused.returncode, "nonsense" in refused.stderr) == (2, True)
