"""Specifies the faster import of MLflow: commands that use it can import all that they need."""

from __future__ import annotations

import pkgutil
import subprocess
import sys

from textmill_flows import answering, labelling

CODE = """
import importlib, sys
from textmill.tracking.database.skinny import SKIPPED_PACKAGES, load_skinny
load_skinny()
assert not {*SKIPPED_PACKAGES} & {*sys.modules}
for name in sys.argv[1:]:
    importlib.import_module(name)
"""


def test_what_answers_on_the_command_line_needs_no_more_than_the_client() -> None:
    names = [
        f"{package.__name__}.{module.name}"
        for package in (answering, labelling)
        for module in pkgutil.iter_modules(package.__path__)
    ]
    done = subprocess.run(
        [sys.executable, "-c", CODE, *names], capture_output=True, text=True, check=False
    )
    assert (done.returncode, len(names) > 10) == (0, True), done.stderr
