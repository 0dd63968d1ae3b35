"""Specifies how pipeline runs are found, and what is gathered of them."""

from __future__ import annotations

import itertools
import json
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from mlflow.entities import Metric

from textmill.errors import InputError, RunError
from textmill.files import MANIFEST, digest_folder, digest_values, write_json
from textmill.reports.comparison import compare, log_comparison
from textmill.reports.side_by_side import Comparison, render
from textmill.tracking import artifacts
from textmill.tracking.artifacts import (
    artifact,
    output_file,
    output_folder,
    publish,
    read_artifact,
)
from textmill.tracking.lookup import MEMORY
from textmill.tracking.results import recorded_results, results_tags
from textmill.tracking.store import Store

_names = itertools.count(1)
Rows = list[dict[str, Any]]


def rows(n: int, n_right: int, reference: str = "a") -> Rows:
    return [
        {"text": f"{i}", "reference": reference, "label": reference if i < n_right else "z"}
        for i in range(n)
    ]


def documents(loss: float) -> Rows:
    return [{"bytes": 40 + i, "targets": 10, "nll": 10 * loss + i % 3} for i in range(30)]


@pytest.fixture
def make_run(store: Store, tmp_path: Path) -> Callable[..., str]:
    """Returns a function that makes a finished pipeline run with an evaluation of each task."""

    def make(
        answers: Mapping[str, Rows],
        params: Mapping[str, Any] | None = None,
        code: str = "0" * 64,
        package: str = "2.0",
        source: str = "s" * 64,
        status: str = "FINISHED",
        signature: str = "v1",
    ) -> str:
        name = f"made {time.time_ns()} {next(_names)}"
        experiment = store.experiment("compared")
        tags = {"textmill.kind": "pipeline", "textmill.machine": '{"cores": "2"}'}
        parent = store.start_run(experiment, name, tags)
        results: dict[str, str] = {}
        store.client.log_text(parent, f"numpy=={package}\ntorch==2.13\n", "environment.txt")
        store.log_params(parent, params or {})
        for task, answered in answers.items():
            step = "evaluate-lm" if task == "lm" else "evaluate"
            label = step if task == "lm" else f"evaluate {task}"
            run_id = store.start_run(experiment, label, {"mlflow.parentRunId": parent})
            out = tmp_path / run_id
            out.mkdir()
            file = "documents.jsonl" if task == "lm" else "predictions.jsonl"
            (out / file).write_text("".join(json.dumps(row) + "\n" for row in answered))
            files = digest_folder(out)
            manifest = {
                "step": step,
                "config": {"kind": "classification"},
                "code": {"textmill.tasks": code, "textmill.corpus": "1" * 64},
                "packages": {"numpy": package},
                "sources": {f"{task}/test": {"place": "x", "digest": source}},
                "files": files,
                "digest": digest_values(files),
            }
            write_json(out / MANIFEST, manifest)
            publish(store, run_id, out)
            store.log_metrics(run_id, {"seconds": 2.0})
            store.log_points(run_id, [Metric(MEMORY, v, v, v) for v in (10, 30, 20)])
            store.set_tags(run_id, {"signature.accuracy": signature})
            store.end_run(run_id, "FINISHED")
            results[label] = run_id
        store.set_tags(parent, results_tags(results))
        if status != "RUNNING":
            store.end_run(parent, status)
        return parent

    return make


MakeRun = Callable[..., str]


@pytest.fixture
def compared(store: Store, make_run: MakeRun) -> Comparison:
    first = make_run({"mood": rows(60, 30), "lm": documents(2.0)}, {"seed": 0, "same": 1})
    second = make_run(
        {"mood": rows(60, 55), "lm": documents(1.5), "other": rows(9, 3)},
        {"seed": 1, "same": 1},
        code="f" * 64,
        package="2.1",
        source="t" * 64,
    )
    return compare(store, [first, second])


