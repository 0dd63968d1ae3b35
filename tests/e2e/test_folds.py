"""Specifies a cross-validation from outside: computed, resumed, reused, and shown."""

from __future__ import annotations

import re
import signal

import pytest

from tests.e2e.conftest import SMALL, Product, wait_until
from tests.e2e.test_curve import runs_of

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

WORDS = [
    *(word for word in SMALL if not word.startswith("tasks.")),
    "tasks=[sample-topic]",
    "finetune.epochs=1",
    "tasks.topic.finetune.folds=3",
    "promotion.enabled=false",
]


def n_folds(product: Product) -> int:
    return len(product.in_work("folds/*.json"))


def test_a_killed_cross_validation_continues_and_its_scores_stand_beside_the_model(
    product: Product,
) -> None:
    process = product.start("evaluate", "topic", *WORDS)
    wait_until(lambda: n_folds(product) >= 1 or process.poll() is not None, 240)
    process.kill()
    assert process.wait(60) == -signal.SIGKILL
    done = product.run("evaluate", "topic", *WORDS)
    assert done.returncode == 0, done.stderr
    assert "Resuming folds topic" in done.stderr
    assert "finetune topic: reused" in done.stderr
    assert re.search(
        r"\| topic/accuracy \| .* \| \d\.\d{3} ± \d\.\d{3} \| \d\.\d{3} ±", done.stderr
    )
    (folds,) = runs_of(product, "folds topic")
    assert folds.info.status == "FINISHED"
    scores = [folds.data.metrics[f"folds/accuracy/fold-{n}"] for n in (1, 2, 3)]
    assert folds.data.metrics["folds/accuracy/mean"] == pytest.approx(sum(scores) / 3)
    (report,) = product.folder.glob("mlruns/artifacts/*/artifacts/report.html")
    assert "over folds" in report.read_text()

    done = product.run("run", *WORDS, "tasks.topic.finetune.folds=null")
    assert done.returncode == 0, done.stderr
    assert "evaluate topic: reused" in done.stderr
    assert "folds" not in done.stderr
