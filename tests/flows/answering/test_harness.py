"""Specifies what textmill evaluate --harness prints and logs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from textmill.config import Config
from textmill.errors import InputError
from textmill.registry.scored_backbones import Backbone
from textmill.tasks.language_model.harness import evaluation
from textmill.tasks.language_model.harness.logged_scores import Score
from textmill.tracking.liveness import close_dead_runs
from textmill.tracking.store import Store, StoreError
from textmill_flows.answering import harness
from textmill_flows.answering.harness import HarnessRequest, evaluate_model, log_results

SCORES = (
    Score("piqa", "acc", 0.625, 0.0113, 1838, None),
    Score("gsm8k", "exact_match/strict-match", 0.0, None, None, 5),
)
RESULTS = evaluation.HarnessResults(SCORES, '{"results": {}}')


@pytest.fixture
def config(tmp_path: Path, empty_database: Path) -> Config:
    (tmp_path / "mlruns").mkdir()
    shutil.copy(empty_database, tmp_path / "mlruns")
    return Config.model_validate(
        {
            "experiment": "harness",
            "corpus": {"sources": [{"name": "own", "path": "own.jsonl"}]},
            "tracking": {"home": str(tmp_path / "mlruns"), "system_metrics": False},
        }
    )


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The arguments of the evaluation, which takes no time."""
    seen: dict[str, Any] = {}

    def evaluate_tasks(*arguments: Any, **named: Any) -> Any:
        seen.update(named, arguments=arguments)
        return RESULTS

    monkeypatch.setattr(evaluation, "evaluate_tasks", evaluate_tasks)
    return seen


def test_scores_and_report_are_logged_to_every_run_with_its_prefix(config: Config) -> None:
    store = Store(config.tracking)
    experiment = store.experiment("harness")
    runs = [store.start_run(experiment, name, {}) for name in ("evaluate-lm", "pipeline")]
    urls = log_results(store, Backbone(Path(), {runs[0]: "", runs[1]: "lm/"}), RESULTS, "none")
    for run_id, prefix, url in zip(runs, ("", "lm/"), urls, strict=True):
        assert run_id in url
        assert store.client.get_run(run_id).data.metrics == {
            f"{prefix}harness/piqa/acc": 0.625,
            f"{prefix}harness/piqa/acc_stderr": 0.0113,
            f"{prefix}harness/gsm8k-5-shot/exact_match/strict-match": 0.0,
        }
        (file,) = store.client.list_artifacts(run_id, "harness")
        assert json.loads(Path(store.client.download_artifacts(run_id, file.path)).read_text())
        store.end_run(run_id, "FINISHED")


def test_a_folder_has_a_run_of_its_own(config: Config, asked: Any, tmp_path: Path) -> None:
    request = HarnessRequest(["piqa"], tmp_path, None, 5, True)
    table, url = evaluate_model(str(tmp_path), request, config)
    assert table.splitlines()[2:] == [
        "| piqa | acc | 0.6250 | 0.0113 | 1,838 |",
        "| gsm8k | exact_match/strict-match | 0.0000 |  |  |",
    ]
    store = Store(config.tracking)
    (run,) = store.search("tags.`textmill.kind`='harness'")
    assert run.info.run_id in url
    assert (run.info.run_name, run.info.status) == (f"harness {tmp_path.name}", "FINISHED")
    assert asked == {
        "arguments": (tmp_path,),
        "names": ["piqa"],
        "include": tmp_path,
        "limit": None,
        "shots": 5,
        "trusts_code": True,
        "accelerator": "auto",
    }


@pytest.mark.usefixtures("asked")
@pytest.mark.parametrize(
    ("broken", "statuses"),
    [(["log_text"], ["FAILED", "FAILED"]), (["log_text", "set_terminated"], ["RUNNING", "KILLED"])],
)
def test_a_store_that_fails_leaves_no_run_open(
    config: Config,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    broken: Sequence[str],
    statuses: Sequence[str],
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise MlflowException("the store is away")

    def status() -> str:
        (run,) = Store(config.tracking).search("tags.`textmill.kind`='harness'")
        return str(run.info.status)

    with monkeypatch.context() as patch:
        for method in broken:
            patch.setattr(MlflowClient, method, fail)
        answer = evaluate_model(str(tmp_path), HarnessRequest(["piqa"]), config)
        assert "piqa" in next(answer)
        with pytest.raises(StoreError, match="the store is away"):
            next(answer)
    found = [status()]
    close_dead_runs(Store(config.tracking))  # as every start does
    assert [*found, status()] == statuses


@pytest.mark.usefixtures("asked")
def test_scores_of_some_examples_alone_are_not_logged(config: Config, tmp_path: Path) -> None:
    (table,) = evaluate_model(str(tmp_path), HarnessRequest(["piqa"], limit=9), config)
    assert "piqa" in table
    assert not Store(config.tracking).search("tags.`textmill.kind`='harness'")


def test_the_missing_extra_is_named(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"needs lm-eval.*pip install textmill\[harness\]"):
        next(evaluate_model(None, HarnessRequest(["piqa"]), config))


@pytest.mark.usefixtures("asked")
def test_a_store_without_a_backbone_says_what_to_run(config: Config) -> None:
    with pytest.raises(InputError, match="no such model yet: run textmill pretrain"):
        next(evaluate_model(None, HarnessRequest(["piqa"]), config))
