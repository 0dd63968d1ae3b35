"""The decision of a classical baseline that is evaluated on its own, without a validation split."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from itertools import compress
from typing import Any

HELD_OUT_EVERY = 10
"""Every tenth group of training examples is held out to fit the decision; fewer fit none."""


def decide_on_held_out(
    spec: Any,
    train: Sequence[Any],
    scores: Callable[[list[Any], Sequence[Any]], Iterable[Any]],
    fit_decision: Callable[[Any, Sequence[Any], Sequence[Any]], Any],
    group: Callable[[Any], Hashable] | None = None,
) -> Any:
    """Return the settings with the decision fitted to some examples, by a model of the others.

    Args:
        spec: the kind's settings of the model.
        train: the training examples.
        scores: returns the scores of the second examples by a model that was fitted on the first.
        fit_decision: that of the kind.
        group: returns what examples have in common that are held out together; None: nothing.
    """
    numbers: dict[Hashable, int] = {}
    groups = range(len(train)) if group is None else map(group, train)
    of_example = [numbers.setdefault(one, len(numbers)) for one in groups]
    is_held_out = [number % HELD_OUT_EVERY == HELD_OUT_EVERY - 1 for number in of_example]
    held_out = [*compress(train, is_held_out)]
    if not held_out:
        return spec
    rest = [*compress(train, (not one for one in is_held_out))]
    return fit_decision(spec, [*scores(rest, held_out)], held_out)
