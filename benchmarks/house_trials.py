"""What shows that a change of textmill works: real runs of the changed tree on tiny data."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from mlflow import MlflowClient

from benchmarks.small_demo import SMALL

EXPERIMENT = "house"
CONFIG = f"""
defaults: [base, _self_]
experiment: {EXPERIMENT}
data_root: .
corpus:
  sources: [{{name: own, path: texts.jsonl}}]
  validation_share: 0.2
  task_texts: {{enabled: false}}
promotion: {{must_beat: trivial}}
"""
SETTINGS = [one for one in SMALL if not one.startswith(("sample.", "tasks.", "tokenizer."))]
SETTINGS.append("tokenizer.vocab_size=280")
PEOPLE = (
    "tasks=[{name: people, kind: tagging, train: people-train.jsonl, test: people-test.jsonl}]",
    "finetune.epochs=8",
    "finetune.learning_rate=0.01",
)
NAMES = ("rose", "may", "hope", "grace", "dawn")
N_CAPITALS = 30
"""Texts in capitals."""
MAX_RUN_S = 600

Claims = Mapping[str, bool]
"""What a change has to bring about, and whether it did."""


class Product:
    """A changed tree, run in a folder of its own with the interpreter of this process."""

    def __init__(self, tree: Path, folder: Path) -> None:
        self.tree = tree
        self.folder = folder
        write_data(folder)

    def run(self, *command: str, settings: Sequence[str] = ()) -> str:
        """Return what a command of textmill writes on its standard output.

        Raises:
            RuntimeError: it failed; with the end of what it wrote.
        """
        words = (*command, "--config", "house.yaml", *SETTINGS, *settings)
        return self.python("-m", "textmill_flows", *words)

    def python(self, *words: str, cwd: Path | None = None) -> str:
        """Return what Python writes when it finds the changed tree before all else.

        Raises:
            RuntimeError: it failed; with the end of what it wrote.
        """
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
        environment.pop("MLFLOW_TRACKING_URI", None)
        environment |= {"PYTHONPATH": str(self.tree / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            [sys.executable, *words],
            cwd=cwd or self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=MAX_RUN_S,
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(words)}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
        return done.stdout

    @cached_property
    def store(self) -> MlflowClient:
        """The store that it made."""
        return MlflowClient(f"sqlite:///{self.folder}/mlruns/mlflow.db")

    def newest(self, tag: str, value: str) -> Any:
        """Return the newest finished run of the experiment with this tag, or None."""
        experiment = self.store.get_experiment_by_name(EXPERIMENT)
        condition = f"tags.`textmill.{tag}`='{value}' and attributes.status='FINISHED'"
        order = ["attributes.start_time DESC"]
        found = self.store.search_runs([experiment.experiment_id], condition, order_by=order)
        return found[0] if found else None

    def artifact(self, run: Any, name: str) -> Path:
        """Return the file of an artifact of a run."""
        return self.folder / "mlruns" / "artifacts" / run.info.run_id / "artifacts" / name


def write_data(folder: Path) -> None:
    """Write the corpus, the examples of two tasks, and the configuration that names them."""
    rng = random.Random(0)
    words = ("good", "poor", "meal", "room", "and")
    texts = [" ".join(rng.choices(words, k=12)) for _ in range(400)]
    shouted = [text.upper() if i < N_CAPITALS else text for i, text in enumerate(texts)]
    _write_lines(folder / "texts.jsonl", [{"text": text} for text in shouted])
    stars = [{"text": text, "stars": str(min(5, 1 + text.count("good")))} for text in texts]
    people = [_people(rng) for _ in range(400)]
    for name, rows in (("stars", stars), ("people", people)):
        _write_lines(folder / f"{name}-train.jsonl", rows[100:340])
        _write_lines(folder / f"{name}-test.jsonl", rows[340:])
    (folder / "house.yaml").write_text(CONFIG, encoding="utf-8")


def _people(rng: random.Random) -> dict[str, list[str]]:
    """Return words with tags: a name is a person only after "miss", which no lookup can tell."""
    tokens: list[str] = []
    tags: list[str] = []
    for _ in range(4):
        before = rng.choice(("miss", "the"))
        tokens += [before, rng.choice(NAMES)]
        tags += ["O", "B-PER" if before == "miss" else "O"]
    return {"tokens": tokens, "ner_tags": tags}


def _write_lines(file: Path, rows: list[dict[str, Any]]) -> None:
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")


def try_kind(product: Product) -> Claims:
    """Train, evaluate and ask a model of the new kind."""
    settings = ("tasks=[stars]",)
    product.run("run", settings=settings)
    parent = product.newest("kind", "pipeline")
    metrics, evaluation = parent.data.metrics, product.newest("step", "evaluate")
    report = product.artifact(parent, "report.html").read_text(encoding="utf-8")
    answer = json.loads(product.run("predict", "stars", "good good meal", settings=settings))
    return {
        "its metric is on the parent run": metrics.get("stars/mean_error", -1) >= 0,
        "and that of its baseline": metrics.get("baseline/stars/mean_error", -1) >= 0,
        "its baseline is in the report": "median" in report,
        "its plot is drawn": product.artifact(evaluation, "plots/errors.png").is_file(),
        "its own fact is in the report": "stars off" in report,
        "its model answers": answer["label"] in {*"12345"},
    }


def try_filter(product: Product) -> Claims:
    """Clean a corpus with texts that the new filter rejects."""
    product.run("prepare", settings=["corpus.capitals.enabled=true"])
    clean, parent = product.newest("step", "clean"), product.newest("kind", "pipeline")
    rejected = product.artifact(clean, "output/rejected")
    reasons = [r for file in rejected.iterdir() for r in pq.read_table(file)["reason"].to_pylist()]
    page = product.artifact(parent, "data.html").read_text(encoding="utf-8")
    return {
        "it rejects the documents it should": reasons.count("capitals") == N_CAPITALS,
        "a metric counts them": clean.data.metrics.get("rejected_capitals") == N_CAPITALS,
        "the page of the data describes it": "text in capitals" in page,
    }


def try_step(product: Product) -> Claims:
    """Prepare tokens of half the documents, and look at what another share would change."""
    product.run("prepare", settings=["subsample.share=0.5"])
    manifests = {
        step: json.loads(product.artifact(run, "output/manifest.json").read_text(encoding="utf-8"))
        for step in ("clean", "subsample", "tokenizer", "tokens")
        if (run := product.newest("step", step))
    }
    digest = manifests["subsample"]["digest"]
    n_train = {
        step: product.newest("step", step).data.metrics["train_documents"]
        for step in ("subsample", "tokens")
    }
    lines = product.run("status", settings=["subsample.share=0.25"]).splitlines()
    states = {words[0]: words[1] for line in lines if (words := line.split()) and line[0] != " "}
    places = [list(states).index(step) for step in manifests]
    return {
        "it reads what comes before": manifests["subsample"]["inputs"]["corpus"]["digest"]
        == manifests["clean"]["digest"],
        "later steps read its result": all(
            manifests[step]["inputs"]["corpus"]["digest"] == digest
            for step in ("tokenizer", "tokens")
        ),
        "it keeps a part": 0 < n_train["subsample"] == n_train["tokens"] < 300,
        "status shows it in its place": places == sorted(places),
        "status knows its settings": [states["clean"], states["subsample"]]
        == ["reused", "compute"],
    }


def try_score(product: Product) -> Claims:
    """Evaluate a task twice, with another seed, so that the second model has a champion."""
    for seed in (0, 1):
        product.run("run", settings=[*PEOPLE, f"finetune.seed={seed}"])
    parent = product.newest("kind", "pipeline")
    metrics, key = parent.data.metrics, "people/sentence_accuracy"
    report = product.artifact(parent, "report.html").read_text(encoding="utf-8")
    return {
        "it is on the parent run": 0 < metrics.get(key, -1) <= 1,
        "and that of the baseline": 0 <= metrics.get(f"baseline/{key}", -1) <= 1,
        "the report shows it": "sentence accuracy" in report,
        "the gate decides by it": "sentence_accuracy"
        in parent.data.tags["textmill.promotion.people"],
    }


TRIALS: Mapping[str, Callable[[Product], Claims]] = {
    "kind": try_kind,
    "filter": try_filter,
    "step": try_step,
    "score": try_score,
}
