"""Networks of one task that are fine-tuned with consecutive seeds.

The average of networks that differ in their seeds alone is better than one of them, and its score
varies less (Lakshminarayanan et al. 2017, "Simple and Scalable Predictive Uncertainty Estimation
using Deep Ensembles").
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from torch import nn

from textmill.config import TaskConfig, flatten
from textmill.errors import RunError
from textmill.files import digest_values, read_json, sync_folder, write_json
from textmill.tasks.ensemble.model_folder import network_name
from textmill.tasks.kinds import answers_of, examples_of
from textmill.training.metrics_file import NAME, MetricsFile, read_entries

FINISHED = "finished.json"
"""In the work folder of a finished training, which is not repeated if the step is interrupted."""


@dataclass(frozen=True)
class Tuned:
    """A fine-tuned network."""

    network: nn.Module
    score: float
    """Its best validation score."""
    epochs: float
    """Passes over the training examples."""


def tune_networks(
    config: TaskConfig, work: Path, tune: Callable[[TaskConfig, Path], Tuned]
) -> tuple[list[Tuned], dict[str, float]]:
    """Return the networks of a task's model, and metrics of their training.

    These are the networks of all seeds; or the best one, if scores of the kind have no average.
    Networks after the first have work folders of their own, and metrics that begin with their name.

    Args:
        config: the task.
        work: the step's work folder.
        tune: fine-tunes a network with the seed of a configuration, in a work folder.
    """
    settings = config.finetune
    tuned: dict[int, Tuned] = {}
    for number in range(settings.seeds):
        seed = settings.seed + number
        seeded = settings.model_copy(update={"seed": seed})
        folder = work if number == 0 else work / network_name(number)
        folder.mkdir(exist_ok=True)
        tuned[seed] = tune(config.model_copy(update={"finetune": seeded}), folder)
        if number:
            _append_metrics(work, folder)
    networks = list(tuned.values())
    scores = [one.score for one in networks]
    selection = f"best_validation_{examples_of(config.kind).SELECTION}"
    metrics = {selection: max(scores), "epochs": fmean(one.epochs for one in networks)}
    if len(networks) > 1:
        metrics |= {f"{selection}/seed_{seed}": one.score for seed, one in tuned.items()}
        metrics |= {f"{selection}/mean": fmean(scores), f"{selection}/deviation": stdev(scores)}
    if answers_of(config.kind).targets is None:
        networks = [max(networks, key=lambda one: one.score)]
    return networks, metrics


def finished_training(work: Path, identity: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what `finish_training` wrote, unless it was another training, or none has finished."""
    try:
        found = read_json(work / FINISHED)
    except (OSError, RunError):
        return None
    is_same = isinstance(found, dict) and found.pop("identity", None) == _digest(identity)
    return found if is_same else None


def finish_training(work: Path, identity: Mapping[str, Any], **values: float) -> None:
    """Write that the training in a work folder is finished, once its best weights are on disk."""
    sync_folder(work / "best")
    write_json(work / FINISHED, values | {"identity": _digest(identity)})


def _digest(identity: Mapping[str, Any]) -> str:
    return digest_values(flatten(identity))


def _append_metrics(work: Path, folder: Path) -> None:
    """Append the metrics of a further network to those of the step; those there already stay."""
    file = folder / NAME
    metrics = MetricsFile(work, 0)  # its number of steps is that of the first network
    for entry in read_entries(file.read_bytes(), file)[0]:
        if "step" in entry:
            named = {f"{folder.name}/{name}": value for name, value in entry["metrics"].items()}
            metrics.write(entry["step"], named)
