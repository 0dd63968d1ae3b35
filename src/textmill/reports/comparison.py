"""Comparison of pipeline runs, gathered from the store."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

from mlflow.entities import Run

from textmill.config import AUDIT_SCORES, BEHAVIOUR_SCORES, BIAS_SCORES
from textmill.errors import InputError
from textmill.evaluation.significance import LEVEL, Interval, differences, intervals
from textmill.reports import side_by_side as pages
from textmill.steps.graph import AUDIT, BEHAVIOUR, EVALUATE_LM, GRAPH, LM
from textmill.steps.step import Step
from textmill.tasks.language_model.harness.logged_scores import scores_in
from textmill.tracking.artifacts import read_artifact, read_manifest
from textmill.tracking.environment import recorded_machine
from textmill.tracking.intervals import Predictions, read_predictions
from textmill.tracking.lookup import command_of, find_run, peak_memory_mib, read_runs
from textmill.tracking.results import recorded_results
from textmill.tracking.store import Store
from textmill.tracking.tags import PARENT_TAG

FOLDER = "comparison"


@dataclass(frozen=True)
class PipelineRun:
    """A finished pipeline run with its steps."""

    run: Run
    steps: dict[str, Run]
    """The run of each step's result, by label such as `evaluate topic`."""
    manifests: dict[str, dict[str, Any]]
    """By label."""

    @property
    def run_id(self) -> str:
        """The id of the parent run."""
        return str(self.run.info.run_id)


def compare(store: Store, names: Sequence[str]) -> pages.Comparison:
    """Return the differences between pipeline runs, with scores relative to the first run.

    Args:
        store: that contains the runs.
        names: ids, unique prefixes of ids, or names of pipeline runs.

    Raises:
        InputError: a run does not exist, is ambiguous, is not of a pipeline, or has not finished;
            or a run has no task in common with the first.
        RunError: a result is missing or damaged, or the store failed.
    """
    found = [find_finished(store, name) for name in names]
    ids = [run.info.run_id for run in found]
    if len(ids) < 2 or len(set(ids)) < len(ids):
        raise InputError("compare requires at least two different runs: list each of them once.")
    runs = open_runs(store, found)
    for run in runs[1:]:
        if not set(tasks_of(run)) & set(tasks_of(runs[0])):
            raise InputError(
                f"The runs {runs[0].run_id} and {run.run_id} have no task in common: compare runs "
                "in which the same task, or the language model, was evaluated."
            )
    return pages.Comparison(
        runs=tuple(_about(store, run) for run in runs),
        settings=pages.differing([run.run.data.params for run in runs]),
        data=pages.differing([_sources(run) for run in runs]),
        results=pages.differing([_digests(run) for run in runs]),
        commits=pages.differing([_commit(run) for run in runs]),
        modules=pages.differing([_merged(run, "code") for run in runs]),
        packages=pages.differing([_packages(store, run) for run in runs]),
        machine=pages.differing([recorded_machine(run.run) for run in runs]),
        scores=(*_scores(store, runs), *_harness_scores(runs)),
        costs=tuple(_costs(store, runs)),
        behaviour=pages.differing(
            [_scores_of(BEHAVIOUR, (BEHAVIOUR_SCORES, BIAS_SCORES), run) for run in runs]
        ),
        audit=pages.differing([_scores_of(AUDIT, (AUDIT_SCORES,), run) for run in runs]),
    )


def log_comparison(store: Store, comparison: pages.Comparison) -> str:
    """Log the comparison as an artifact of the last run, and return the artifact's path.

    Raises:
        StoreError: the store failed.
    """
    *others, last = comparison.runs
    name = f"{FOLDER}/{'-'.join(run.run_id[:8] for run in others)}.md"
    store.client.log_text(last.run_id, pages.render(comparison), name)
    return name


def find_finished(store: Store, words: str) -> Run:
    """Return the finished pipeline run with an id or name, as in `find_run`.

    Raises:
        InputError: no or several runs match, or the run has not finished.
    """
    run = find_run(store, words)
    if run.info.status != "FINISHED":
        raise InputError(
            f"The run {words!r} has not finished ({run.info.status}): run its command again, "
            "or use another run."
        )
    return run


def open_runs(store: Store, runs: Sequence[Run]) -> list[PipelineRun]:
    """Return pipeline runs with their steps; shared steps are read only once."""
    results = [sorted(recorded_results(run).items()) for run in runs]
    steps = read_runs(store, (run_id for found in results for _, run_id in found))
    manifests = {run_id: read_manifest(store, step) for run_id, step in steps.items()}
    return [
        PipelineRun(
            run,
            {label: steps[run_id] for label, run_id in found},
            {label: manifests[run_id] for label, run_id in found},
        )
        for run, found in zip(runs, results, strict=True)
    ]


