from __future__ import annotations

import json
from pathlib import Path

import pytest
from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from tests.e2e.conftest import Product
from tests.e2e.test_bad_input import CONFIG, NOTE, TRAIN

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

SECOND = "  - {name: place, kind: tagging, train: train.jsonl, test: test.jsonl}\n"
TAGGED = [
    {"tokens": ["the", "old", "harbour"], "ner_tags": ["O", "O", "B-LOC"]},
    {"tokens": ["no", "place", "at", "all"], "ner_tags": ["O", "O", "O", "O"]},
]
UNKNOWN = {"tokens": ["Mara", "left"], "ner_tags": ["B-PER", "O"]}


def write(file: Path, rows: list[dict[str, list[str]]]) -> None:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))


def newest_parent(folder: Path) -> Run:
    client = MlflowClient(f"sqlite:///{folder}/mlruns/mlflow.db")
    experiments = [e.experiment_id for e in client.search_experiments()]
    return client.search_runs(experiments, "tags.`textmill.kind`='pipeline'")[0]


def test_a_failing_task_leaves_the_others_and_is_made_good_by_itself(product: Product) -> None:
    folder = product.folder
    (folder / "my.yaml").write_text(CONFIG + SECOND)
    (folder / "notes.jsonl").write_text("".join(NOTE % i for i in range(200)))
    (folder / "train.csv").write_text(TRAIN)
    (folder / "test.csv").write_text("text,label\na fine day,good\n")
    write(folder / "train.jsonl", TAGGED * 20)
    write(folder / "test.jsonl", [*TAGGED, UNKNOWN])

    done = product.run("run", "--config", "my.yaml")
    assert (done.returncode, "Traceback" in done.stderr) == (2, False), done.stderr
    assert "place: " in done.stderr.splitlines()[-1]
    lines = done.stderr.splitlines()
    told = next(i for i, line in enumerate(lines) if "test.jsonl:3" in line)
    assert told < next(i for i, line in enumerate(lines) if "pretrain: " in line)
    parent = newest_parent(folder)
    assert parent.info.status == "FAILED"
    assert parent.data.tags["textmill.failure"].startswith("place: ")
    assert "mood/accuracy" in parent.data.metrics
    assert not any(name.startswith("place/") for name in parent.data.metrics)

    write(folder / "test.jsonl", TAGGED)
    done = product.run("run", "--config", "my.yaml")
    assert done.returncode == 0, done.stderr
    computed = [line.split()[1:3] for line in done.stderr.splitlines() if ": computed" in line]
    # Its time is now part of the budget, whose choices stay the same here.
    expected = [[name, "place:"] for name in ("baseline", "finetune", "evaluate")]
    assert sorted(words for words in computed if words[0] != "budget:") == sorted(expected)
    assert {"mood/accuracy", "place/f1"} <= newest_parent(folder).data.metrics.keys()


def test_a_run_from_a_step_reuses_what_precedes_it_and_computes_nothing_else(
    product: Product,
) -> None:
    (product.folder / "my.yaml").write_text(CONFIG)
    (product.folder / "notes.jsonl").write_text("".join(NOTE % i for i in range(200)))
    (product.folder / "train.csv").write_text(TRAIN)
    (product.folder / "test.csv").write_text("text,label\na fine day,good\n")
    refused = product.run("run", "--from", "finetune", "--config", "my.yaml")
    assert refused.returncode == 2
    assert "baseline mood has no stored result" in refused.stderr
    assert "computed" not in refused.stderr

    assert product.run("run", "--config", "my.yaml").returncode == 0
    settings = ["--config", "my.yaml", "tasks.mood.finetune.epochs=2"]
    done = product.run("run", "--from", "finetune mood", *settings)
    assert done.returncode == 0, done.stderr
    computed = [line.split() for line in done.stderr.splitlines() if ": computed" in line]
    made = [words[1:3] for words in computed if words[1] != "budget:"]  # with other times
    assert made == [["finetune", "mood:"], ["evaluate", "mood:"]]
    command = newest_parent(product.folder).data.tags["textmill.command"]
    assert command.startswith("textmill run '--from=finetune mood' --config ")

    refused = product.run("run", "--from", "finetune", "pretrain.seed=7", *settings)
    assert (refused.returncode, "computed" in refused.stderr) == (2, False)
    assert "pretrain has no stored result for this configuration: run it first" in refused.stderr
