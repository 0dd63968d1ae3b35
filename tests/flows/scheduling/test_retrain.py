"""Specifies the retraining flow: notifications of failures, and what drift is measured against."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # third parties' own
    import importlib

    module: Any = importlib.import_module("textmill_flows.scheduling.retrain")
    context: Any = importlib.import_module("textmill_flows.running.context")
    from textmill.config import Config
    from textmill.errors import InputError, RunError
    from textmill.steps.process import Stopped
    from textmill.steps.raw_sources import Source
    from textmill.tracking.events import PastRun
    from textmill.tracking.results import Result
    from textmill.tracking.store import StoreError
    from textmill_flows.invocation import Composed

Notice = tuple[str, str, dict[str, str]]
USER_FILE = """
defaults: [base, _self_]
corpus:
  sources: [{name: notes, path: notes.jsonl, text: text}]
  near_duplicates: {enabled: false}
"""
LAST = PastRun("a1b2", "http://store/a1b2", "FINISHED", "d", {})


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[Notice]:
    """Return the list of notifications sent: event, message, facts."""
    notices: list[Notice] = []
    for place in (module, context):
        monkeypatch.setattr(
            place,
            "notify",
            lambda config, event, message, facts: notices.append((event, message, facts)),
        )
    return notices


@pytest.fixture
def _stubbed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the store, the lock and the log of a retraining."""

    @contextmanager
    def exclusive_retraining(store: object, config: Config) -> Iterator[None]:
        yield None

    monkeypatch.setattr(module, "Store", lambda tracking: None)
    monkeypatch.setattr(module, "exclusive_retraining", exclusive_retraining)
    monkeypatch.setattr(module, "close_killed", lambda store, config: None)
    monkeypatch.setattr(module, "last_finished", lambda store, config: None)
    monkeypatch.setattr(module, "runs_for", lambda store, config, event: [])
    monkeypatch.setattr(module, "say", lambda words: None)


def retrain(folder: Path, trigger: str = "data") -> Any:
    (folder / "notes.yaml").write_text(USER_FILE)
    return module.retrain.fn(trigger, Composed.of(str(folder / "notes.yaml")))


@pytest.mark.usefixtures("_stubbed")
def test_missing_data_send_a_notification(tmp_path: Path, sent: list[Notice]) -> None:
    with pytest.raises(InputError, match="notes.jsonl"):
        retrain(tmp_path)
    ((event, message, _),) = sent
    assert event == "failed"
    assert message.startswith("retraining failed: ")
    assert "notes.jsonl" in message


@pytest.mark.usefixtures("_stubbed")
@pytest.mark.parametrize("name", ["Store", "exclusive_retraining", "close_killed", "last_finished"])
@pytest.mark.parametrize(
    ("error", "words"),
    [
        (StoreError("the store is away"), "retraining failed: the store is away"),
        (ConnectionError("refused"), "retraining failed: ConnectionError: refused"),
        (KeyError("lost"), "retraining failed: KeyError: 'lost'"),
    ],
    ids=["store", "Prefect", "bug"],
)
def test_a_failure_outside_the_run_sends_one_notification(
    tmp_path: Path,
    sent: list[Notice],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    error: Exception,
    words: str,
) -> None:
    def fail(*arguments: object) -> None:
        raise error

    monkeypatch.setattr(module, name, fail)
    with pytest.raises(type(error)):
        retrain(tmp_path)
    assert [(event, message) for event, message, _ in sent] == [("failed", words)]


@pytest.mark.usefixtures("_stubbed")
@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RunError("pretrain failed"), "pretrain failed"),
        (TimeoutError("flow run exceeded"), "The run was stopped after retrain.time_limit_s"),
        (RuntimeError("a bug"), "RuntimeError: a bug"),
    ],
)
def test_the_notification_of_a_failed_run_has_its_url(
    tmp_path: Path,
    sent: list[Notice],
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    words: str,
) -> None:
    (tmp_path / "notes.jsonl").write_text('{"text": "a note"}')
    runs: list[PastRun] = []

    def fail(*arguments: object) -> None:
        runs.append(LAST)
        raise error

    monkeypatch.setattr(module, "runs_for", lambda store, config, event: runs)
    monkeypatch.setattr(module, "attempt", SimpleNamespace(with_options=lambda **options: fail))
    with pytest.raises((RunError, type(error))):
        retrain(tmp_path)
    ((event, message, facts),) = sent
    assert (event, facts["run_url"]) == ("failed", LAST.url)
    assert facts["reason"] == "there is no finished run yet"
    assert words in message


@pytest.mark.usefixtures("_stubbed")
def test_a_stopped_run_sends_no_notification(
    tmp_path: Path, sent: list[Notice], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*arguments: object) -> None:
        raise Stopped("stopped")

    monkeypatch.setattr(module, "last_finished", stop)
    with pytest.raises(Stopped):
        retrain(tmp_path)
    assert sent == []


