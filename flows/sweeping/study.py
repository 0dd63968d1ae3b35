"""A search of settings by Optuna: which to try next, and which to give up early.

Optuna stores nothing: the study is rebuilt from the scores of earlier trials, which MLflow has. The
sampler is seeded and trials run one after another, so that the same scores lead to the same trials.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from textmill.config import FinetuneConfig, SweepConfig, ValuesConfig
from textmill.config.space import Value, is_whole, searchable
from textmill.errors import InputError
from textmill.steps.process import Pruned

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

N_DIGITS = 3
"""Significant digits of numbers that are not whole: settings are to be copied by hand."""


class Trial:
    """A trial of a study.

    Args:
        trial: that of Optuna.
        settings: the values to try, by dotted key.
    """

    def __init__(self, trial: Any, settings: Mapping[str, Value]) -> None:
        self.number: int = trial.number + 1
        """Counted from 1."""
        self.settings = settings
        self.scores: list[tuple[int, float]] = []
        """Optimizer steps and scores of the validations so far."""
        self._trial = trial

    def observe(self, step: int, score: float) -> None:
        """Take a validation score into account, unless it has been already.

        Args:
            step: the optimizer step, which increases.
            score: higher is better.

        Raises:
            Pruned: the trial is to be stopped.
        """
        if self.scores and step <= self.scores[-1][0]:
            return
        self.scores.append((step, score))
        self._trial.report(score, len(self.scores))
        if self._trial.should_prune():
            raise Pruned


class Study:
    """A search of the settings of a task's fine-tuning.

    Args:
        config: the sweep section.
        finetune: the finetune section whose settings are searched.

    Raises:
        InputError: Optuna is not installed.
    """

    def __init__(self, config: SweepConfig, finetune: FinetuneConfig) -> None:
        try:
            import optuna
        except ImportError:
            raise InputError(
                "textmill sweep needs Optuna, which is not installed: pip install textmill[sweep]."
            ) from None
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        known = searchable(type(finetune))
        self._space = {
            key: _distribution(one, is_whole(known[key])) for key, one in config.space.items()
        }
        self._pruned = optuna.trial.TrialState.PRUNED
        self._study = optuna.create_study(
            direction="maximize",
            sampler=optuna.samplers.TPESampler(seed=config.seed),
            pruner=optuna.pruners.MedianPruner() if config.prune else optuna.pruners.NopPruner(),
        )

    def ask(self) -> Trial:
        """Return the next trial."""
        trial = self._study.ask(self._space)
        return Trial(trial, {key: self._rounded(key, value) for key, value in trial.params.items()})

    def tell(self, trial: Trial, score: float | None) -> None:
        """Record the final score of a trial; None: it was pruned, or its training has failed."""
        if score is not None:
            self._study.tell(trial._trial, score)
        else:
            # The sampler learns from pruned trials, but would ignore failed ones.
            self._study.tell(trial._trial, state=self._pruned)

    def _rounded(self, key: str, value: Any) -> Value:
        """Return a value with few digits, inside its range."""
        from optuna.distributions import FloatDistribution

        space = self._space[key]
        if not isinstance(space, FloatDistribution):
            return value  # type: ignore[no-any-return]
        return min(space.high, max(space.low, float(f"{value:.{N_DIGITS}g}")))


def _distribution(values: ValuesConfig, whole: bool) -> BaseDistribution:
    """Return the values of a setting as Optuna describes them."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if values.bounds is None:
        return CategoricalDistribution(values.values)
    low, high = values.bounds
    if whole:
        return IntDistribution(int(low), int(high), log=values.log)
    return FloatDistribution(low, high, log=values.log)