def tasks_of(run: PipelineRun) -> dict[str, str]:
    """Return the labels of a run's evaluations by task; the language model is the task `lm`."""
    return GRAPH.scored(run.steps)


def _about(store: Store, run: PipelineRun) -> pages.Run:
    info = run.run.info
    return pages.Run(
        name=info.run_name,
        run_id=info.run_id,
        url=store.run_url(info.experiment_id, info.run_id),
        date=time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(info.start_time / 1000)),
        command=command_of(run.run),
    )


def _sources(run: PipelineRun) -> dict[str, str]:
    return {
        name: source["digest"]
        for manifest in run.manifests.values()
        for name, source in manifest["sources"].items()
    }


def _digests(run: PipelineRun) -> dict[str, str]:
    return {label: manifest["digest"] for label, manifest in run.manifests.items()}


def _commit(run: PipelineRun) -> dict[str, str]:
    return {"git commit": run.run.data.tags.get("mlflow.source.git.commit", "unknown")}


def _merged(run: PipelineRun, part: str) -> dict[str, str]:
    return {k: v for manifest in run.manifests.values() for k, v in manifest[part].items()}


def _packages(store: Store, run: PipelineRun) -> dict[str, str]:
    """Return the versions of installed packages; for those in keys, the versions in manifests."""
    text = read_artifact(store, run.run, "environment.txt")
    installed = dict(line.split("==", 1) for line in text.splitlines() if "==" in line)
    return installed | _merged(run, "packages")


def _scores(store: Store, runs: Sequence[PipelineRun]) -> Iterator[pages.Score]:
    for task, label in tasks_of(runs[0]).items():
        first = read_predictions(store, runs[0].steps[label])
        by_run = [list(_task_scores(task, 0, first, None))]
        for at, run in enumerate(runs[1:], 1):
            own = read_predictions(store, run.steps[label]) if label in run.steps else None
            by_run.append(list(_task_scores(task, at, own, first)) if own else [])
        if any(by_run[1:]):
            # Grouped by metric, one row per run.
            names = dict.fromkeys(score.metric for scores in by_run for score in scores)
            for name in names:
                yield from (s for scores in by_run for s in scores if s.metric == name)


def _task_scores(
    task: str, at: int, own: Predictions, first: Predictions | None
) -> Iterator[pages.Score]:
    """Yield the scores of a task in one run, tested against those of the first run, if given."""
    tested: Mapping[str, Any] = {}
    note = ""
    if first is not None:
        if (own.kind, own.signatures) != (first.kind, first.signatures):
            note = "metrics computed differently"
        else:
            try:
                pair = first.tabulate(own)
                tested = differences(pair, 0, 1)
            except ValueError as error:
                note = str(error)
    for name, interval in intervals(own.tabulate(), 0).items():
        yield pages.Score(task, name, at, interval.value, interval, tested.get(name), note)


def _harness_scores(runs: Sequence[PipelineRun]) -> Iterator[pages.Score]:
    """Yield the scores of lm-eval that the first run and another one have, a row for each run."""
    steps = [run.steps.get(EVALUATE_LM.label()) for run in runs]
    found = [scores_in(step.data.metrics) if step else {} for step in steps]
    z = NormalDist().inv_cdf((1 + LEVEL) / 2)
    for name in found[0]:
        having = [at for at, scores in enumerate(found) if name in scores]
        for at in having if len(having) > 1 else ():
            value, stderr = found[at][name]
            interval = None
            if stderr is not None:
                interval = Interval(value, value - z * stderr, value + z * stderr, stderr)
            note = "answers are not kept" if at else ""
            yield pages.Score(LM, name, at, value, interval, note=note)


def _scores_of(step: Step, prefixes: tuple[str, ...], run: PipelineRun) -> dict[str, str]:
    """Return the scores of a step whose names have a prefix, by branch and name."""
    parts = {label: GRAPH.parse(label) for label in run.steps}
    return {
        f"{part.branch}/{name}": f"{value:.3f}"
        for label, part in parts.items()
        if part is not None and part.step == step
        for name, value in run.steps[label].data.metrics.items()
        if name.startswith(prefixes)
    }


def _costs(store: Store, runs: Sequence[PipelineRun]) -> Iterator[pages.Cost]:
    labels = dict.fromkeys(label for run in runs for label in run.steps)
    for label in labels:
        found = [run.steps.get(label) for run in runs]
        yield pages.Cost(
            step=label,
            seconds=tuple(step.data.metrics.get("seconds") if step else None for step in found),
            memory_mib=tuple(peak_memory_mib(store, step) if step else None for step in found),
            is_reused=tuple(
                step is not None and step.data.tags.get(PARENT_TAG) != run.run_id
                for step, run in zip(found, runs, strict=True)
            ),
        )
