"""Plants marks in every input that may hold a credential, and looks for them in all that is left.

What is searched is every byte of the working folder (the store with its database, Prefect's
database with its log beside it, logs, all output) and of a tracking server's folder; the files that
a user wrote are left out.
"""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from tests.e2e.conftest import Product, wait_until
from tests.e2e.servers import free_port
from tests.e2e.test_bad_input import CONFIG, NOTE, TRAIN

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

MARK = "qZpLaNtEd"
VARIABLES = {
    "HOOK": f"{MARK}-hook-61",
    "BLOCK": f"{MARK.lower()}-block-62",
    "MLFLOW_TRACKING_PASSWORD": f"{MARK}-password-63",
    "HF_TOKEN": f"{MARK}-token-64",
}
TELL = """
import sys
with open("told", "a") as file:
    file.write("|".join(sys.argv[1:]) + "\\n")
sys.exit("no route for " + " ".join(sys.argv[1:]))
"""
NOTIFY = """
notify:
  - {event: promoted, command: "PYTHON tell.py --token ${oc.env:HOOK}"}
  - {event: failed, command: "PYTHON tell.py --token ${oc.env:HOOK}"}
  - {event: failed, command: "PYTHON tell.py MARK-argument-65 https://ann:MARK-66@h/MARK-67"}
  - {event: promoted, command: "PYTHON tell.py 'X-Key: MARK-68'"}
  - {event: promoted, block: "slack-webhook/${oc.env:BLOCK}"}
  - {event: failed, block: "slack-webhook/MARK-block-69"}
""".replace("PYTHON", sys.executable).replace("MARK", MARK)
HOOK_OVERRIDE = f"notify=[{{event: failed, command: '{sys.executable} tell.py {MARK}-word-70'}}]"
WRITTEN = {"my.yaml", "tell.py", "told", "foreign"}
"""What a user has written, the user's own notifier, or the tests' own hook (hosts asked for)."""


def marks_in(folder: Path) -> list[str]:
    """Return what in a folder holds a mark, in whatever case and encoding."""
    wanted = [MARK.lower().encode(), MARK.lower().encode("utf-16-le")]
    return [
        str(file)
        for file in folder.rglob("*")
        if file.is_file() and file.name not in WRITTEN
        if any(mark in file.read_bytes().lower() for mark in wanted)
    ]


@contextmanager
def mlflow_server(folder: Path) -> Iterator[str]:
    """Serve MLflow with a store of its own; yield HOST:PORT."""
    folder.mkdir()
    place = f"127.0.0.1:{free_port()}"
    words = ["mlflow", "server", "--workers", "1", "--port", place.partition(":")[2]]
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *words],
            cwd=folder,
            env=os.environ | {"MLFLOW_BACKEND_STORE_URI": f"sqlite:///{folder}/mlflow.db"},
            stdout=log,
            stderr=log,
        )
    try:
        wait_until(lambda: _answers(f"http://{place}/health"), 90)
        yield place
    finally:
        process.terminate()
        process.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except OSError:
        return False


@pytest.fixture
def project(tmp_path: Path) -> Product:
    product = Product(tmp_path / "here", environment=VARIABLES)
    (product.folder / "my.yaml").write_text(CONFIG + NOTIFY)
    (product.folder / "tell.py").write_text(TELL)
    (product.folder / "notes.jsonl").write_text("".join(NOTE % i for i in range(200)))
    (product.folder / "train.csv").write_text(TRAIN)
    (product.folder / "test.csv").write_text("text,label\na fine day,good\n")
    return product


def told(product: Product) -> list[str]:
    file = product.folder / "told"
    lines = file.read_text().splitlines() if file.exists() else []
    file.unlink(missing_ok=True)
    return lines


def newest(client: MlflowClient) -> Run:
    experiments = [e.experiment_id for e in client.search_experiments()]
    return client.search_runs(experiments, "tags.`textmill.kind`='pipeline'")[0]


def run(product: Product, status: int, *words: str) -> None:
    """Run a command, whose output must hold no mark."""
    done = product.run(words[0], *words[1:], "--config", "my.yaml")
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    assert MARK.lower() not in (done.stdout + done.stderr).lower()