def test_what_differs_is_found_in_params_manifests_and_environment(compared: Comparison) -> None:
    assert compared.settings == {"seed": ("0", "1")}
    assert compared.modules == {"textmill.tasks": ("0" * 64, "f" * 64)}
    assert compared.packages == {"numpy": ("2.0", "2.1")}
    assert compared.data["mood/test"] == ("s" * 64, "t" * 64)
    assert {"evaluate mood", "evaluate-lm"} <= compared.results.keys()
    assert (compared.machine, compared.commits) == ({}, {})


def test_scores_are_tested_against_the_first_run(compared: Comparison) -> None:
    first, second = (s for s in compared.scores if (s.task, s.metric) == ("mood", "accuracy"))
    assert (first.value, second.value) == (0.5, pytest.approx(55 / 60))
    assert first.against_first is None
    assert second.against_first is not None
    assert second.against_first.p_value < 0.01
    assert second.interval is not None
    assert second.interval.low < second.value < second.interval.high
    bits = [s for s in compared.scores if s.metric == "bits_per_byte"]
    assert bits[1].against_first is not None
    assert bits[1].against_first.gain.value > 0
    assert {score.task for score in compared.scores} == {"mood", "lm"}


def test_costs_are_those_of_the_steps(compared: Comparison) -> None:
    cost = next(cost for cost in compared.costs if cost.step == "evaluate mood")
    assert (cost.seconds, cost.memory_mib, cost.is_reused) == ((2, 2), (30, 30), (False, False))
    other = next(cost for cost in compared.costs if cost.step == "evaluate other")
    assert other.seconds == (None, 2)


def test_the_comparison_is_logged_to_the_last_run(store: Store, compared: Comparison) -> None:
    name = log_comparison(store, compared)
    assert name == f"comparison/{compared.runs[0].run_id[:8]}.md"
    page = read_artifact(store, store.client.get_run(compared.runs[1].run_id), name)
    assert page == render(compared)


@pytest.mark.parametrize(
    ("second", "signature", "note"),
    [
        (rows(20, 15, reference="b"), "v1", "the test examples are not the same"),
        (rows(20, 15), "v2", "metrics computed differently"),
    ],
    ids=["other examples", "other signature"],
)
def test_scores_that_cannot_be_tested_say_why(
    store: Store, make_run: MakeRun, second: Rows, signature: str, note: str
) -> None:
    runs = [make_run({"mood": rows(20, 10)}), make_run({"mood": second}, signature=signature)]
    score = next(s for s in compare(store, runs).scores if s.run == 1)
    assert score.against_first is None
    assert score.interval is not None
    assert note in score.note


@pytest.mark.parametrize("status", ["RUNNING", "FAILED"])
def test_a_run_that_has_not_finished_is_refused(
    store: Store, make_run: MakeRun, status: str
) -> None:
    run_id = make_run({}, status=status)
    with pytest.raises(InputError, match=f"has not finished .{status}"):
        compare(store, [make_run({}), run_id])


def test_runs_without_a_common_task_are_refused(store: Store, make_run: MakeRun) -> None:
    with pytest.raises(InputError, match="no task in common"):
        compare(store, [make_run({"mood": rows(4, 2)}), make_run({"place": rows(4, 2)})])


def test_a_run_is_not_compared_with_itself(store: Store, make_run: MakeRun) -> None:
    run_id = make_run({"mood": rows(4, 2)})
    for names in ([run_id], [run_id, run_id[:20]]):
        with pytest.raises(InputError, match="at least two different runs"):
            compare(store, names)


def test_damaged_answers_are_noticed(store: Store, make_run: MakeRun) -> None:
    runs = [make_run({"mood": rows(4, 2)}), make_run({"mood": rows(4, 3)})]
    step = recorded_results(store.client.get_run(runs[0]))["evaluate mood"]
    output_file(store, store.client.get_run(step), "predictions.jsonl").write_text("{}\n")
    with pytest.raises(RunError, match="its digest differs"):
        compare(store, runs)


