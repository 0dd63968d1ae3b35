"""The decision of a classical baseline that is evaluated on its own, without a validation split."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

HELD_OUT_EVERY = 10
"""Every tenth training example is held out to fit the decision; fewer examples fit none."""


def decide_on_held_out(
    spec: Any,
    train: Sequence[Any],
    scores: Callable[[list[Any], Sequence[Any]], Iterable[Any]],
    fit_decision: Callable[[Any, Sequence[Any], Sequence[Any]], Any],
) -> Any:
    """Return the settings with the decision fitted to some examples, by a model of the others.

    Args:
        spec: the kind's settings of the model.
        train: the training examples.
        scores: returns the scores of the second examples by a model that was fitted on the first.
        fit_decision: that of the kind.
    """
    held_out = train[HELD_OUT_EVERY - 1 :: HELD_OUT_EVERY]
    if not held_out:
        return spec
    rest = [example for i, example in enumerate(train, 1) if i % HELD_OUT_EVERY]
    return fit_decision(spec, [*scores(rest, held_out)], held_out)
