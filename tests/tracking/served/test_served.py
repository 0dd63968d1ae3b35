"""Specifies task models behind MLflow's interfaces, in processes that know nothing of textmill."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest

from tests.stores import SPECS
from textmill.config import KINDS, FilterConfig, TaskConfig
from textmill.errors import RunError
from textmill.tasks.ensemble.predictor import load_predictor
from textmill.tasks.filtered.filter_folder import write_filters
from textmill.tasks.kinds import answers_of, examples_of
from textmill.tracking.served.logged import find_logged_model, log_task_model
from textmill.tracking.store import Store

TEXTS = ["the room", "a lovely meal", "sad staff in a lovely room"]
START_S = 120

# What a user of MLflow does, elsewhere.
LOAD = """
import json, sys
import mlflow, pandas as pd
mlflow.set_tracking_uri(sys.argv[1])
model = mlflow.pyfunc.load_model(sys.argv[2])
answers = model.predict(pd.DataFrame(json.loads(sys.argv[3])))
print("ANSWERS " + json.dumps(answers.to_dict("records")))
"""


@pytest.fixture(scope="module")
def model_uri(
    store: Store, model_folder: Callable[[str], Path], task_of: Callable[[str, str], TaskConfig]
) -> Callable[[str], str]:
    """Returns the address of the logged model of a kind."""
    experiment = store.experiment("served")
    for kind in KINDS:
        run_id = store.start_run(experiment, f"finetune {kind}", {})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # MLflow calls pandas and pydantic in outdated ways
            log_task_model(store, run_id, task_of(kind, kind), model_folder(kind))
        store.end_run(run_id, "FINISHED")
    models = store.client.search_logged_models([experiment])
    return {model.name: model.model_uri for model in models}.__getitem__


def clean_environment() -> dict[str, str]:
    """An environment in which textmill's code is only to be had from the model."""
    return {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }


def check(answers: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    assert len(answers) == len(expected)
    for answer, right in zip(answers, expected, strict=True):
        score, right_score = answer.pop("score", 0.0), right.pop("score", 0.0)
        assert score == pytest.approx(right_score, abs=1e-5)
        assert answer == right


QUICK_KINDS = ("classification", "translation")
"""Kinds that are served without the marker slow: one of labels and one of texts."""


@pytest.fixture(
    params=[
        pytest.param(kind, marks=() if kind in QUICK_KINDS else pytest.mark.slow)
        for kind in sorted(KINDS)
    ]
)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def expected(model_folder: Callable[[str], Path], kind: str) -> list[dict[str, Any]]:
    """What the model of a kind answers here."""
    rows = rows_of(kind)
    inputs = rows if len(rows[0]) > 1 else TEXTS
    answers = load_predictor(model_folder(kind))(inputs)
    if answers_of(kind).WRITES is not None:
        answers = [answer | {"filtered": []} for answer in answers]
    return answers


def rows_of(kind: str) -> list[dict[str, str]]:
    """The texts, in each of the columns of a kind."""
    columns = answers_of(kind).columns(examples_of(kind).Spec(*SPECS[kind]))
    return [dict.fromkeys(columns, text) for text in TEXTS]


def test_a_fresh_process_that_refuses_pickles_gets_the_same_predictions(
    store: Store,
    model_uri: Callable[[str], str],
    kind: str,
    expected: list[dict[str, Any]],
    tmp_path: Path,
) -> None:
    script = tmp_path / "load.py"
    script.write_text(LOAD)
    done = subprocess.run(
        [sys.executable, str(script), store.uri, model_uri(kind), json.dumps(rows_of(kind))],
        env=clean_environment(),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=START_S,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("ANSWERS ")]
    assert lines, done.stderr[-2000:]
    check(json.loads(lines[0].removeprefix("ANSWERS ")), expected)


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "task.json"])
@pytest.mark.filterwarnings("ignore")
def test_a_damaged_copy_is_not_loaded(
    store: Store, model_uri: Callable[[str], str], name: str
) -> None:
    model = store.client.get_logged_model(model_uri("classification").removeprefix("models:/"))
    place = Path(model.artifact_location.removeprefix("file://"))
    (file,) = place.glob(f"artifacts/*/{name}")
    content = file.read_bytes()
    flipped = bytearray(content)
    flipped[len(content) // 2] ^= 4
    store.use()
    try:
        file.write_bytes(flipped)
        with pytest.raises(
            RunError, match=f"{name} is damaged, its digest differs from the recorded one"
        ):
            mlflow.pyfunc.load_model(model.model_uri)
    finally:
        file.write_bytes(content)
    mlflow.pyfunc.load_model(model.model_uri)


@pytest.mark.filterwarnings("ignore")
def test_filters_travel_with_a_model_that_writes_texts(
    store: Store,
    model_folder: Callable[[str], Path],
    task_of: Callable[[str, str], TaskConfig],
    tmp_path: Path,
) -> None:
    words = tmp_path / "words.txt"
    words.write_text("sad\n")
    rule = FilterConfig(category="mood", path=str(words), action="block")
    run_id = store.start_run(store.experiment("filtered"), "finetune translation", {})
    log_task_model(
        store,
        run_id,
        task_of("translation", "translation"),
        model_folder("translation"),
        partial(write_filters, [rule], {}),
    )
    store.end_run(run_id, "FINISHED")
    logged = find_logged_model(store, run_id)
    assert logged is not None
    moved = tmp_path / "elsewhere"
    shutil.copytree(logged.artifact_location.removeprefix("file://"), moved)
    words.unlink()
    model = mlflow.pyfunc.load_model(str(moved))
    free, blocked = model.predict(pd.DataFrame({"text": ["the room", "sad staff"]})).to_dict(
        "records"
    )
    decision = {"category": "mood", "action": "block", "side": "prompt", "start": 0, "end": 3}
    assert blocked["filtered"] == [decision | {"language": None}]
    assert blocked["translation"] is blocked["is_cut"] is None
    assert (free["filtered"], type(free["translation"])) == ([], str)


@contextmanager
def serving(uri: str, store: Store, folder: Path) -> Iterator[str]:
    """Yield the address of `mlflow models serve` while it runs."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["-m", "mlflow", "models", "serve", "-m", uri, "--env-manager", "local"]
    log = folder / "serve.log"
    with log.open("w") as output:
        server = subprocess.Popen(
            [sys.executable, *words, "--host", "127.0.0.1", "--port", str(port)],
            env=clean_environment() | {"MLFLOW_TRACKING_URI": store.uri},
            cwd=folder,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    address = f"http://127.0.0.1:{port}"
    try:
        deadline_s = time.monotonic() + START_S
        while not answers_ping(address):
            assert server.poll() is None, log.read_text()[-3000:]
            assert time.monotonic() < deadline_s, log.read_text()[-3000:]
            time.sleep(0.2)
        yield address
    finally:
        os.killpg(server.pid, signal.SIGTERM)  # the command has started the server proper
        server.wait(30)


def answers_ping(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/ping", timeout=5) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def test_mlflow_models_serve_answers_a_data_frame(
    store: Store,
    model_uri: Callable[[str], str],
    kind: str,
    expected: list[dict[str, Any]],
    tmp_path: Path,
) -> None:
    rows = rows_of(kind)
    table = {"columns": [*rows[0]], "data": [[*row.values()] for row in rows]}
    with serving(model_uri(kind), store, tmp_path) as address:
        request = urllib.request.Request(
            f"{address}/invocations",
            json.dumps({"dataframe_split": table}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as response:
            answers = json.load(response)["predictions"]
    check(answers, expected)
