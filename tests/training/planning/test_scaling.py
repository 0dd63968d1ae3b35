"""Specifies the fit of a scaling law: a law that is known is found again."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from textmill.config import ScalingLaw
from textmill.errors import InputError
from textmill.training.planning.law import predicted_loss
from textmill.training.planning.scaling import TrainedRun, fit_law

LAW = ScalingLaw(e=1.5, a=60.0, b=200.0, alpha=0.3, beta=0.35)
SIZES, LENGTHS = (100_000, 400_000, 1_500_000, 6_000_000), (10**5, 10**6, 10**7, 10**8)


def runs(law: ScalingLaw = LAW, noise: float = 0.0) -> list[TrainedRun]:
    rng = np.random.default_rng(0)
    return [
        TrainedRun(f"{n}-{d}", n, d, predicted_loss(n, d, law) * float(np.exp(noise * r)))
        for (n, d), r in zip(itertools.product(SIZES, LENGTHS), rng.normal(size=16), strict=True)
    ]


def test_the_law_that_made_the_losses_is_found() -> None:
    found = fit_law(runs())
    assert found.model_dump() == pytest.approx(LAW.model_dump(), rel=0.02)
    assert fit_law(runs()) == found


def test_a_run_that_went_wrong_hardly_moves_the_law() -> None:
    """What the Huber loss is for; squares would follow it."""
    one, *rest = runs(noise=0.001)
    failed = TrainedRun(one.name, one.parameters, one.tokens, one.loss * 1.5)
    found = fit_law([failed, *rest])
    for run in runs()[1:]:
        predicted = predicted_loss(run.parameters, run.tokens, found)
        assert predicted == pytest.approx(run.loss, rel=0.01)


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        (runs()[:5], "5 runs are too few .* at least 6"),
        (runs()[:8], "too similar .* there are 2 sizes, the largest 4.0 times the smallest"),
        (
            [run for run in runs() if run.tokens < 10**7],
            r"there are 2 numbers of tokens, .* other values of pretrain\.max_steps",
        ),
    ],
)
def test_runs_that_say_too_little_are_an_error(chosen: list[TrainedRun], message: str) -> None:
    with pytest.raises(InputError, match=message):
        fit_law(chosen)
