"""The report of a pipeline run, gathered from the store and logged to its parent run."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence

from mlflow.entities import Run

from textmill.config import Config, TaskConfig
from textmill.errors import best_effort
from textmill.evaluation.metrics import Row, lower_is_better
from textmill.evaluation.notes import read_notes
from textmill.evaluation.significance import Interval
from textmill.evaluation.spreads import Spread
from textmill.reports import rendering as pages
from textmill.reports.charts import Points, subsample
from textmill.reports.data_page import gather_corpus
from textmill.reports.formats import languages
from textmill.reports.logging import log_page, time_of
from textmill.reports.pictures import Pictures
from textmill.reports.selected_examples import choose_examples
from textmill.reports.tables.bias_tables import group_differences, log_group_differences
from textmill.reports.tables.mistakes import log_mistakes
from textmill.steps.chosen import FILE as SIZES
from textmill.steps.chosen import read_sizes
from textmill.steps.graph import (
    BASELINE,
    BEHAVIOUR,
    BUDGET,
    CLEAN,
    CURVE,
    EVALUATE,
    EVALUATE_LM,
    FINETUNE,
    GRAPH,
)
from textmill.tasks.behaviour.verdicts import VERDICTS, Summary, from_rows
from textmill.tasks.kinds import definitions, examples_of
from textmill.tasks.predictions import PREDICTIONS
from textmill.tasks.shown import page_of
from textmill.tasks.slices import main_metrics, metric_name, rows_by_slice
from textmill.tracking.environment import recorded_machine
from textmill.tracking.intervals import metrics_by_task, read_audit, score_spreads
from textmill.tracking.lookup import (
    command_of,
    history_of,
    peak_memory_mib,
    points_of,
    read_runs,
)
from textmill.tracking.pipeline import Pipeline
from textmill.tracking.results import Result
from textmill.tracking.store import Store, artifact_url

NAME = "report.html"

N_WRONG, N_RIGHT = 6, 4
"""Number of test examples shown for each task."""
DIGEST_CHARS = 12
MAX_POINTS = 400
"""Maximum number of points of a curve."""
CURVES = ("train/loss", "validation/loss")
PROCESSOR = "system/cpu_utilization_percentage"
GPU_MEMORY = "system/gpu_{}_memory_usage_megabytes"


def log_report(
    pipeline: Pipeline,
    config: Config,
    summary: Mapping[str, float],
    intervals: Mapping[str, Interval],
    failures: Mapping[str, str],
) -> str:
    """Create the report and log it as an artifact of the parent run.

    Args:
        pipeline: the run, with the results of its steps.
        config: the configuration of the run.
        summary: the metrics of the parent run.
        intervals: of the scores, by the same names.
        failures: error messages of failed branches.

    Returns:
        The local file, or the URL of the artifact if the store is remote.

    Raises:
        RunError: the store cannot be read or written.
    """
    return log_page(
        pipeline, NAME, lambda: pages.render(gather(pipeline, config, summary, intervals, failures))
    )


def gather(
    pipeline: Pipeline,
    config: Config,
    summary: Mapping[str, float],
    intervals: Mapping[str, Interval],
    failures: Mapping[str, str],
) -> pages.Report:
    """Return the content of the report; arguments as in `log_report`."""
    store = pipeline.store
    parent = store.client.get_run(pipeline.run_id)
    tags = parent.data.tags
    previous = _previous(pipeline, parent, summary)
    ordered = GRAPH.in_order(pipeline.results, [task.name for task in config.tasks])
    results = {label: pipeline.results[label] for label in ordered}
    machine = recorded_machine(parent)
    pictures = Pictures(store)
    return pages.Report(
        experiment=config.experiment,
        run_name=parent.info.run_name,
        run_url=pipeline.url,
        date=time_of(parent.info.start_time),
        machine={
            **{name: machine.get(name, "") for name in ("processor", "cores", "gpus")},
            "memory": f"{machine.get('memory_gib', '?')} GiB",
        },
        origin=pages.Origin(
            command=command_of(parent),
            config_name=tags["textmill.config"],
            commit=tags.get("mlflow.source.git.commit", "unknown"),
            config_url=artifact_url(pipeline.url, "config.yaml"),
            packages_url=artifact_url(pipeline.url, "environment.txt"),
        ),
        is_sample=config.sample is not None,
        seconds=time.time() - parent.info.start_time / 1000,
        failures=failures,
        scores=_scores(
            config,
            summary,
            intervals,
            score_spreads(results),
            previous.data.metrics if previous else {},
        ),
        previous=_compared(pipeline, parent, previous) if previous else None,
        corpus=gather_corpus(config, results) if CLEAN.name in results else None,
        curves=tuple(_curves(pipeline, results)),
        tasks=tuple(
            _task(store, task, results, pictures, intervals)
            for task in config.tasks
            if EVALUATE.label(task.name) in results
        ),
        samples=_samples(results.get(EVALUATE_LM.name)),
        audit=read_audit(results),
        steps=tuple(_steps(store, results.values())),
        lineage=_lineage(results),
        choices=_choices(results.get(BUDGET.name)),
    )


def _scores(
    config: Config,
    summary: Mapping[str, float],
    intervals: Mapping[str, Interval],
    spreads: Mapping[str, Mapping[str, Spread]],
    previous: Mapping[str, float],
) -> tuple[pages.Score, ...]:
    """Return the models' scores with those they are compared with."""
    metrics = metrics_by_task(config)
    scores = []
    for key, value in summary.items():
        if key.startswith("baseline/"):
            continue
        task, _, metric = key.partition("/")
        simple, trivial = (summary.get(f"baseline/{part}{key}") for part in ("", "trivial/"))
        scores.append(
            pages.Score(
                task,
                metric,
                value,
                simple,
                trivial,
                previous.get(key),
                intervals.get(key),
                {what: found[key] for what, found in spreads.items() if key in found},
                lower_is_better(metrics[task], metric),
            )
        )
    return tuple(scores)