def test_no_credential_is_left_anywhere(project: Product, tmp_path: Path) -> None:
    with mlflow_server(tmp_path / "server") as place:
        uri = f"tracking.uri=http://ann:{MARK}-71@{place}"
        run(project, 0, "run", uri)
        client = MlflowClient(f"http://{place}")
        made = newest(client)
        assert f"tracking.uri=http://***@{place}" in made.data.tags["textmill.command"]
        config = yaml.safe_load(
            Path(client.download_artifacts(made.info.run_id, "config.yaml")).read_text()
        )
        assert config["tracking"]["uri"] == f"http://***@{place}"
        assert [entry["command"] or entry["block"] for entry in config["notify"]] == [
            f"{sys.executable} tell.py --token ${{oc.env:HOOK}}",
            f"{sys.executable} tell.py --token ${{oc.env:HOOK}}",
            f"{sys.executable} ***",
            f"{sys.executable} ***",
            "slack-webhook/${oc.env:BLOCK}",
            "slack-webhook/***",
        ]

        run(project, 0, "reproduce", made.info.run_id, uri)
        run(project, 0, "compare", made.info.run_id, newest(client).info.run_id, uri)
        run(project, 0, "lineage", made.info.run_id, uri)
        run(project, 0, "doctor", uri)
        run(project, 0, "retrain", "--trigger", "data", uri)
        told(project)
        run(
            project,
            2,
            "run",
            uri,
            HOOK_OVERRIDE,
            f"corpus.sources=[{{name: a, path: 'https://a:{MARK}-72@h/x'}}]",
        )
        assert told(project) == [f"{MARK}-word-70"]
        run(project, 2, "run", uri, "tasks.mood.train=nowhere.csv")
        literal = f"{MARK}-argument-65|https://ann:{MARK}-66@h/{MARK}-67"
        assert told(project) == [f"--token|{MARK}-hook-61", literal]  # who is told gets it all
        assert "textmill.failure" in newest(client).data.tags

    run(project, 1, "run", uri)  # nothing answers there any more
    assert not [*marks_in(project.folder), *marks_in(tmp_path / "server")]


def test_settings_that_fail_are_told_of_without_credentials(project: Product) -> None:
    query = f"'postgresql://ann:{MARK}-73@127.0.0.1:9/db?password={MARK}-74'"
    run(project, 1, "run", f"tracking.uri={query}")
    run(project, 1, "lineage", "abc", f"tracking.uri=nosuch+kind://ann:{MARK}-75@h/db")
    run(project, 1, "doctor", f"tracking.uri=http://ann:{MARK}-76@nowhere.invalid")
    run(project, 2, "run", f"notify=[{{event: failed, command: '{MARK}-77 {MARK}-78]")
    run(project, 2, "run", f"notify=[{{event: failed, block: '{MARK}-79'}}]")
    run(project, 2, "run", f"tracking={{uri: 'http://{MARK}-80@h', more: '{MARK}-81'}}")
    project.environment = {**VARIABLES, "PREFECT_API_URL": f"http://ann:{MARK}-82@127.0.0.1:9/api"}
    run(project, 1, "run")
    project.environment = {**VARIABLES, "MLFLOW_TRACKING_URI": f"http://ann:{MARK}-83@nowhere:x"}
    run(project, 1, "run")
    assert not marks_in(project.folder)


def test_what_a_configuration_refers_to_is_looked_up_again(project: Product) -> None:
    assert project.run("run", "--config", "my.yaml").returncode == 0
    client = MlflowClient(f"sqlite:///{project.folder}/mlruns/mlflow.db")
    run_id = newest(client).info.run_id
    (project.folder / "train.csv").write_text(TRAIN.replace("label", "mood"))
    told(project)
    done = project.run("reproduce", run_id, "--anyway")
    assert done.returncode == 2, done.stderr
    assert "has no column" in done.stderr
    assert told(project) == [f"--token|{MARK}-hook-61"]  # the others were recorded without theirs
    assert f"{sys.executable} ***, for failed, was recorded without" in done.stderr

    project.environment = {k: v for k, v in VARIABLES.items() if k != "HOOK"}
    done = project.run("reproduce", run_id, "--anyway")
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert "notify[0].command: the environment variable HOOK is not set" in done.stderr
    done = project.run("reproduce", run_id, "--anyway", "notify=[]")
    assert "has no column" in done.stderr
    assert not told(project)


def test_processes_that_are_started_get_no_address_as_an_argument(project: Product) -> None:
    uri = f"sqlite:///{project.folder}/own.db"
    ports = [f"tracking.mlflow_port={free_port()}", f"tracking.prefect_port={free_port()}"]
    process = project.start("ui", "--config", "my.yaml", f"tracking.uri={uri}", *ports)
    try:
        wait_until(lambda: "Press Ctrl-C to stop" in (project.folder / "stderr").read_text(), 120)
        arguments = list(_arguments_of_children(process.pid))
    finally:
        process.terminate()
        process.wait(90)
    assert any("mlflow" in words for words in arguments)
    assert not [words for words in arguments if "own.db" in words]


def _arguments_of_children(pid: int) -> Iterator[str]:
    """Yield the command lines of a process's children and theirs."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in map(int, (task / "children").read_text().split()):
            yield Path(f"/proc/{child}/cmdline").read_text()
            yield from _arguments_of_children(child)
