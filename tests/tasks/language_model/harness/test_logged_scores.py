"""Specifies the scores of lm-eval as metrics in MLflow."""

from __future__ import annotations

from textmill.tasks.language_model.harness.logged_scores import (
    Score,
    metrics_of_scores,
    scores_in,
)


def test_scores_are_read_as_they_were_logged() -> None:
    scores = (
        Score("piqa", "acc", 0.625, 0.0113, 1838, None),
        Score("gsm8k", "exact_match/strict-match", 0.0, None, None, 5),
    )
    metrics = metrics_of_scores(scores)
    assert metrics == {
        "harness/piqa/acc": 0.625,
        "harness/piqa/acc_stderr": 0.0113,
        "harness/gsm8k-5-shot/exact_match/strict-match": 0.0,
    }
    assert scores_in({**metrics, "val_loss": 1.0}) == {
        "harness/piqa/acc": (0.625, 0.0113),
        "harness/gsm8k-5-shot/exact_match/strict-match": (0.0, None),
    }
