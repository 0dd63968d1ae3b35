"""Networks of one task that are fine-tuned with consecutive seeds.

The average of networks that differ in their seeds alone is better than one of them, and its score
varies less (Lakshminarayanan et al. 2017, "Simple and Scalable Predictive Uncertainty Estimation
using Deep Ensembles").
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from statistics import fmean, stdev

from textmill.config import TaskConfig
from textmill.tasks.ensemble.model_folder import network_name
from textmill.tasks.kinds import answers_of, examples_of
from textmill.tasks.tuning.best_epoch import Trained
from textmill.training.metrics_file import NAME, MetricsFile, read_entries


def tune_networks(
    config: TaskConfig, work: Path, tune: Callable[[TaskConfig, Path], Trained]
) -> tuple[list[Trained], dict[str, float]]:
    """Return the networks of a task's model, and metrics of their training.

    These are the networks of all seeds; or the best one, if scores of the kind have no average.
    Networks after the first have work folders of their own, and metrics that begin with their name.

    Args:
        config: the task.
        work: the step's work folder.
        tune: fine-tunes a network with the seed of a configuration, in a work folder.
    """
    settings = config.finetune
    tuned: dict[int, Trained] = {}
    for number in range(settings.seeds):
        seed = settings.seed + number
        seeded = settings.model_copy(update={"seed": seed})
        folder = work if number == 0 else work / network_name(number)
        folder.mkdir(exist_ok=True)
        tuned[seed] = tune(config.model_copy(update={"finetune": seeded}), folder)
        if number:
            _append_metrics(work, folder)
    networks = list(tuned.values())
    scores = [one.best_score for one in networks]
    selection = f"best_validation_{examples_of(config.kind).SELECTION}"
    metrics = {selection: max(scores), "epochs": fmean(one.epochs for one in networks)}
    if len(networks) > 1:
        metrics |= {f"{selection}/seed_{seed}": one.best_score for seed, one in tuned.items()}
        metrics |= {f"{selection}/mean": fmean(scores), f"{selection}/deviation": stdev(scores)}
    if answers_of(config.kind).targets is None:
        networks = [max(networks, key=lambda one: one.best_score)]
    return networks, metrics


def _append_metrics(work: Path, folder: Path) -> None:
    """Append the metrics of a further network to those of the step; those there already stay."""
    file = folder / NAME
    metrics = MetricsFile(work, 0)  # its number of steps is that of the first network
    for entry in read_entries(file.read_bytes(), file)[0]:
        if "step" in entry:
            named = {f"{folder.name}/{name}": value for name, value in entry["metrics"].items()}
            metrics.write(entry["step"], named)
