"""Specifies a run with the memorization audit: its scores where the others are, and the gate."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from tests.e2e.conftest import SMALL, Product

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

AUDIT = [
    "tasks=[]",
    *(setting for setting in SMALL if not setting.startswith("tasks.")),
    "audit.enabled=true",
    "audit.canaries=3",
    "audit.alternatives=100",
    "audit.prompt_tokens=8",
    "audit.continuation_tokens=8",
]
CEILING = "promotion.floors={lm: {audit/exposure/1: 0}}"


def test_a_backbone_that_memorizes_more_than_is_allowed_is_not_promoted(product: Product) -> None:
    done = product.run("run", *AUDIT, CEILING)
    assert done.returncode == 0, done.stderr
    assert "| canaries, 16 × in the text | 3 |" in done.stderr
    assert "rejected v1: audit/exposure/1 " in done.stderr
    assert " is above the maximum of 0" in done.stderr

    client = MlflowClient(f"sqlite:///{product.folder}/mlruns/mlflow.db")
    runs = client.search_runs([found.experiment_id for found in client.search_experiments()])
    (parent,) = (run for run in runs if run.data.tags["textmill.kind"] == "pipeline")
    (step,) = (run for run in runs if run.info.run_name == "audit")
    assert parent.data.metrics["lm/perplexity"] > 0
    scores = {name for name in step.data.metrics if name.startswith("audit/")}
    assert {"audit/exposure/4", "audit/extracted/16", "audit/verbatim/excess"} <= scores
    for name in scores:
        assert parent.data.metrics[f"lm/{name}"] == step.data.metrics[name]
    report = Path(parent.info.artifact_uri.removeprefix("file://"), "report.html")
    assert "Memorized by the language model" in report.read_text(encoding="utf-8")

    # Nothing before the training text depends on an audit.
    status = product.run("status", "--json", *AUDIT, "audit.enabled=false")
    states = {part["label"]: part["state"] for part in json.loads(status.stdout)}
    assert {label for label, state in states.items() if state == "reused"} == {
        "sample",
        "clean",
        "tokenizer",
    }
    assert not {"canaries", "audit"} & states.keys()
