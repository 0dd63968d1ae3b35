"""Specifies extensions from outside: a filter, a metric and a kind of task of a user's own."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from pathlib import Path

import mlflow
import pyarrow.parquet as pq
import pytest
from mlflow.entities import Run

from tests.e2e.conftest import SMALL, Product

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

STARS = Path(__file__).parents[1] / "extensions" / "stars"
OWN = """
from textmill.corpus.cleaning.filters import Filter
from textmill.evaluation.metrics import Metric


class Shouting(Filter):
    name = "shouting"

    def judge(self, documents):
        for document in documents:
            yield self.reject("capitals") if document.text.isupper() else None


FILTERS = (Shouting(),)
METRICS = {"classification": (Metric("words", of_example=lambda row: len(row["text"].split())),)}
"""
CONFIG = """
defaults: [base, _self_]
experiment: stars
extensions: [own.py, stars]
corpus:
  sources: [{name: own, path: texts.jsonl}]
  validation_share: 0.2
  task_texts: {enabled: false}  # they are those of the source
tasks:
  - {name: stars, kind: stars, train: train.jsonl, test: test.jsonl}
  - {name: mood, kind: classification, train: train.jsonl, test: test.jsonl, label: mood}
"""
SETTINGS = [one for one in SMALL if not one.startswith(("sample.", "tasks.", "tokenizer."))]
SETTINGS.append("tokenizer.vocab_size=280")
SERVED = """
import sys, json, mlflow, pandas as pd
model = mlflow.pyfunc.load_model(sys.argv[1])
print(json.dumps(model.predict(pd.DataFrame({"text": ["good good meal"]})).to_dict("records")))
"""


@pytest.fixture(scope="module")
def stars(tmp_path_factory: pytest.TempPathFactory) -> Product:
    product = Product(tmp_path_factory.mktemp("stars"))
    folder, rng = product.folder, random.Random(0)
    words = ["good", "poor", "meal", "room", "and"]
    texts = [" ".join(rng.choices(words, k=12)) for _ in range(400)]
    texts[:30] = [text.upper() for text in texts[:30]]
    for name, rows in (("texts", texts), ("train", texts[100:300]), ("test", texts[300:360])):
        lines = [
            {"text": t, "stars": str(min(5, 1 + t.count("good"))), "mood": str("good" in t)}
            for t in rows
        ]
        (folder / f"{name}.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in lines))
    (folder / "own.py").write_text(OWN)
    shutil.copytree(STARS, folder / "stars")
    (folder / "my.yaml").write_text(CONFIG)
    done = product.run("run", "--config", "my.yaml", *SETTINGS)
    assert done.returncode == 0, done.stderr
    return product


@pytest.fixture(scope="module")
def parent(stars: Product) -> Run:
    mlflow.set_tracking_uri(f"sqlite:///{stars.folder}/mlruns/mlflow.db")
    [run] = mlflow.MlflowClient().search_runs(
        [mlflow.MlflowClient().get_experiment_by_name("stars").experiment_id],
        "tags.`textmill.kind`='pipeline' and attributes.status='FINISHED'",
    )
    return run


def test_its_filter_rejects_and_is_counted(stars: Product, parent: Run) -> None:
    [shard] = (stars.folder / "mlruns").glob("**/output/rejected/*.parquet")
    reasons = pq.read_table(shard)["reason"].to_pylist()
    assert reasons.count("shouting") > 20


def test_its_scores_stand_on_the_parent_run_and_decide(parent: Run) -> None:
    assert 0 < parent.data.metrics["stars/mean_error"] < 4
    assert parent.data.metrics["baseline/stars/mean_error"] > 0
    assert parent.data.metrics["mood/words"] == 12
    [line] = [v for k, v in parent.data.tags.items() if k == "textmill.promotion.stars"]
    rejections = "worse than the baseline median", "no better than the trivial model"
    assert "better than the baseline median" in line or any(
        f"rejected v1: {reason}: mean_error" in line for reason in rejections
    )


def test_its_code_lies_beside_the_run(parent: Run) -> None:
    client = mlflow.MlflowClient()
    found = {file.path for file in client.list_artifacts(parent.info.run_id, "extensions")}
    assert found == {"extensions/own.py", "extensions/stars"}


def test_a_served_model_carries_its_kind(stars: Product, parent: Run) -> None:
    client = mlflow.MlflowClient()
    models = client.search_logged_models([parent.info.experiment_id])
    [model] = [model for model in models if model.name == "stars"]
    done = subprocess.run(
        [sys.executable, "-c", SERVED, model.model_uri],
        capture_output=True,
        text=True,
        cwd=stars.folder,
        env={"PATH": "", "MLFLOW_TRACKING_URI": mlflow.get_tracking_uri()},
    )
    assert done.returncode == 0, done.stderr
    [answer] = json.loads(done.stdout.splitlines()[-1])
    assert answer["label"] in set("12345")


def test_a_changed_page_computes_nothing_and_a_changed_metric_its_tasks(
    stars: Product,
) -> None:
    page, metrics = stars.folder / "stars" / "page.py", stars.folder / "stars" / "metrics.py"
    before = page.read_text(), metrics.read_text()
    try:
        page.write_text(before[0].replace("(5, 3)", "(6, 3)"))
        assert computed(stars) == set()
        metrics.write_text(before[1].replace("abs(int", "0 + abs(int"))
        # The metric chooses the task's model.
        assert computed(stars) == {"baseline stars", "finetune stars", "evaluate stars"}
    finally:
        page.write_text(before[0])
        metrics.write_text(before[1])


def computed(product: Product) -> set[str]:
    """The steps that `textmill status` would compute."""
    out = product.run("status", "--config", "my.yaml", *SETTINGS).stdout
    labels = {" ".join(line.split()[:2]) for line in out.splitlines() if " compute" in line}
    return {label for label in labels if "steps:" not in label}


def test_recorded_code_is_run_only_if_it_is_asked_for(stars: Product, parent: Run) -> None:
    own = stars.folder / "own.py"
    own.rename(stars.folder / "moved.py")
    try:
        refused = stars.run("reproduce", parent.info.run_id)
        assert refused.returncode == 2
        assert "own.py is missing, or has changed since the run" in refused.stderr
        done = stars.run("reproduce", parent.info.run_id, "--recorded-extensions")
        assert done.returncode == 0, done.stderr
    finally:
        (stars.folder / "moved.py").rename(own)
