"""The MLflow run of one step: started or resumed, described, recorded and ended."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from mlflow.entities import Metric

from textmill.config import key_values
from textmill.errors import best_effort
from textmill.files import MANIFEST, read_json
from textmill.steps.graph import CURVE, FINETUNE, PRETRAIN, TOKENS
from textmill.tracking.computing.request import Request
from textmill.tracking.metrics.curve_plot import log_curve_plot
from textmill.tracking.metrics.follow import Follower
from textmill.tracking.metrics.loss_curve import loss_curve
from textmill.tracking.metrics.token_lengths import log_token_lengths
from textmill.tracking.served.logged import WriteFilters, log_backbone, log_task_model
from textmill.tracking.store import Store, StoreError
from textmill.tracking.tags import DIGEST_TAG, PLACES_TAG, PRUNED_TAG, TRIAL_TAG

KEY_TAG = "textmill.key"
"""Tag of a step's run: the key of its result, with its scope."""
FAILURE_TAG = "textmill.failure"

log = logging.getLogger(__name__)


def resume_run(store: Store, run_id: str | None, tags: Mapping[str, str], label: str) -> str | None:
    """Resume the run of an interrupted step and return its id, or None if there is none.

    Args:
        store: that contains the run.
        run_id: recorded in the work folder.
        tags: new tags of the run; their key must equal that of the run.
        label: of the step, for a message.
    """
    if run_id is None:
        return None
    try:
        run = store.client.get_run(run_id)
    except StoreError:
        return None  # deleted since, or in another store
    is_ours = run.data.tags.get(KEY_TAG) == tags[KEY_TAG]
    if not is_ours or run.info.lifecycle_stage != "active":
        return None
    store.set_tags(run_id, tags)
    for tag in {FAILURE_TAG, PRUNED_TAG, TRIAL_TAG} & (run.data.tags.keys() - tags.keys()):
        store.client.delete_tag(run_id, tag)
    store.client.update_run(run_id, "RUNNING")
    what = "failed" if run.info.status == "FAILED" else "was interrupted"
    log.info("Resuming %s, which %s.", label, what)
    return run_id


def describe_run(store: Store, run_id: str, request: Request) -> None:
    """Log the configuration and inputs of a run; repeated for a resumed run, which may lack them.

    Raises:
        StoreError: the store failed.
    """
    store.log_params(run_id, key_values(request.config))
    store.log_datasets(run_id, request.datasets())


def record_output(
    store: Store,
    run_id: str,
    request: Request,
    out: Path,
    points: list[Metric],
    write_filters: WriteFilters | None = None,
) -> None:
    """Log the metrics and tags of a complete output, a plot of its losses, and a trained model.

    Idempotent: it is repeated if publishing the output failed afterwards.

    Args:
        store: that contains the run.
        run_id: of the step.
        request: the computed request.
        out: the output, with its manifest.
        points: training metrics over the optimizer steps; empty for other steps.
        write_filters: see `log_task_model`.

    Raises:
        StoreError: the store failed.
    """
    manifest = read_json(out / MANIFEST)
    metrics, tags = {}, {}
    if (out / "metrics.json").exists():
        metrics = read_json(out / "metrics.json")
    if (out / "tags.json").exists():
        tags = read_json(out / "tags.json")
    stages = manifest.get("stages", {})
    times = {"seconds": manifest["seconds"]}
    times |= {f"seconds/{name}": stage["seconds"] for name, stage in stages.items()}
    store.log_metrics(run_id, metrics | times, manifest["time_ms"])
    own = {
        PLACES_TAG: "\n".join(source.place for source in request.sources),
        DIGEST_TAG: manifest["digest"],
    }
    store.set_tags(run_id, tags | own)
    if any(point.key.endswith("loss") for point in points):
        with best_effort("the plot of the losses"), store.as_store_errors():
            store.client.log_figure(run_id, loss_curve(points), "plots/loss.png")
    if request.step is FINETUNE and request.task:
        log_task_model(store, run_id, request.task, out, write_filters)
    if request.step is PRETRAIN:
        log_backbone(store, run_id, out, write_filters)
    if request.step is CURVE:
        log_curve_plot(store, run_id, out)
    if request.step is TOKENS:
        log_token_lengths(store, run_id, out)


def record_pruned(store: Store, run_id: str, follower: Follower, seconds: float) -> None:
    """Record what led to the pruning of a training: its scores so far, and its running time.

    Raises:
        StoreError: the store failed.
    """
    follower.flush()
    store.log_metrics(run_id, {"seconds": seconds})
    store.set_tags(run_id, {PRUNED_TAG: "true"})  # last: it marks the record as complete


def log_work_files(store: Store, run_id: str, work: Path) -> None:
    """Log the output of the step's process, and its metrics over time, as artifacts."""
    for name in ("worker.log", "metrics.jsonl"):
        file = work / name
        if file.exists() and file.stat().st_size:
            # If the store is down, another call has failed or will fail.
            with suppress(OSError, StoreError):
                store.client.log_artifact(run_id, str(file), "log")
