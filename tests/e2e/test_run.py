from __future__ import annotations

import json
import time
from importlib.metadata import version
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from tests.e2e.conftest import SMALL, Product

pytestmark = pytest.mark.filterwarnings("ignore")  # third parties' warnings inside MLflow

STEPS = {
    "sample",
    "clean",
    "tokenizer",
    "tokens",
    "pretrain",
    "evaluate-lm",
    "baseline topic",
    "cases topic",
    "finetune topic",
    "evaluate topic",
    "behaviour topic",
    "baseline sentiment",
    "cases sentiment",
    "finetune sentiment",
    "evaluate sentiment",
    "behaviour sentiment",
    "baseline ner",
    "cases ner",
    "finetune ner",
    "evaluate ner",
    "behaviour ner",
    "baseline translation",
    "finetune translation",
    "evaluate translation",
}


METRIC = {"ner": "f1", "translation": "bleu", "backbone": "bits_per_byte"}
"""What models are judged by, those that are not by their accuracy."""


def runs_of(product: Product) -> list[Run]:
    client = MlflowClient(f"sqlite:///{product.folder}/mlruns/mlflow.db")
    return client.search_runs([e.experiment_id for e in client.search_experiments()])


def parents_of(product: Product) -> list[Run]:
    return [run for run in runs_of(product) if run.data.tags["textmill.kind"] == "pipeline"]


def test_every_step_is_a_finished_child_of_the_parent(finished: Product) -> None:
    first = parents_of(finished)[-1]
    children = [
        run
        for run in runs_of(finished)
        if run.data.tags.get("mlflow.parentRunId") == first.info.run_id
    ]
    assert {run.info.run_name for run in children} == STEPS
    assert {run.info.status for run in [first, *children]} == {"FINISHED"}


@pytest.mark.parametrize("prefix", ["", "baseline/"])
@pytest.mark.parametrize(
    "name",
    [
        "lm/val_loss",
        "lm/perplexity",
        "lm/bits_per_byte",
        "topic/accuracy",
        "topic/f1_macro",
        "sentiment/accuracy",
        "sentiment/f1_macro",
        "ner/precision",
        "ner/recall",
        "ner/f1",
        "translation/bleu",
        "translation/chrf",
    ],
)
def test_the_parent_carries_the_summary(finished: Product, prefix: str, name: str) -> None:
    assert parents_of(finished)[-1].data.metrics[prefix + name] > 0


def test_the_parent_records_config_commit_machine_and_prefect_run(finished: Product) -> None:
    parent = parents_of(finished)[-1]
    assert parent.data.params["pretrain.max_steps"] == "40"
    assert parent.data.tags["textmill.config"] == "demo"
    assert parent.data.tags["prefect.flow_run_id"]
    assert json.loads(parent.data.tags["textmill.machine"])["cores"]


def test_a_score_can_be_recomputed_from_the_predictions(finished: Product) -> None:
    run = next(r for r in runs_of(finished) if r.info.run_name == "evaluate topic")
    folder = Path(run.info.artifact_uri.removeprefix("file://")) / "output"
    rows = [json.loads(line) for line in (folder / "predictions.jsonl").read_text().splitlines()]
    share = sum(row["label"] == row["reference"] for row in rows) / len(rows)
    assert run.data.metrics["accuracy"] == pytest.approx(share)


def test_the_task_model_answers_a_data_frame_of_texts(
    finished: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = f"sqlite:///{finished.folder}/mlruns/mlflow.db"
    # MLflow writes the variable too: so it is taken back, and no other test finds this store.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    client = MlflowClient(store)
    experiment = client.get_experiment_by_name("demo").experiment_id
    models = client.search_logged_models([experiment])
    by_name = {model.name: model for model in models}
    assert by_name.keys() == {"topic", "sentiment", "ner", "translation", "backbone"}
    mlflow.set_tracking_uri(store)
    texts = pd.DataFrame({"text": ["The soup was cold.", "They won again."]})
    answers = mlflow.pyfunc.load_model(by_name["topic"].model_uri).predict(texts)
    assert list(answers["score"].between(0, 1)) == [True, True]
    answers = mlflow.pyfunc.load_model(by_name["ner"].model_uri).predict(texts)
    assert [type(entities) for entities in answers["entities"]] == [list, list]


def test_the_parent_has_a_report_with_the_scores_of_this_run(finished: Product) -> None:
    parent = parents_of(finished)[-1]
    client = MlflowClient(f"sqlite:///{finished.folder}/mlruns/mlflow.db")
    page = Path(client.download_artifacts(parent.info.run_id, "report.html")).read_text()
    scores = {k: v for k, v in parent.data.metrics.items() if not k.startswith("baseline/")}
    assert len(scores) >= 10
    # Differences between groups have a sign in the report.
    shown = {k: [f">{sign}{v:,.3f}<" for sign in ("", "+", "-")] for k, v in scores.items()}
    assert [key for key, cells in shown.items() if not any(map(page.__contains__, cells))] == []
    for words in ("generated sample data are meaningless", "textmill run --config demo", "kept"):
        assert words in page
    assert len(page) < 2_000_000
    *_, last = (line for line in finished.first_err.splitlines() if "report: " in line)
    assert Path(last.partition("report: ")[2]).read_text() == page


def test_every_model_has_a_card_with_its_scores(finished: Product) -> None:
    client = MlflowClient(f"sqlite:///{finished.folder}/mlruns/mlflow.db")
    experiment = client.get_experiment_by_name("demo").experiment_id
    for model in client.search_logged_models([experiment]):
        card = model.tags["mlflow.note.content"]
        file = Path(model.artifact_location.removeprefix("file://"), "model_card.md")
        assert file.read_text() == card
        metric = METRIC.get(model.name, "accuracy")
        scores = "lm" if model.name == "backbone" else model.name
        value = parents_of(finished)[-1].data.metrics[f"{scores}/{metric}"]
        assert f"| {metric.replace('_', ' ')} | {value:.3f} |" in card


def test_a_second_run_reuses_every_step(finished: Product) -> None:
    before = len(runs_of(finished))
    started_s = time.monotonic()
    done = finished.run("run", *SMALL)
    assert done.returncode == 0
    assert time.monotonic() - started_s < 40
    assert done.stderr.count(": reused") == len(STEPS)
    assert len(runs_of(finished)) == before + 1  # the parent alone


def test_predict_answers_texts_and_files(finished: Product, tmp_path: Path) -> None:
    file = tmp_path / "texts.txt"
    file.write_text("A lovely evening.\n\nThe room was dirty.\n")
    done = finished.run("predict", "sentiment", "--file", str(file))
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["text"] for row in rows] == ["A lovely evening.", "", "The room was dirty."]
    assert {row["label"] for row in rows} <= {"negative", "positive"}


