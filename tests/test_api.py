"""Specifies textmill in Python: what the command line does, as values."""

from __future__ import annotations

import json
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, cast

import pytest
from mlflow.tracking import MlflowClient

from tests.e2e.conftest import SMALL, Product
from textmill import api
from textmill.errors import InputError
from textmill.tasks.ensemble.predictor import Predictor

pytestmark = pytest.mark.filterwarnings("ignore")  # third parties' warnings inside MLflow

SETTINGS = [
    *(setting for setting in SMALL if not setting.startswith("tasks.")),
    "tasks=[sample-topic]",
    "pretrain.max_steps=8",
    "finetune.epochs=1",
]
TEXTS = ["The team won again.", "The minister resigned."]
# As in a notebook, an event loop runs; and nothing keeps the processes of steps from the script.
SCRIPT = f"""
import asyncio, json, logging, os
from textmill import api
from textmill.errors import InputError

print("begun", flush=True)
os.umask(0o027)

async def cell():
    return api.run("demo", {SETTINGS!r})

result = asyncio.run(cell())
again = api.run("demo", {SETTINGS!r})
loaded = api.load_task("demo.topic/1")
messages = []
for name in ("demo.topic@nobody", "demo.topic", "demo.backbone/1"):
    try:
        api.load_task(name)
    except InputError as error:
        messages.append(str(error))
print(json.dumps({{
    "run_ids": [result.run_id, again.run_id],
    "url": result.url,
    "scores": {{task: {{name: vars(score) for name, score in of_task.items()}}
               for task, of_task in result.scores.items()}},
    "models": [{{name: vars(model) for name, model in r.models.items()}} for r in (result, again)],
    "reports": [str(result.report), str(again.report)],
    "predictions": loaded({TEXTS!r}),
    "prediction": loaded({TEXTS[0]!r}),
    "model_run": loaded.run_id,
    "messages": messages,
    "umask": os.umask(0),
    "level": logging.getLogger("textmill").level,
}}))
"""


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Product:
    return Product(tmp_path_factory.mktemp("api"))


@pytest.fixture(scope="module")
def said(product: Product) -> dict[str, Any]:
    """What a script has said that ran a small pipeline twice, and asked its model."""
    script = product.folder / "script.py"
    script.write_text(SCRIPT)
    asked = Product(product.folder, command=Path(sys.executable)).run(str(script))
    assert asked.returncode == 0, asked.stderr
    assert asked.stderr.count("finetune topic: computed") == 1
    assert asked.stderr.count("finetune topic: reused") == 1
    begun, values = asked.stdout.splitlines()
    assert begun == "begun"
    return dict(json.loads(values))


@pytest.fixture
def client(product: Product) -> MlflowClient:
    return MlflowClient(f"sqlite:///{product.folder}/mlruns/mlflow.db")


@pytest.mark.slow
def test_the_scores_are_those_of_the_run_with_intervals_and_baselines(
    said: dict[str, Any], client: MlflowClient
) -> None:
    metrics = client.get_run(said["run_ids"][0]).data.metrics
    assert said["scores"].keys() == {"topic", "lm"}
    named = {"topic": ("accuracy", "f1_macro"), "lm": ("val_loss", "perplexity", "bits_per_byte")}
    for task, names in named.items():
        for name in names:
            score = said["scores"][task][name]
            assert score["value"] == pytest.approx(metrics[f"{task}/{name}"])
            assert score["low"] <= score["value"] <= score["high"]
            assert score["low"] < score["high"]
            assert score["baseline"] == pytest.approx(metrics[f"baseline/{task}/{name}"])
    assert said["scores"]["topic"]["accuracy"]["trivial"] is not None
    assert said["scores"]["lm"]["val_loss"]["trivial"] is None


@pytest.mark.slow
def test_the_models_are_the_registered_versions_of_a_run_that_reuses_them_too(
    said: dict[str, Any], client: MlflowClient
) -> None:
    first, again = said["models"]
    assert first == again
    assert first.keys() == {"topic", "backbone"}
    for task, model in first.items():
        assert (model["name"], model["version"]) == (f"demo.{task}", "1")
        version = client.get_model_version(model["name"], model["version"])
        assert model["is_champion"] == ("champion" in version.aliases)
        assert model["decision"] == ("promoted" if model["is_champion"] else "rejected")
        assert model["reason"] == version.tags["textmill.reason"]


