from __future__ import annotations

from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from tests.e2e.conftest import Product

pytestmark = pytest.mark.filterwarnings("ignore")
SLOW = pytest.mark.slow

CONFIG = """
defaults: [base, _self_]
corpus:
  sources: [{name: notes, path: notes.jsonl}]
  near_duplicates: {enabled: false}
  task_texts: {enabled: false}
tokenizer: {vocab_size: 300}
model: {n_layer: 1, n_head: 1, n_embd: 8, block_size: 16, dropout: 0}
pretrain: {max_steps: 2, warmup_steps: 1, micro_batch_size: 2}
finetune: {epochs: 1}
tasks:
  - {name: mood, kind: classification, train: train.csv, test: test.csv}
"""
BEHAVIOUR = """tests:
  - {name: praise, kind: minimum, template: a fine day, expect: good}
"""
NOTE = '{"text": "The ferry leaves the old harbour at noon, number %d."}\n'
TRAIN = "text,label\n" + "a fine day,good\na grey day,bad\n" * 20


@pytest.fixture
def project(product: Product) -> Product:
    """A user's folder with data of each sort, all of it sound."""
    tested = CONFIG.replace("test.csv}", "test.csv, behaviour: tests.yaml}")
    (product.folder / "my.yaml").write_text(tested)
    (product.folder / "notes.jsonl").write_text("".join(NOTE % i for i in range(200)))
    (product.folder / "train.csv").write_text(TRAIN)
    (product.folder / "test.csv").write_text("text,label\na fine day,good\n")
    (product.folder / "tests.yaml").write_text(BEHAVIOUR)
    return product


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("pretrain.max_step=3", "pretrain.max_steps"),
        ("pretrain.micro_batch_size=0", "pretrain.micro_batch_size=0"),
        ("model.n_head=3", "n_embd to 9"),
        pytest.param("corpus.sources=[{name: a, path: nowhere.txt}]", "nowhere.txt", marks=SLOW),
    ],
)
def test_a_bad_setting_is_named_with_its_fix(project: Product, override: str, named: str) -> None:
    done = project.run("run", "--config", "my.yaml", override)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert named in done.stderr


@pytest.mark.parametrize(
    ("file", "content", "named"),
    [
        pytest.param("notes.jsonl", "", "notes.jsonl", marks=SLOW),
        pytest.param("notes.jsonl", NOTE % 1 + '{"text": \n', "notes.jsonl:2", marks=SLOW),
        pytest.param("train.csv", TRAIN.replace("label", "mood"), "tasks.mood.label", marks=SLOW),
        pytest.param("test.csv", "text,label\nan odd day,strange\n", "test.csv:2", marks=SLOW),
        pytest.param(
            "tests.yaml",
            BEHAVIOUR.replace("good", "great"),
            "tests.yaml:2: praise: the label 'gr",
            marks=SLOW,
        ),
    ],
    ids=["empty corpus", "broken JSON", "missing column", "unknown label", "unknown answer"],
)
def test_bad_data_is_named_and_leaves_no_run_open(
    project: Product, file: str, content: str, named: str
) -> None:
    (project.folder / file).write_text(content)
    done = project.run("run", "--config", "my.yaml")
    assert (done.returncode, "Traceback" in done.stderr) == (2, False), done.stderr
    assert named in done.stderr
    assert "pretrain: " not in done.stderr  # found before hours of training
    client = MlflowClient(f"sqlite:///{project.folder}/mlruns/mlflow.db")
    runs = client.search_runs([e.experiment_id for e in client.search_experiments()])
    assert "RUNNING" not in {run.info.status for run in runs}
    assert not list(Path(project.folder, "mlruns", "wip").glob("*/out"))


@SLOW
def test_bad_examples_are_found_before_a_backbone_is_made_for_them(project: Product) -> None:
    (project.folder / "train.csv").write_text(TRAIN.replace("label", "mood"))
    done = project.run("finetune", "mood", "--config", "my.yaml")
    assert (done.returncode, "Traceback" in done.stderr) == (2, False), done.stderr
    assert "tasks.mood.label" in done.stderr
    assert "clean: " not in done.stderr


@SLOW
def test_a_tracking_address_that_does_not_answer_is_named(project: Product) -> None:
    address = "http://127.0.0.1:9"
    done = project.run("run", "--config", "my.yaml", f"tracking.uri={address}")
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert f"{address} does not answer" in done.stderr
