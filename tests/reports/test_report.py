"""Specifies the report in the store: gathered from the steps' results, logged on the parent run."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from mlflow.entities import Metric
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from textmill.config import Config, TaskConfig
from textmill.errors import RunError
from textmill.evaluation.notes import Note, write_notes
from textmill.evaluation.significance import Interval
from textmill.evaluation.spreads import Spread
from textmill.files import digest_bytes, read_json, write_json
from textmill.reports import logging
from textmill.reports import report as module
from textmill.reports.rendering import render
from textmill.reports.report import NAME, gather, log_report
from textmill.tracking.lookup import MEMORY
from textmill.tracking.pipeline import Pipeline, open_pipeline
from textmill.tracking.results import Result
from textmill.tracking.store import Store, artifact_url
from textmill.tracking.tags import COMMAND_TAG

COUNTS = {
    "documents_read": 10,
    "documents_kept": 8,
    "bytes_read": 1000,
    "bytes_kept": 800,
    "rejected_too_short": 2,
    "redacted_email": 3,
    "repaired_unicode": 1,
}
METRICS: dict[str, dict[str, float]] = {
    "clean": COUNTS | {f"{name}/own": value for name, value in COUNTS.items()},
    "tokenizer": {"vocab_size": 2048},
    "tokens": {
        "train_tokens": 5000,
        "validation_tokens": 500,
        "validation_bytes_per_token": 4.0,
    },
    "pretrain": {"parameters": 1_000_000, "tokens_seen": 2_000_000},
    "evaluate-lm": {"val_loss": 1.25},
    "baseline mood": {"accuracy": 0.75, "majority/accuracy": 0.5, "tfidf/accuracy": 0.75},
    "finetune mood": {"train_examples": 90, "validation_examples": 10, "epochs": 2.5},
    "evaluate mood": {"accuracy": 0.5, "test_examples": 2, "cut_examples": 1},
}
INPUTS = {
    "tokenizer": ["clean"],
    "tokens": ["clean", "tokenizer"],
    "pretrain": ["tokens", "tokenizer"],
    "evaluate-lm": ["pretrain", "tokens"],
    "finetune mood": ["pretrain"],
    "evaluate mood": ["finetune mood"],
}
SUMMARY = {
    "mood/accuracy": 0.5,
    "baseline/mood/accuracy": 0.75,
    "baseline/trivial/mood/accuracy": 0.25,
    "lm/val_loss": 1.25,
}
PREDICTIONS = [
    {"text": "fine", "reference": "good", "label": "good", "score": 0.9, "is_cut": False},
    {"text": "poor", "reference": "bad", "label": "good", "score": 0.8, "is_cut": True},
]


@pytest.fixture
def mood(task_of: Callable[[str, str], TaskConfig], config: Config) -> Config:
    """A configuration with one task, in an experiment of its own."""
    values = {
        "experiment": f"report {time.time_ns()}",
        "tasks": (task_of("classification", "mood"),),
    }
    return config.model_copy(update=values)


def write_outputs(folder: Path) -> None:
    """What the steps leave for a report besides metrics."""
    (folder / "clean" / "rejected").mkdir()
    dropped = {"text": "ab", "source": "own", "file": "own.jsonl", "line": 3}
    dropped |= {"reason": "too_short", "detail": "2 characters"}
    pq.write_table(pa.Table.from_pylist([dropped]), folder / "clean" / "rejected" / "0.parquet")
    receipts = {"length_edges": [1, 10], "lengths": [8, 0]}
    receipts |= {"cluster_sizes": [], "largest_clusters": []}
    write_json(folder / "clean" / "receipts.json", receipts)
    write_json(folder / "evaluate-lm" / "samples.json", ["One.", "Two\nlines."])
    lines = "".join(json.dumps(row) + "\n" for row in PREDICTIONS)
    (folder / "evaluate mood" / "predictions.jsonl").write_text(lines)
    choice = {"choice": "the average of all, chosen by validation accuracy"}
    write_json(folder / "finetune mood" / "task.json", choice)
    write_notes([Note("tfidf", "tfidf: on fewer features")], folder / "baseline mood")
    for name in ("majority", "tfidf"):
        (folder / "baseline mood" / name).mkdir()
        (folder / "baseline mood" / name / "predictions.jsonl").write_text(lines)


@pytest.fixture
def pipeline(mood: Config, store: Store, tmp_path: Path) -> Iterator[Pipeline]:
    """A run whose steps are done; those of the task in this run, the others long ago."""
    with open_pipeline("pipeline", mood, "mood.yaml", {COMMAND_TAG: "textmill run"}) as run:
        for label, metrics in METRICS.items():
            folder = tmp_path / label
            folder.mkdir()
            (folder / "metrics.json").write_text(json.dumps(metrics))
            inputs = {
                name: {"run_id": run.results[name].run_id, "digest": run.results[name].digest}
                for name in INPUTS.get(label, ())
            }
            sources = {"own": {"place": "own.jsonl", "digest": "5" * 64}} if not inputs else {}
            write_json(folder / "manifest.json", {"inputs": inputs, "sources": sources})
            run_id = store.start_run(run.experiment_id, label, {})
            store.log_metrics(run_id, metrics | {"seconds": 2.0})
            store.end_run(run_id, "FINISHED")
            url = store.run_url(run.experiment_id, run_id)
            is_reused = "mood" not in label
            digest = digest_bytes(label.encode())
            run.results[label] = Result(label, "k" * 64, run_id, url, folder, digest, is_reused)
        write_outputs(tmp_path)
        yield run


def points(key: str, values: list[float]) -> list[Metric]:
    return [Metric(key, value, 1000 + step, step) for step, value in enumerate(values)]


def test_the_report_is_logged_to_the_parent_run(
    pipeline: Pipeline, mood: Config, store: Store
) -> None:
    started_s = time.monotonic()
    place = log_report(pipeline, mood, SUMMARY, {}, {})
    assert time.monotonic() - started_s < 10  # 0.4 s on an idle machine
    assert NAME in [file.path for file in store.client.list_artifacts(pipeline.run_id)]
    page = Path(place).read_text()
    assert "0.500" in page
    assert "textmill run" in page


def test_scores_stand_beside_both_baselines(pipeline: Pipeline, mood: Config) -> None:
    accuracy, loss = gather(pipeline, mood, SUMMARY, {}, {}).scores
    assert (accuracy.task, accuracy.metric) == ("mood", "accuracy")
    assert (accuracy.model, accuracy.baseline, accuracy.trivial) == (0.5, 0.75, 0.25)
    assert (accuracy.ahead, loss.ahead) == ("baseline", "")
    assert gather(pipeline, mood, SUMMARY, {}, {}).previous is None


def test_the_previous_finished_run_of_the_experiment_is_compared(
    pipeline: Pipeline, mood: Config, store: Store
) -> None:
    mine = store.client.get_run(pipeline.run_id)

    def earlier(name: str, status: str, metrics: dict[str, float], days: int) -> str:
        client = MlflowClient(store.uri)
        start = mine.info.start_time - days * 86_400_000
        tags = {"textmill.kind": "pipeline", "mlflow.runName": name}
        run = client.create_run(pipeline.experiment_id, start, tags)
        store.log_metrics(run.info.run_id, metrics)
        store.log_params(run.info.run_id, {"pretrain": {"max_steps": 7}})
        store.end_run(run.info.run_id, status)
        return str(run.info.run_id)

    earlier("older", "FINISHED", {"mood/accuracy": 0.3}, 4)
    wanted = earlier("wanted", "FINISHED", {"mood/accuracy": 0.4}, 3)
    earlier("without scores", "FINISHED", {}, 2)
    earlier("failed", "FAILED", {"mood/accuracy": 0.9}, 1)
    found = gather(pipeline, mood, SUMMARY, {}, {})
    assert found.previous is not None
    assert found.previous.name == "wanted"
    assert wanted in found.previous.url
    assert found.previous.differences["pretrain.max_steps"] == ("7", "600")
    assert found.scores[0].change == pytest.approx(0.1)
    assert found.scores[1].previous is None


def test_the_data_section_is_included_if_there_is_data(pipeline: Pipeline, mood: Config) -> None:
    corpus = gather(pipeline, mood, SUMMARY, {}, {}).corpus
    assert corpus is not None
    assert (corpus.documents_read, corpus.tokens["vocabulary"]) == (10, "2,048")
    del pipeline.results["clean"]
    assert gather(pipeline, mood, SUMMARY, {}, {}).corpus is None


def test_curves_are_the_points_of_the_steps_run(
    pipeline: Pipeline, mood: Config, store: Store
) -> None:
    run_id = pipeline.results["pretrain"].run_id
    store.log_points(run_id, points("train/loss", [3.0, 2.0, 1.0]))
    store.log_points(run_id, points("validation/loss", [2.5]))
    curves = gather(pipeline, mood, SUMMARY, {}, {}).curves
    assert [curve.title for curve in curves] == ["pretrain"]
    assert curves[0].curves == {
        "train": [(0, 3.0), (1, 2.0), (2, 1.0)],
        "validation": [(0, 2.5)],
    }


def test_a_task_has_its_examples_baselines_and_pictures(pipeline: Pipeline, mood: Config) -> None:
    (task,) = gather(pipeline, mood, SUMMARY, {}, {}).tasks
    assert task.facts["train examples"] == "90"
    assert task.facts["cut examples"] == "1"
    assert task.baselines == {"majority": {"accuracy": 0.5}, "tfidf": {"accuracy": 0.75}}
    assert task.scores == {"accuracy": 0.5}
    assert task.metrics == ("accuracy",)
    assert task.notes == (Note("tfidf", "tfidf: on fewer features"),)
    assert [e.segments[0].text for e in task.examples.right] == ["fine"]
    assert [e.segments[0].text for e in task.examples.wrong] == ["poor"]
    (image,) = task.images
    assert image.caption == "Confusion matrix"


def test_a_task_has_the_scores_of_slices_of_its_test(pipeline: Pipeline, mood: Config) -> None:
    folder = pipeline.results["evaluate mood"].folder
    rows = [row | {"slices": {"site": "web"}} for row in PREDICTIONS]
    (folder / "predictions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    metrics = METRICS["evaluate mood"] | {"slice/site/web/accuracy": 0.25}
    (folder / "metrics.json").write_text(json.dumps(metrics))
    interval = Interval(0.25, 0.125, 0.375, 0.1)
    found = gather(pipeline, mood, SUMMARY, {"mood/slice/site/web/accuracy": interval}, {})
    (part,) = found.tasks[0].slices
    assert (part.column, part.value, part.n_examples) == ("site", "web", len(rows))
    assert part.scores == {"accuracy": 0.25}
    assert part.intervals == {"accuracy": interval}
    page = render(found)
    assert "By slice" in page
    assert "0.125 to 0.375" in page


def test_a_model_of_several_seeds_has_their_mean_and_deviation(
    pipeline: Pipeline, mood: Config
) -> None:
    (score, *_) = gather(pipeline, mood, SUMMARY, {}, {}).scores
    assert score.spreads == {}
    further = {
        "finetune mood": {f"best_validation_accuracy/{k}": 0.5 for k in ("mean", "deviation")},
        "evaluate mood": {f"seeds/accuracy/{k}": 0.25 for k in ("mean", "deviation", "network")},
    }
    for label, metrics in further.items():
        file = pipeline.results[label].folder / "metrics.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | metrics))
    report = gather(pipeline, mood, SUMMARY, {}, {})
    by_metric = {f"{one.task}/{one.metric}": one.spreads for one in report.scores}
    assert by_metric["mood/accuracy"] == {"over seeds": Spread(0.25, 0.25, 1)}
    assert report.tasks[0].facts["best validation accuracy, 1 seeds"] == "0.500 ± 0.500"


def test_a_cross_validated_task_has_the_scores_of_its_folds(
    pipeline: Pipeline, mood: Config, tmp_path: Path
) -> None:
    scores = {"mean": 0.5, "deviation": 0.25, "fold-1": 0.25, "fold-2": 0.75}
    metrics = {f"folds/accuracy/{name}": value for name, value in scores.items()}
    metrics |= {f"baseline/{name}": value / 2 for name, value in metrics.items()}
    label = "folds mood"
    (tmp_path / label).mkdir()
    write_json(tmp_path / label / "metrics.json", metrics)
    write_json(tmp_path / label / "manifest.json", {"inputs": {}, "sources": {}})
    evaluation = pipeline.results["evaluate mood"]
    pipeline.results[label] = replace(evaluation, label=label, folder=tmp_path / label)
    report = gather(pipeline, mood, SUMMARY, {}, {})
    by_metric = {f"{one.task}/{one.metric}": one.spreads for one in report.scores}
    assert by_metric["mood/accuracy"] == {
        "over folds": Spread(0.5, 0.25, 2),
        "baseline over folds": Spread(0.25, 0.125, 2),
    }
    assert "0.500 ± 0.250" in render(report)


def test_samples_are_read_one_by_one(pipeline: Pipeline, mood: Config) -> None:
    assert gather(pipeline, mood, SUMMARY, {}, {}).samples == ("One.", "Two\nlines.")


def test_steps_are_in_execution_order_with_their_resources(
    pipeline: Pipeline, mood: Config, store: Store
) -> None:
    run_id = pipeline.results["evaluate mood"].run_id
    store.log_points(run_id, points(MEMORY, [1000.0, 3000.0, 2000.0]))
    store.log_points(run_id, points(module.PROCESSOR, [0.0, 80.0, 100.0]))
    store.log_points(run_id, points(module.GPU_MEMORY.format(1), [5.0, 7.0]))
    pipeline.results["clean"] = pipeline.results.pop("clean")  # as if it had ended last
    steps = gather(pipeline, mood, SUMMARY, {}, {}).steps
    assert [step.label for step in steps] == list(METRICS)
    last = steps[-1]
    assert (last.is_reused, steps[0].is_reused) == (False, True)
    assert (last.seconds, last.memory_mib, last.processor_percent) == (2.0, 3000.0, 90.0)
    assert last.gpu_memory_mib == 7.0
    assert (steps[0].memory_mib, steps[0].gpu_memory_mib) == (None, None)


def test_the_parent_of_a_step_in_the_tree_is_its_deepest_input(
    pipeline: Pipeline, mood: Config
) -> None:
    clean, baseline = gather(pipeline, mood, SUMMARY, {}, {}).lineage
    assert (clean.label, baseline.label) == ("clean", "baseline mood")
    assert clean.sources == ("own: own.jsonl, 555555555555",)
    (tokenizer,) = clean.children
    (tokens,) = tokenizer.children
    assert (tokens.label, tokens.further, tokens.sources) == ("tokens", ("clean",), ())
    (pretrain,) = tokens.children
    assert [branch.label for branch in pretrain.children] == ["evaluate-lm", "finetune mood"]
    assert [branch.label for branch in pretrain.children[1].children] == ["evaluate mood"]


def test_a_reused_step_is_below_the_result_with_the_digest_of_its_input(
    pipeline: Pipeline, mood: Config
) -> None:
    file = pipeline.results["tokenizer"].folder / "manifest.json"
    manifest = read_json(file)
    manifest["inputs"]["clean"]["run_id"] = "of an earlier run"
    manifest["inputs"]["lost"] = {"run_id": "of another", "digest": "0" * 64}
    write_json(file, manifest)
    clean, _ = gather(pipeline, mood, SUMMARY, {}, {}).lineage
    assert [(branch.label, branch.further) for branch in clean.children] == [("tokenizer", ())]


def test_a_step_says_how_large_its_output_is(pipeline: Pipeline, mood: Config) -> None:
    (pipeline.results["tokens"].folder / "deep").mkdir()
    (pipeline.results["tokens"].folder / "deep" / "shard").write_bytes(bytes(5000))
    sizes = {s.label: s.n_bytes or 0 for s in gather(pipeline, mood, SUMMARY, {}, {}).steps}
    assert 5000 < sizes["tokens"] < 6000


def test_a_task_whose_branch_failed_is_reported_and_omitted(
    pipeline: Pipeline, mood: Config
) -> None:
    del pipeline.results["evaluate mood"]
    language = {"lm/val_loss": 1.25}
    found = gather(pipeline, mood, language, {}, {"mood": "no memory"})
    assert found.tasks == ()
    assert found.failures == {"mood": "no memory"}
    page = Path(log_report(pipeline, mood, language, {}, {"mood": "no memory"})).read_text()
    assert "no memory" in page


def test_a_store_that_fails_is_a_run_error(
    pipeline: Pipeline, mood: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: Any) -> None:
        raise MlflowException("the server is away")

    monkeypatch.setattr(MlflowClient, "log_artifact", fail)
    with pytest.raises(RunError, match="the server is away"):
        log_report(pipeline, mood, SUMMARY, {}, {})


def test_the_report_in_a_remote_store_is_given_by_its_url(
    pipeline: Pipeline, mood: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging, "local_file", lambda *arguments: None)
    assert log_report(pipeline, mood, SUMMARY, {}, {}) == artifact_url(pipeline.url, NAME)


def test_a_file_that_cannot_be_read_is_a_run_error(pipeline: Pipeline, mood: Config) -> None:
    result = pipeline.results["evaluate mood"]
    pipeline.results["evaluate mood"] = replace(result, folder=result.folder / "gone")
    with pytest.raises(RunError, match="gone"):
        log_report(pipeline, mood, SUMMARY, {}, {})