def _previous(pipeline: Pipeline, parent: Run, summary: Mapping[str, float]) -> Run | None:
    """Return the newest earlier finished run of the experiment with any of these scores."""
    condition = (
        "attributes.status='FINISHED' and tags.`textmill.kind`='pipeline' "
        f"and attributes.start_time < {parent.info.start_time}"
    )
    found = pipeline.store.search(condition, 50, pipeline.experiment_id)
    return next((run for run in found if run.data.metrics.keys() & summary.keys()), None)


def _compared(pipeline: Pipeline, parent: Run, previous: Run) -> pages.Previous:
    there, here = previous.data.params, parent.data.params
    return pages.Previous(
        name=previous.info.run_name,
        url=pipeline.store.run_url(pipeline.experiment_id, previous.info.run_id),
        differences={
            key: (there.get(key, "–"), here.get(key, "–"))
            for key in sorted(there.keys() | here.keys())
            if there.get(key) != here.get(key)
        },
    )


def _curves(pipeline: Pipeline, results: Mapping[str, Result]) -> Iterator[pages.Curves]:
    for label, result in results.items():
        part = GRAPH.parse(label)
        if part is not None and part.step.is_training:
            found = {key.split("/")[0]: _points(pipeline, result, key) for key in CURVES}
            if curves := {name: points for name, points in found.items() if points}:
                yield pages.Curves(label, curves)


def _points(pipeline: Pipeline, result: Result, key: str) -> Points:
    return subsample(points_of(pipeline.store, result.run_id, key), MAX_POINTS)


def _task(
    store: Store,
    task: TaskConfig,
    results: Mapping[str, Result],
    pictures: Pictures,
    intervals: Mapping[str, Interval],
) -> pages.Task:
    result = results[EVALUATE.label(task.name)]
    tuned, tested = results[FINETUNE.label(task.name)].metrics(), result.metrics()
    counts = ("train_examples", "validation_examples", "test_examples", "cut_examples")
    numbers = {**tuned, **{key: tested[key] for key in counts if key in tested}}
    facts = {"language": languages(task)} if languages(task) else {}
    facts |= {key.replace("_", " "): f"{numbers[key]:,.0f}" for key in counts if key in numbers}
    facts["epochs"] = f"{tuned['epochs']:.3g}"
    selection = f"best_validation_{examples_of(task.kind).SELECTION}"
    if f"{selection}/deviation" in tuned:
        mean, deviation = (tuned[f"{selection}/{part}"] for part in ("mean", "deviation"))
        name = selection.replace("_", " ")
        facts[f"{name}, {task.finetune.seeds} seeds"] = f"{mean:.3f} ± {deviation:.3f}"
    facts["model"] = results[FINETUNE.label(task.name)].json("task.json")["choice"]
    rows = result.lines(PREDICTIONS)
    shown = list(map(page_of(task.kind).show, rows))
    with best_effort("the table of mistakes"):
        log_mistakes(store, result, shown)
    curve = results.get(CURVE.label(task.name))
    metrics = [one.name for one in definitions(task.kind, task.metrics) if one.name in tested]
    judged = results.get(BEHAVIOUR.label(task.name))
    behaviour, bias = _behaviour(judged), group_differences(judged)
    if judged is not None and bias:
        with best_effort("the table of differences between groups"):
            log_group_differences(store, judged, bias)
    names = (*metrics, *(test.metric for test in behaviour))
    found = {name: intervals.get(f"{task.name}/{name}") for name in names}
    return pages.Task(
        name=task.name,
        kind=task.kind,
        facts=facts,
        baselines=_baselines(results[BASELINE.label(task.name)]),
        images=(*pictures.of(task.kind, result), *(pictures.logged(curve) if curve else ())),
        examples=choose_examples(shown, N_RIGHT, N_WRONG),
        notes=read_notes(results[BASELINE.label(task.name)].folder),
        scores={name: tested[name] for name in metrics},
        intervals={name: interval for name, interval in found.items() if interval is not None},
        slices=tuple(_slices(task, rows, tested, intervals)),
        behaviour=behaviour,
        bias=bias,
    )


