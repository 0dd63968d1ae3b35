"""Specifies that a file of predictions appears whole, and continues where it was interrupted."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.flows.answering.row_models import Together, answer_file
from textmill.errors import InputError, RunError
from textmill_flows.answering import partial_file, row_prediction
from textmill_flows.answering.input_rows import STANDARD_INPUT, Source

ROOT = Path(__file__).parents[3]
N_ROWS = 95
SCRIPT = """
import sys
from pathlib import Path
from tests.flows.answering.row_models import Together, answer_file
from textmill_flows.answering import partial_file, row_prediction

row_prediction.BLOCK_ROWS, partial_file.CHECKPOINT_S = 10, 0.0
answer_file(Path(sys.argv[1]), Path(sys.argv[2]), Together(wait_s=0.5))
"""


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_prediction, "BLOCK_ROWS", 10)
    monkeypatch.setattr(partial_file, "CHECKPOINT_S", 0.0)


def write_texts(file: Path, n: int = N_ROWS, bad: int | None = None) -> Path:
    lines = [json.dumps({"n": i, "text": f"text {i} " * (i % 7)}) for i in range(n)]
    if bad is not None:
        lines[bad] = '{"n": 0, "text": null}'
    file.write_text("".join(f"{line}\n" for line in lines))
    return file


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    return write_texts(tmp_path / "texts.jsonl")


@pytest.fixture
def whole(texts: Path, tmp_path: Path) -> bytes:
    """The answers to all texts, without an interruption."""
    answer_file(texts, tmp_path / "whole.jsonl")
    return (tmp_path / "whole.jsonl").read_bytes()


class Interrupted(Together):
    """Fails after a number of rows, as if the user interrupted it."""

    def __init__(self, n_rows: int) -> None:
        super().__init__()
        self.n_rows = n_rows

    def __call__(self, inputs: object) -> list[dict[str, object]]:
        if self.n_seen >= self.n_rows:
            raise KeyboardInterrupt
        return super().__call__(inputs)


def interrupt(texts: Path, out: Path, n_rows: int = 40) -> None:
    with pytest.raises(KeyboardInterrupt):
        answer_file(texts, out, Interrupted(n_rows))


def names(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir() if file.name.startswith("out")}


def test_a_file_is_there_once_it_is_whole_and_nothing_else(
    texts: Path, whole: bytes, tmp_path: Path
) -> None:
    (tmp_path / "out.jsonl").write_text("from yesterday\n")
    answer_file(texts, tmp_path / "out.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [row["n"] for row in rows] == [*range(N_ROWS)]
    assert (tmp_path / "out.jsonl").read_bytes() == whole
    assert names(tmp_path) == {"out.jsonl"}


def test_a_killed_process_is_continued_with_the_same_bytes(
    texts: Path, whole: bytes, tmp_path: Path
) -> None:
    out, state = tmp_path / "out.jsonl", tmp_path / "out.jsonl.partial.json"
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, str(texts), str(out)], cwd=ROOT)
    deadline_s = time.monotonic() + 300
    while not (state.exists() and json.loads(state.read_text())["rows"] >= 20):
        assert process.poll() is None
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert names(tmp_path) == {"out.jsonl.partial", "out.jsonl.partial.json"}
    with (tmp_path / "out.jsonl.partial").open("ab") as stream:
        stream.write(b'{"n": 20, "te')  # a line that was not written to its end
    predictor, said = Together(), list[str]()
    answer_file(texts, out, predictor, notify=said.append)
    assert out.read_bytes() == whole
    assert predictor.n_seen < N_ROWS - 10
    assert "continuing after the" in said[0]
    assert said[-1] == f"95 predictions are in {out}."
    assert names(tmp_path) == {"out.jsonl"}


@pytest.mark.parametrize(("n_rows", "n_more"), [(0, 20), (10, 0), (40, 20), (90, 0)])
def test_interrupts_at_any_block_change_nothing(
    texts: Path,
    whole: bytes,
    tmp_path: Path,
    n_rows: int,
    n_more: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(partial_file, "CHECKPOINT_S", 1000.0)  # only at the interrupt
    out = tmp_path / "out.jsonl"
    interrupt(texts, out, n_rows)
    interrupt(texts, out, n_more)
    predictor = Together()
    answer_file(texts, out, predictor)
    assert out.read_bytes() == whole
    assert predictor.n_seen == N_ROWS - n_rows - n_more


@pytest.mark.parametrize("change", ["model", "rows", "fewer rows", "state", "answers"])
def test_what_is_there_is_dropped_if_it_is_of_something_else(
    texts: Path, whole: bytes, tmp_path: Path, change: str
) -> None:
    out, said = tmp_path / "out.jsonl", list[str]()
    interrupt(texts, out)
    if change == "rows":
        texts.write_text(texts.read_text().replace("text 3", "word 3"))
    elif change == "fewer rows":
        write_texts(texts, 25)
    elif change == "state":
        (tmp_path / "out.jsonl.partial.json").write_text('{"rows": 40')
    elif change == "answers":
        (tmp_path / "out.jsonl.partial").write_text("")
    predictor = Together()
    answer_file(
        texts, out, predictor, version="4" if change == "model" else "3", notify=said.append
    )
    assert predictor.n_seen == len(out.read_text().splitlines())
    assert any(message.endswith(": starting again.") for message in said)
    assert (out.read_bytes() == whole) == (change in ("state", "answers"))


def test_rows_that_are_added_are_predicted_besides(texts: Path, tmp_path: Path) -> None:
    out, predictor = tmp_path / "out.jsonl", Together()
    interrupt(texts, out)
    answer_file(write_texts(texts, 120), out, predictor)
    assert predictor.n_seen == 80
    answer_file(texts, tmp_path / "again.jsonl")
    assert out.read_bytes() == (tmp_path / "again.jsonl").read_bytes()


def test_a_bad_row_costs_nothing_that_was_predicted(
    texts: Path, whole: bytes, tmp_path: Path
) -> None:
    out = tmp_path / "out.jsonl"
    write_texts(texts, bad=33)
    with pytest.raises(InputError) as error:
        answer_file(texts, out)
    assert str(error.value) == (
        f"{texts}:34: column 'text' holds no text: it is null. Correct the row, or leave out such "
        "rows: --skip-bad."
    )
    predictor = Together()
    answer_file(write_texts(texts), out, predictor)
    assert out.read_bytes() == whole
    assert predictor.n_seen == N_ROWS - 30


def test_skipped_rows_are_counted_across_an_interruption(texts: Path, tmp_path: Path) -> None:
    content = write_texts(texts, bad=5).read_text().replace("text 8 ", "REJECT ", 1)
    texts.write_text(content)
    said: list[list[str]] = [[], []]
    answer_file(texts, tmp_path / "whole.jsonl", are_skipped=True, notify=said[0].append)
    out = tmp_path / "out.jsonl"
    with pytest.raises(KeyboardInterrupt):
        answer_file(texts, out, Interrupted(40), are_skipped=True)
    answer_file(texts, out, are_skipped=True, notify=said[1].append)
    assert out.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    assert len(out.read_text().splitlines()) == N_ROWS - 2
    for messages in said:
        assert messages[-2].startswith(f"2 bad rows were left out. The first is {texts}:6: column")
        assert messages[-1].startswith("93 predictions are in ")


@pytest.mark.parametrize(("before", "after"), [(0, 2), (2, 0), (1, 2)])
def test_bad_rows_that_are_added_or_corrected_before_the_interruption_are_counted_anew(
    texts: Path, tmp_path: Path, before: int, after: int
) -> None:
    content, bad, out = texts.read_text(), '{"text": null}\n', tmp_path / "out.jsonl"
    texts.write_text(bad * before + content)
    with pytest.raises(KeyboardInterrupt):
        answer_file(texts, out, Interrupted(40), are_skipped=True)
    texts.write_text(bad * after + content)
    said: list[list[str]] = [[], []]
    answer_file(texts, tmp_path / "whole.jsonl", are_skipped=True, notify=said[0].append)
    answer_file(texts, out, are_skipped=True, notify=said[1].append)
    assert "of other rows: starting again" in said[1][1]
    assert said[1][2:-1] == said[0][:-1]
    assert out.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()


def test_standard_input_continues_if_it_is_the_same(
    texts: Path, whole: bytes, tmp_path: Path
) -> None:
    def source() -> Source:
        return Source(STANDARD_INPUT, "jsonl", texts.open("rb"), "utf-8")

    out, predictor = tmp_path / "out.jsonl", Together()
    interrupt(texts, out)
    answer_file(texts, out, predictor, source=source())
    assert (out.read_bytes(), predictor.n_seen) == (whole, N_ROWS - 40)
    interrupt(texts, out)
    write_texts(texts, bad=None, n=30)
    with pytest.raises(InputError, match=r"out\.jsonl\.partial has the answers to other rows"):
        answer_file(texts, out, source=source())
    state = json.loads((tmp_path / "out.jsonl.partial.json").read_text())
    assert state["rows"] == 40


def test_two_processes_do_not_write_one_file(texts: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    with (
        partial_file.PartialFile(out, {}, print),
        pytest.raises(InputError, match=r"Another process is writing .*out\.jsonl"),
    ):
        answer_file(texts, out)


def test_a_place_that_cannot_be_written_is_named(texts: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for out, message in (
        (tmp_path / "nowhere" / "out.jsonl", "nowhere is no folder: create it"),
        (tmp_path, "is a folder: choose another file"),
        (tmp_path / "pipe", "is a named pipe: choose another file"),
    ):
        with pytest.raises(InputError, match=message):
            answer_file(texts, out)


def test_a_link_is_written_through(texts: Path, whole: bytes, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "out.jsonl").symlink_to(tmp_path / "there" / "out.jsonl")
    answer_file(texts, tmp_path / "out.jsonl")
    assert (tmp_path / "there" / "out.jsonl").read_bytes() == whole
    assert (tmp_path / "out.jsonl").is_symlink()


def test_a_full_disk_is_said_and_continued_after(
    texts: Path, whole: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, n_writes = tmp_path / "out.jsonl", 0

    def fsync(descriptor: int) -> None:
        nonlocal n_writes
        n_writes += 1
        if n_writes > 6:
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(os, "fsync", fsync)
        with pytest.raises(RunError, match="the disk is full. Run the same command again"):
            answer_file(texts, out)
    predictor = Together()
    answer_file(texts, out, predictor)
    assert out.read_bytes() == whole
    assert 0 < predictor.n_seen < N_ROWS
