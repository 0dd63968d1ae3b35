"""Evaluation of a language model on tasks of lm-eval, logged to the MLflow runs of its scores."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from textmill.config import Config
from textmill.errors import InputError
from textmill.registry.current import current_model
from textmill.registry.scored_backbones import Backbone, find_backbone
from textmill.steps.graph import PRETRAIN
from textmill.tasks.language_model.harness.logged_scores import Score, metrics_of_scores
from textmill.tracking.liveness import end_run, lock_tags
from textmill.tracking.store import Store
from textmill.tracking.tags import KIND_TAG

if TYPE_CHECKING:
    from textmill.tasks.language_model.harness.evaluation import HarnessResults

HARNESS = "harness"
"""Kind and name of the runs of models that are of no other run, and the folder of artifacts."""


@dataclass(frozen=True)
class HarnessRequest:
    """What to evaluate a language model on; the fields are arguments of `evaluate_tasks`."""

    names: Sequence[str]
    include: Path | None = None
    limit: int | None = None
    shots: int | None = None
    trusts_code: bool = False


def evaluate_model(model: str | None, request: HarnessRequest, config: Config) -> Iterator[str]:
    """Yield the scores of a language model as a table, and the URLs of the runs that have them.

    They are logged to the run of its evaluation, beside its perplexity, and to that of the
    pipeline; but not in a read-only store, nor those of some examples of each task alone.

    Args:
        model: a folder, or see `find_backbone`; None: the champion, or else the newest.
        request: the tasks.
        config: names store and experiment, and the accelerator.

    Raises:
        InputError: lm-eval is not installed; or a task or the model cannot be used.
        RunError: the model is damaged, or the store failed.
    """
    if find_spec("lm_eval") is None:
        raise InputError(
            "textmill evaluate --harness needs lm-eval, which is not installed: "
            "pip install textmill[harness]."
        )
    store = Store(config.tracking)
    if model is not None and Path(model).is_dir():
        found = Backbone(Path(model))
    else:
        found = find_backbone(store, model or current_model(config, PRETRAIN).run_id)
    from textmill.tasks.language_model.harness.evaluation import evaluate_tasks

    results = evaluate_tasks(found.folder, **vars(request), accelerator=config.pretrain.accelerator)
    # Before anything is logged: a store that fails takes no results with it.
    yield score_table(results.scores)
    if store.read_only is None and request.limit is None:
        for url in log_results(store, found, results, config.experiment):
            yield f"{url}\n"


def log_results(
    store: Store, model: Backbone, results: HarnessResults, experiment: str
) -> list[str]:
    """Log scores with their standard errors, and the report of lm-eval; return the runs' URLs.

    The results of a model that is of no run have a run of their own.

    Raises:
        StoreError: the store failed.
    """
    if not model.prefixes:
        with _own_run(store, model.folder, experiment) as run_id:
            return [_log(store, run_id, "", results)]
    return [_log(store, run_id, prefix, results) for run_id, prefix in model.prefixes.items()]


def _log(store: Store, run_id: str, prefix: str, results: HarnessResults) -> str:
    """Log results to a run, whose metrics have a prefix; return its URL."""
    metrics = metrics_of_scores(results.scores)
    store.log_metrics(run_id, {f"{prefix}{name}": value for name, value in metrics.items()})
    at = time.strftime("%Y-%m-%dT%H-%M-%S", time.gmtime())
    store.client.log_text(run_id, results.json, f"{HARNESS}/results_{at}.json")
    return store.run_url(store.client.get_run(run_id).info.experiment_id, run_id)


@contextmanager
def _own_run(store: Store, folder: Path, experiment: str) -> Iterator[str]:
    """Yield the id of a new run for the model in a folder, and set the run's final status.

    If the store fails then as well, or this process is killed, the next start closes the run.
    """
    name, lock = f"{HARNESS} {folder.resolve().name}", f"{HARNESS}-{time.time_ns()}.lock"
    experiment_id = store.experiment(experiment)
    with store.lock(lock):
        tags = {KIND_TAG: HARNESS, **lock_tags(store, lock)}
        run_id = store.start_run(experiment_id, name, tags)
        status = "KILLED"  # if a signal stops this process
        failure: str | None = None
        try:
            yield run_id
            status = "FINISHED"
        except Exception as error:
            status, failure = "FAILED", str(error)
            raise
        finally:
            end_run(store, run_id, status, failure)


def score_table(scores: Sequence[Score]) -> str:
    """Return the scores as a table in Markdown."""
    rows = [("task", "metric", "score", "standard error", "examples"), ("---",) * 5]
    for score in scores:
        stderr = "" if score.stderr is None else f"{score.stderr:.4f}"
        n_examples = "" if score.n_examples is None else f"{score.n_examples:,}"
        rows.append((score.task, score.metric, f"{score.value:.4f}", stderr, n_examples))
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)
