"""The commands of the guides do what the guides say, in the order of each page."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.e2e.conftest import HOOK, SMALL, Product, outside_environment
from tests.e2e.servers import free_port
from tests.guides import AFTER_THE_DEMO, DOCS, blocks, pages, script

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

TIMEOUT_S = 400
"""Of a page, on two cores that do other work as well."""
SHRUNKEN = """\
#!{python}
import json, os, sys
words, small, ports = sys.argv[1:], json.loads({small!r}), json.loads({ports!r})
if "--help" not in words:
    settings = (
        i
        for i, word in enumerate(words)
        if "=" in word and " " not in word and words[i - 1] != "--column"
    )
    first = next(settings, len(words))
    if "--config" in words or words[0] == "reproduce":
        small = []
    elif any(word.startswith("tasks=") for word in words):
        small = [word for word in small if not word.startswith("tasks.")]
    words[first:first] = [*small, *ports]
os.execv({program!r}, [{program!r}, *words])
"""
"""A `textmill` that shrinks the demo, unless a setting is given, and takes free ports."""
RAY = "/site-packages/ray/"
"""Its processes ask the metadata addresses of clouds whether they are in one, as the guide says."""
RUN = [page for page in pages() if any(block.marker != "skip" for block in blocks(page))]


@pytest.mark.parametrize("page", RUN, ids=lambda page: page.relative_to(DOCS).as_posix())
def test_the_commands_of_a_page_work(
    page: Path,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    if AFTER_THE_DEMO in page.read_text(encoding="utf-8"):
        finished: Product = request.getfixturevalue("finished")
        shutil.copytree(finished.folder / "mlruns", folder / "mlruns")
    program = Path(sys.executable).with_name("textmill")
    ports = [f"tracking.{name}_port={free_port()}" for name in ("mlflow", "prefect")]
    command = tmp_path / "bin" / "textmill"
    command.parent.mkdir()
    command.write_text(
        SHRUNKEN.format(
            python=sys.executable,
            program=str(program),
            small=json.dumps(SMALL),
            ports=json.dumps(ports),
        )
    )
    command.chmod(0o755)
    home = tmp_path_factory.getbasetemp() / "prefect"
    environment = {
        name: value
        for name, value in outside_environment().items()
        if not name.startswith("MLFLOW_")
    } | {
        "PATH": os.pathsep.join([str(command.parent), str(program.parent), os.environ["PATH"]]),
        "PYTHONPATH": str(HOOK),
        "FOREIGN_HOSTS": str(tmp_path / "foreign"),
        "PREFECT_HOME": str(home),
    }
    with (tmp_path / "output").open("w") as output:
        process = psutil.Popen(
            ["bash", "-c", script(page)],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            status = process.wait(TIMEOUT_S)
        except psutil.TimeoutExpired:
            status = None
            for child in [*process.children(recursive=True), process]:
                child.kill()
    assert status == 0, (tmp_path / "output").read_text()[-8000:]
    noted = tmp_path / "foreign"
    lines = noted.read_text().splitlines() if noted.exists() else []
    assert [line for line in lines if RAY not in line] == []
