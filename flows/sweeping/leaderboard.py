"""The result of a sweep: its best trials, and the settings to copy."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence

from textmill.config import Config, flatten, key_values, open_sizes
from textmill.config.space import Value
from textmill.tracking.computing.trial_runs import TrialRecord
from textmill_flows.invocation import Composed

N_SHOWN = 10


def best_of(trials: Sequence[TrialRecord]) -> TrialRecord | None:
    """Return the trial with the highest score that was not stopped; of equals, the first."""
    complete = [trial for trial in trials if trial.is_complete]
    return max(complete, key=_score, default=None)


def _score(trial: TrialRecord) -> float:
    return float("-inf") if trial.score is None else trial.score


def leaderboard(name: str, metric: str, present: TrialRecord, trials: Sequence[TrialRecord]) -> str:
    """Return a Markdown table of the best trials, complete ones first.

    Args:
        name: the task.
        metric: name of the validation score.
        present: the trial of the settings as they are.
        trials: the others.
    """
    ranked = sorted(trials, key=lambda trial: (not trial.is_complete, -_score(trial)))
    keys = list(trials[0].settings)
    header = [f"{name}: trial", f"validation {metric}", *(k.partition(".")[2] for k in keys), ""]
    rows = [header, ["---"] * len(header)]
    for trial in [present, *ranked[:N_SHOWN]]:
        label = str(trial.number) if trial.number else "as configured"
        score = "" if trial.score is None else f"{trial.score:.4f}"
        rows.append([label, score, *(word(trial.settings[key]) for key in keys), trial.outcome])
    lines = [f"| {' | '.join(row)} |" for row in rows]
    if len(ranked) > N_SHOWN:
        lines += ["", f"{len(ranked) - N_SHOWN} more trials are in MLflow."]
    return "\n".join(lines)


def overrides_of(composed: Composed, sized: Config, name: str, trial: TrialRecord) -> list[str]:
    """Return the overrides of a trial, to add to those of the sweep for the same model.

    They include sizes that were chosen for the budget: it might choose others for these settings.

    Args:
        composed: the configuration of the sweep.
        sized: the same, with all sizes.
        name: the task.
        trial: whose settings are to be used.
    """
    own = f"tasks.{name}."
    settings = {f"{own}{key}": value for key, value in trial.settings.items()}
    values = flatten(key_values(sized))
    sizes = {
        key: values[key]
        for key in open_sizes(composed.config)
        if key not in settings and (key.startswith(own) or not key.startswith("tasks."))
    }
    return [f"{key}={word(value)}" for key, value in (settings | sizes).items()]


def word(value: Value) -> str:
    """Return a value in Hydra's grammar."""
    if isinstance(value, str) and not value.isidentifier():
        return json.dumps(value, ensure_ascii=False)
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return str(value)


def summary(
    composed: Composed,
    sized: Config,
    name: str,
    metric: str,
    present: TrialRecord,
    best: TrialRecord | None,
) -> Iterator[str]:
    """Yield lines about the best trial, and how to use its settings; arguments as above."""
    if best is None:
        yield "No trial has finished: see their runs in MLflow."
    elif _score(best) <= _score(present):
        yield (
            f"No trial is better than the settings as they are: validation {metric} "
            f"{_score(best):.4f} against {_score(present):.4f}."
        )
    else:
        changes = overrides_of(composed, sized, name, best)
        words = ["textmill", "evaluate", name, "--config", composed.name]
        command = shlex.join([*words, *composed.recorded_overrides(), *changes])
        yield (
            f"Trial {best.number} is the best: validation {metric} {_score(best):.4f} against "
            f"{_score(present):.4f}. The highest of many scores is partly luck: the test decides. "
            "Its model is stored, and reused with these settings:"
        )
        yield ""
        yield from (f"    {change}" for change in changes)
        yield ""
        yield f"For its test scores: {command}"


def parameters(settings: Mapping[str, Value]) -> str:
    """Return settings in one line, without their section."""
    return " ".join(f"{key.partition('.')[2]}={word(v)}" for key, v in settings.items())
