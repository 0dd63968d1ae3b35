"""Runs on file systems of a few megabytes, which only a user namespace lets a test make."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import SMALL, outside_environment

LARGER = [
    "tokenizer.vocab_size=2000",
    "model.n_embd=256",
    "model.n_layer=3",
    "pretrain.checkpoint_every_steps=10",
    "finetune.epochs=1",
    "tasks=[sample-topic]",
]
"""A model whose checkpoints take tens of megabytes."""
SCRIPT = """
mount -t tmpfs -o size={mib}m tmpfs {folder}
cd {folder}
(for second in $(seq {fill_after_s}); do sleep 1; done; cat /dev/zero > ballast) > /dev/null 2>&1 &
"{command}" run {settings}; echo "status $?"
kill $! 2> /dev/null; rm -f ballast
mount -o remount,size=500m {folder}
"{command}" run {settings}; echo "status $?"
"{python}" -c "
import sqlite3
for row in sqlite3.connect('mlruns/mlflow.db').execute('select distinct status from runs'):
    print('run', *row)
"
"""


def can_mount() -> bool:
    probe = ["unshare", "--map-root-user", "--mount", "true"]
    return shutil.which("unshare") is not None and subprocess.run(probe).returncode == 0


@pytest.mark.slow
@pytest.mark.skipif(not can_mount(), reason="file systems cannot be mounted here")
@pytest.mark.parametrize(
    ("mib", "fill_after_s"),
    [(8, 0), (40, 600), (75, 600), (100, 8), (100, 11), (100, 14)],
)
def test_a_full_disk_is_one_message_and_a_later_run_goes_on(
    tmp_path: Path, mib: int, fill_after_s: int
) -> None:
    script = SCRIPT.format(
        mib=mib,
        fill_after_s=fill_after_s,
        folder=tmp_path,
        command=Path(sys.executable).with_name("textmill"),
        python=sys.executable,
        settings=" ".join([word for word in SMALL if "tasks." not in word] + LARGER),
    )
    done = subprocess.run(
        ["unshare", "--map-root-user", "--mount", "sh", "-c", script],
        text=True,
        capture_output=True,
        env=outside_environment(),
    )
    said = done.stdout.splitlines()
    assert "Traceback" not in done.stderr, done.stderr
    assert [line for line in said if line.startswith("status")] == ["status 1", "status 0"], (
        done.stderr
    )
    assert "free space and run again" in done.stderr
    assert "run RUNNING" not in said