def test_predict_gives_entities_with_their_place_in_the_text(finished: Product) -> None:
    (file,) = finished.folder.glob("mlruns/artifacts/*/artifacts/output/ner/test.jsonl")
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    text = " ".join(word for row in rows for word in row["tokens"])
    done = finished.run("predict", "ner", text)
    assert done.returncode == 0, done.stderr
    entities = json.loads(done.stdout)["entities"]
    assert entities
    for entity in entities:
        assert text[entity["start"] : entity["end"]] == entity["text"]


def test_predict_takes_settings_with_a_text_and_without(finished: Product) -> None:
    for words in (["A lovely day.", "experiment=elsewhere"], ["experiment=elsewhere"]):
        done = finished.run("predict", "topic", *words)
        assert done.returncode == 2
        assert "The experiment 'elsewhere' has no such model yet" in done.stderr


def test_predict_translates(finished: Product) -> None:
    done = finished.run("predict", "translation", "The harbour is old.")
    assert done.returncode == 0, done.stderr
    row = json.loads(done.stdout)
    assert (row["text"], type(row["translation"])) == ("The harbour is old.", str)
    assert row.keys() == {"text", "translation", "is_cut", "filtered", "model_version", "run"}
    asked = finished.run("lineage", row["run"])
    assert asked.returncode == 0, asked.stderr
    assert "finetune translation" in asked.stdout
    assert all(step in asked.stdout for step in ("pretrain", "tokenizer", "clean"))


@pytest.mark.parametrize(
    ("task", "is_cut"), [("topic", False), ("ner", False), ("translation", True)]
)
def test_a_text_of_50_000_words_is_answered_and_says_whether_it_was_cut(
    finished: Product, tmp_path: Path, task: str, is_cut: bool
) -> None:
    file = tmp_path / "long.txt"
    file.write_text("harbour " * 50_000)
    done = finished.run("predict", task, "--file", str(file), timeout_s=60)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["is_cut"] == is_cut


@pytest.mark.parametrize("task", ["topic", "ner", "translation"])
def test_a_text_of_one_unknown_character_is_answered(finished: Product, task: str) -> None:
    done = finished.run("predict", task, "\N{EGYPTIAN HIEROGLYPH D010}")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["text"] == "\N{EGYPTIAN HIEROGLYPH D010}"


def test_the_signature_of_bleu_stands_beside_it(finished: Product) -> None:
    run = next(r for r in runs_of(finished) if r.info.run_name == "evaluate translation")
    assert "|tok:13a|" in run.data.tags["signature.bleu"]


def test_generate_goes_on_from_the_prompt(finished: Product) -> None:
    done = finished.run("generate", "The harbour", "generation.max_new_tokens=5")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("The harbour")


def test_help_is_quick_and_shows_an_example(product: Product) -> None:
    started_s = time.monotonic()
    done = product.run("finetune", "--help")
    assert "Example: textmill finetune" in done.stdout
    assert time.monotonic() - started_s < 1


def test_the_version_is_that_of_the_installed_package(product: Product) -> None:
    assert product.run("--version").stdout == f"textmill {version('textmill')}\n"


@pytest.mark.slow
def test_pretraining_goes_on_from_an_earlier_backbone_and_its_tokenizer(
    finished: Product,
) -> None:
    (earlier,) = (run for run in runs_of(finished) if run.info.run_name == "pretrain")
    folder = f"mlruns/artifacts/{earlier.info.run_id}/artifacts/output"
    done = finished.run(
        "pretrain", *SMALL, "experiment=onward", "model.n_layer=2", "pretrain.learning_rate=1e-6",
        f"tokenizer.init_from={folder}", f"pretrain.init_from={folder}",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (later,) = (
        run
        for run in runs_of(finished)
        if run.info.run_name == "pretrain" and run.info.run_id != earlier.info.run_id
    )
    loss = "validation/loss"
    assert later.data.metrics[loss] == pytest.approx(earlier.data.metrics[loss], abs=0.02)
    assert "init_from" in {entry.dataset.name for entry in later.inputs.dataset_inputs}

    for setting, message in (
        ("pretrain.init_from=nowhere", "nowhere has no model: config.json is missing"),
        (f"pretrain.init_from={folder}", "the model in"),
    ):
        wrong = finished.run("pretrain", *SMALL, "experiment=onward", "model.n_head=4", setting)
        assert (wrong.returncode, message in wrong.stderr) == (2, True), wrong.stderr