def test_killed_pipelines_send_notifications(
    sent: list[Notice], monkeypatch: pytest.MonkeyPatch
) -> None:
    tags = {"textmill.kind": "pipeline", "prefect.flow_run_id": "p", "prefect.flow_run_name": "owl"}
    runs = [
        SimpleNamespace(
            data=SimpleNamespace(tags=tags | {"textmill.kind": kind}),
            info=SimpleNamespace(experiment_id="1", run_id=kind, run_name=f"{kind} 2026"),
        )
        for kind in ("pipeline", "step")
    ]
    store = SimpleNamespace(
        run_url=lambda experiment, run: f"http://store/{run}",
        client=SimpleNamespace(get_experiment=lambda number: SimpleNamespace(name="desk")),
    )
    closed: list[str] = []
    monkeypatch.setattr(context, "close_dead_runs", lambda store: runs)
    monkeypatch.setattr(context, "close_killed_runs", closed.extend)
    context.close_killed(store, None)
    facts = {
        "experiment": "desk",
        "flow_run": "owl",
        "run_id": "pipeline",
        "run_url": "http://store/pipeline",
    }
    assert sent == [("failed", "pipeline 2026 was killed", facts)]
    assert closed == ["p"]


def test_labelled_files_alone_are_watched(tmp_path: Path) -> None:
    files = {split: tmp_path / f"{split}.csv" for split in ("train", "test")}
    for file in files.values():
        file.write_text("text,label\na fine day,good\n")
    task = {"kind": "classification", "name": "mood", **{k: str(f) for k, f in files.items()}}
    values = {"corpus": {"task_texts": {"enabled": True}}, "tasks": [task]}
    config = Config.model_validate(values)
    before = module._digest_sources(config)
    assert module._digest_sources(config) == before
    files["train"].write_text("text,label\na fine day,bad\n")
    assert module._digest_sources(config) != before


def test_a_label_saved_by_hand_is_a_change_of_the_data(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("text,label\na fine day,good\n")
    task = {"kind": "classification", "name": "mood", "labelling": {"source": str(tmp_path / "s")}}
    task |= {split: str(tmp_path / "rows.csv") for split in ("train", "test")}
    values = {"corpus": {"task_texts": {"enabled": True}}, "tasks": [task]}
    config = Config.model_validate(values)
    last = PastRun("a1b2", "http://store/a1b2", "FINISHED", module._digest_sources(config), {})
    assert module.check_data(module._digest_sources(config), last).event is None
    (tmp_path / "s.mood.jsonl").write_text('{"text": "x", "label": "good"}\n')
    assert module.check_data(module._digest_sources(config), last).event is not None


@pytest.mark.parametrize("has_champion", [True, False])
def test_drift_is_measured_against_the_champion_if_there_is_one(
    monkeypatch: pytest.MonkeyPatch, has_champion: bool
) -> None:
    values = {
        "corpus": {"sources": [{"name": "own", "path": "own.jsonl"}]},
        "tasks": [{"kind": "classification", "name": "mood", "train": "a.csv", "test": "b.csv"}],
        "retrain": {"drift": {"tasks": ["mood"]}},
    }
    made: Any = SimpleNamespace(
        config=Config.model_validate(values), pipeline=SimpleNamespace(store=None)
    )

    def result(label: str) -> Result:
        return Result(label, "k", label, "u", Path(label), "d", True)

    def champion(store: object, experiment: str, model: str) -> tuple[Result, Result] | None:
        return (result(f"best {model}"), result(f"tested {model}")) if has_champion else None

    monkeypatch.setattr(module, "champion_results", champion)
    monkeypatch.setattr(module, "input_of", lambda found, name: f"{name} of {found.label}")
    monkeypatch.setattr(module, "find_result", lambda store, run_id: result(run_id))
    monkeypatch.setattr(module, "result_of", lambda store, last, label: result(f"last {label}"))
    monkeypatch.setattr(module, "run_step", lambda context, part, inputs, sources: inputs)
    inputs = module.measure_drift.fn(made, LAST, Source("new text", "new.jsonl", "d", "drift"))
    assert {name: found.label for name, found in inputs.items()} == (
        {
            "backbone": "best backbone",
            "tokens": "tokens of best backbone",
            "language": "tested backbone",
            "model mood": "best mood",
            "evaluation mood": "tested mood",
        }
        if has_champion
        else {
            "backbone": "last pretrain",
            "tokens": "last tokens",
            "language": "last evaluate-lm",
            "model mood": "last finetune mood",
            "evaluation mood": "last evaluate mood",
        }
    )