def test_runs_of_a_far_store_are_read_through_a_copy(
    store: Store, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [make_run({"mood": rows(20, 10)}), make_run({"mood": rows(20, 15)})]
    near = compare(store, runs)
    monkeypatch.setattr(artifacts, "_artifact_folder", lambda run: None)
    assert compare(store, runs) == near
    assert compare(store, runs) == near  # which finds the copies
    with pytest.raises(RunError, match="nothing.txt"):
        artifact(store, store.client.get_run(runs[0]), "nothing.txt")


def test_scores_of_lm_eval_are_shown_if_the_first_run_and_another_have_them(
    store: Store, make_run: MakeRun
) -> None:
    runs = [make_run({"lm": documents(loss)}) for loss in (3.0, 2.0, 2.5)]
    metrics: list[dict[str, float]] = [
        {"harness/piqa/acc": 0.5, "harness/piqa/acc_stderr": 0.1, "harness/first/acc": 0.5},
        {"harness/piqa/acc": 0.625, "harness/second/acc": 1.0},
        {},
    ]
    for run_id, own in zip(runs, metrics, strict=True):
        step = recorded_results(store.client.get_run(run_id))["evaluate-lm"]
        store.log_metrics(step, own)
    found = compare(store, runs)
    first, second = [score for score in found.scores if score.metric.startswith("harness")]
    assert (first.task, first.metric, first.run, first.value) == ("lm", "harness/piqa/acc", 0, 0.5)
    assert first.interval is not None
    assert (first.interval.low, first.interval.high) == pytest.approx((0.304, 0.696), abs=5e-4)
    assert (second.run, second.value, second.interval) == (1, 0.625, None)
    page = render(found)
    rows = [line for line in page.splitlines() if line.startswith("| lm/harness")]
    assert [[cell.strip() for cell in row.split("|")[1:-1]] for row in rows] == [
        ["lm/harness/piqa/acc", "1", "0.5", "0.304 to 0.696", "", "", ""],
        ["lm/harness/piqa/acc", "2", "0.625", "", "", "", "answers are not kept"],
    ]


def test_shares_of_passed_behaviour_tests_are_compared(
    store: Store, make_run: MakeRun, tmp_path: Path
) -> None:
    runs = [make_run({"mood": rows(9, n)}) for n in (3, 4)]
    for run_id, share in zip(runs, (0.5, 0.75), strict=True):
        run = store.client.get_run(run_id)
        step = store.start_run(run.info.experiment_id, "behaviour mood", {})
        made = output_folder(store, recorded_results(run)["evaluate mood"])
        publish(store, step, shutil.copytree(made, tmp_path / step))
        metrics = {"behaviour/negation": share, "behaviour/praise": 1.0, "cases": 9.0}
        store.log_metrics(step, metrics)
        store.set_tags(run_id, results_tags(recorded_results(run) | {"behaviour mood": step}))
    found = compare(store, runs).behaviour
    assert found == {"mood/behaviour/negation": ("0.500", "0.750")}


def test_what_is_memorized_is_compared(store: Store, make_run: MakeRun, tmp_path: Path) -> None:
    runs = [make_run({"mood": rows(9, n)}) for n in (3, 4)]
    for run_id, bits in zip(runs, (1.5, 6.25), strict=True):
        run = store.client.get_run(run_id)
        step = store.start_run(run.info.experiment_id, "audit", {})
        made = output_folder(store, recorded_results(run)["evaluate mood"])
        publish(store, step, shutil.copytree(made, tmp_path / step))
        store.log_metrics(
            step, {"audit/exposure/16": bits, "audit/extracted/1": 0.0, "epochs": bits}
        )
        store.set_tags(run_id, results_tags(recorded_results(run) | {"audit": step}))
    assert compare(store, runs).audit == {"lm/audit/exposure/16": ("1.500", "6.250")}