def _behaviour(result: Result | None) -> tuple[Summary, ...]:
    return () if result is None else from_rows(result.lines(VERDICTS))


def _slices(
    task: TaskConfig,
    rows: Sequence[Row],
    tested: Mapping[str, float],
    intervals: Mapping[str, Interval],
) -> Iterator[pages.Slice]:
    for place, part in rows_by_slice(rows).items():
        names = {name: metric_name(place, name) for name in main_metrics(task.kind, task.metrics)}
        scores = {name: tested[key] for name, key in names.items() if key in tested}
        found = {name: intervals.get(f"{task.name}/{key}") for name, key in names.items()}
        known = {name: interval for name, interval in found.items() if interval is not None}
        yield pages.Slice(*place, len(part), scores, known)


def _baselines(result: Result) -> dict[str, dict[str, float]]:
    """Return the overall scores of every baseline, each of which has a folder."""
    names = [file.parent.name for file in result.files(f"*/{PREDICTIONS}")]
    scores: dict[str, dict[str, float]] = {name: {} for name in names}
    for key, value in result.metrics().items():
        name, _, metric = key.partition("/")
        if name in scores and metric and "/" not in metric:
            scores[name][metric] = value
    return scores


def _samples(result: Result | None) -> tuple[str, ...]:
    return () if result is None else tuple(result.json("samples.json"))


def _choices(result: Result | None) -> tuple[str, ...]:
    return () if result is None else read_sizes(result.file(SIZES)).reasons


def _steps(store: Store, results: Collection[Result]) -> Iterator[pages.Step]:
    runs = read_runs(store, (result.run_id for result in results))
    for result in results:
        yield _step(store, result, runs[result.run_id])


def _step(store: Store, result: Result, run: Run) -> pages.Step:
    last = run.data.metrics

    def history(key: str) -> list[float]:
        return history_of(store, run, key)

    processor = history(PROCESSOR)[1:]  # psutil's first value is always 0
    gpus = [history(GPU_MEMORY.format(i)) for i in range(16) if GPU_MEMORY.format(i) in last]
    return pages.Step(
        label=result.label,
        url=result.url,
        key=result.key,
        digest=result.digest,
        is_reused=result.is_reused,
        seconds=last.get("seconds"),
        memory_mib=peak_memory_mib(store, run),
        processor_percent=sum(processor) / len(processor) if processor else None,
        gpu_memory_mib=max(map(max, gpus)) if gpus else None,
        n_bytes=sum(file.stat().st_size for file in result.folder.rglob("*") if file.is_file()),
    )


def _lineage(results: Mapping[str, Result]) -> tuple[pages.Branch, ...]:
    """Return the steps as trees; the parent of a step is its deepest input."""
    manifests = {label: result.manifest for label, result in results.items()}
    # By digest: the manifest of a reused step names the runs that created its inputs at that time.
    label_of: dict[str, str] = {}
    depths: dict[str, int] = {}
    above: dict[str, list[str]] = {}
    for label, manifest in manifests.items():
        digests = [entry["digest"] for entry in manifest["inputs"].values()]
        read = [label_of[digest] for digest in digests if digest in label_of]
        above[label] = sorted(read, key=depths.__getitem__, reverse=True)
        depths[label] = 1 + max((depths[other] for other in read), default=0)
        label_of.setdefault(results[label].digest, label)

    def below(parent: str | None) -> tuple[pages.Branch, ...]:
        return tuple(
            pages.Branch(
                label=label,
                url=results[label].url,
                digest=results[label].digest,
                sources=tuple(
                    f"{name}: {source['place']}, {source['digest'][:DIGEST_CHARS]}"
                    for name, source in manifests[label]["sources"].items()
                ),
                further=tuple(others[1:]),
                children=below(label),
            )
            for label, others in above.items()
            if next(iter(others), None) == parent
        )

    return below(None)