@pytest.mark.slow
def test_the_report_and_the_page_are_those_of_the_run(said: dict[str, Any]) -> None:
    first, again = map(Path, said["reports"])
    assert first != again
    assert "<h1" in first.read_text()
    assert f"/runs/{said['run_ids'][0]}" in said["url"]


@pytest.mark.slow
def test_a_loaded_task_predicts_as_the_command_does(said: dict[str, Any], product: Product) -> None:
    file = product.folder / "texts.txt"
    file.write_text("\n".join(TEXTS))
    done = product.run("predict", "topic", "--file", str(file))
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row.pop("text") for row in rows] == TEXTS
    assert {row.pop("run") for row in rows} == {said["model_run"]}
    assert {row.pop("model_version") for row in rows} == {"1"}
    assert said["predictions"] == rows
    one = said["prediction"]  # rounded otherwise than in a batch
    assert one | {"score": pytest.approx(one["score"])} == rows[0]


@pytest.mark.slow
def test_what_names_no_task_is_refused_with_the_fix(said: dict[str, Any]) -> None:
    unknown, bare, backbone = said["messages"]
    assert "There is no model 'demo.topic@nobody'" in unknown
    assert "'demo.topic' is not a model: write m-ID" in bare
    assert "demo.backbone/1 is not a task model, it was created by the step pretrain" in backbone


@pytest.mark.slow
def test_the_process_is_afterwards_as_it_was(said: dict[str, Any]) -> None:
    assert (said["umask"], said["level"]) == (0o027, 0)


def test_a_wrong_setting_is_refused_before_anything_is_loaded() -> None:
    code = (
        "import sys; from textmill import api\n"
        "try: api.run('demo', ['pretrain.max_stepz=1'])\n"
        "except ValueError as error: print(error, {'prefect', 'mlflow', 'torch'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "Did you mean pretrain.max_steps?" in done.stdout
    assert done.stdout.endswith("set()\n")


class Echo:
    """A predictor that returns its inputs."""

    def __init__(self, *columns: str) -> None:
        self.columns = columns

    def __call__(self, inputs: list[Any]) -> list[dict[str, Any]]:
        return [{"given": given} for given in inputs]


def test_something_else_than_texts_is_refused() -> None:
    model = api.TaskModel(cast(Predictor, Echo("text")), "1")
    assert model("a") == {"given": "a"}
    with pytest.raises(InputError, match=r"texts\[1\]: 5 is not a string"):
        model(cast(list[str], ["a", 5]))
    with pytest.raises(InputError, match=r"texts: \{'text': 'a'\} is not a string"):
        model({"text": "a"})


def test_a_mapping_is_one_input_of_a_model_with_several_columns() -> None:
    model = api.TaskModel(cast(Predictor, Echo("question", "context")), "1")
    given = {"question": "Who?", "context": "Ann is in."}
    assert model(given | {"id": "1"}) == {"given": given}
    assert model([given, given]) == [{"given": given}] * 2
    with pytest.raises(InputError, match=r"texts\[1\]: 'Who\?' has no question and context"):
        model([given, "Who?"])


class Frame(HTMLParser):
    """The attributes of a frame."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.frames: list[dict[str, str | None]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag == "iframe"
        self.frames.append(dict(attrs))


def test_a_notebook_shows_the_report_and_runs_nothing_of_it(tmp_path: Path) -> None:
    page = '<p title="a & b">one</p></iframe><script>alert("&quot;")</script>'
    report = tmp_path / "report.html"
    report.write_text(page)
    result = api.Result("3f9a", "http://127.0.0.1:5000", {}, {}, report)
    (frame,) = Frame(result._repr_html_()).frames
    assert frame["srcdoc"] == page
    assert "allow-scripts" not in (frame["sandbox"] or "")


def test_what_is_public() -> None:
    assert api.__all__ == ["Model", "Result", "Score", "TaskModel", "load_task", "run"]
