"""Specifies reproductions: every step computed again, kept apart, and compared."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from textmill.config import Config, SampleConfig
from textmill.files import MANIFEST, digest_file, digest_folder, read_json, write_json
from textmill.registry.recorded import Recorded, RecordedStep, load_recorded
from textmill.registry.reproduction import (
    REPRODUCES_TAG,
    SCOPE_TAG,
    compare_steps,
    log_reproduction,
    overall,
    reproduction_scope,
    table,
)
from textmill.steps.step import Step
from textmill.tracking.artifacts import output_folder, read_artifact
from textmill.tracking.pipeline import Pipeline, open_pipeline
from textmill.tracking.results import Result
from textmill.tracking.store import Store

pytestmark = pytest.mark.filterwarnings("ignore:The specified dataset source:UserWarning")

Probe = Callable[[str], Step]
Calls = Callable[[], int]


def run_once(
    config: Config, step: Step, seed: SampleConfig, of: str | None = None, scope: str | None = None
) -> tuple[Pipeline, Result]:
    tags = {REPRODUCES_TAG: of, SCOPE_TAG: scope} if of and scope else {}
    with open_pipeline("test", config, "tests", tags, scope) as pipeline:
        return pipeline, pipeline.run(step, seed)


def test_a_reproduction_computes_what_others_have_and_keeps_it_to_itself(
    config: Config, probe: Probe, seed: SampleConfig, calls: Calls
) -> None:
    first, before = run_once(config, probe("write"), seed)
    _, again = run_once(config, probe("write"), seed, first.run_id, "apart")
    _, later = run_once(config, probe("write"), seed)
    assert (again.is_reused, again.key, again.digest) == (False, before.key, before.digest)
    assert again.run_id != before.run_id
    assert (later.is_reused, later.run_id) == (True, before.run_id)
    assert calls() == 2


def test_steps_of_one_reproduction_share_results(
    config: Config, probe: Probe, seed: SampleConfig, calls: Calls
) -> None:
    with open_pipeline("test", config, "tests", {}, "own") as pipeline:
        first, second = (pipeline.run(probe("write"), seed) for _ in range(2))
    assert (second.is_reused, second.run_id) == (True, first.run_id)
    assert calls() == 1


def test_a_reproduction_does_not_publish_what_waits_from_another_run(
    config: Config, store: Store, probe: Probe, seed: SampleConfig, calls: Calls
) -> None:
    first, before = run_once(config, probe("write"), seed)
    waiting = store.wip / before.key / "out"
    waiting.mkdir(parents=True)
    (waiting / "seed.txt").write_text("other")
    write_json(waiting / MANIFEST, {"files": digest_folder(waiting)})
    _, again = run_once(config, probe("write"), seed, first.run_id, "wip")
    assert again.digest == before.digest
    assert waiting.exists()


def test_an_interrupted_reproduction_is_gone_on_with_and_a_finished_one_is_not(
    config: Config, store: Store, probe: Probe, seed: SampleConfig, calls: Calls
) -> None:
    first, _ = run_once(config, probe("write"), seed)
    scope = reproduction_scope(store, first.run_id)
    tags = {REPRODUCES_TAG: first.run_id, SCOPE_TAG: scope}
    opened = open_pipeline("reproduce", config, "tests", tags, scope)
    with suppress(KeyboardInterrupt), opened as pipeline:
        pipeline.run(probe("write"), seed)
        raise KeyboardInterrupt
    assert reproduction_scope(store, first.run_id) == scope
    _, result = run_once(config, probe("write"), seed, first.run_id, scope)
    assert result.is_reused
    assert reproduction_scope(store, first.run_id) != scope


@pytest.fixture
def recorded(
    config: Config, store: Store, probe: Probe, seed: SampleConfig, calls: Calls
) -> Recorded:
    pipeline, _ = run_once(config, probe("write"), seed)
    return load_recorded(store, pipeline.run_id)


@pytest.fixture
def again(
    recorded: Recorded, config: Config, probe: Probe, seed: SampleConfig
) -> tuple[Pipeline, Result]:
    """The same step in a reproduction."""
    return run_once(config, probe("write"), seed, recorded.run_id, f"again{seed.seed}")


def changed(result: Result, name: str, content: bytes) -> Result:
    """Return a result with one of its files changed, as another computation would have made it."""
    (result.folder / name).write_bytes(content)
    manifest = read_json(result.folder / MANIFEST)
    write_json(result.folder / MANIFEST, manifest | {"files": digest_folder(result.folder)})
    return replace(result, manifest_digest=digest_file(result.folder / MANIFEST))


def test_equal_digests_and_metrics_are_equal(
    recorded: Recorded, again: tuple[Pipeline, Result]
) -> None:
    (step,) = compare_steps(recorded, {"write": again[1]})
    assert (step.verdict, step.files, step.metrics) == ("equal", {}, {})
    assert (step.n_files, step.n_metrics) == (4, 1)
    assert "| write | 4 of 4 | 1 of 1 | equal |" in table([step])


@pytest.mark.parametrize(
    ("factor", "verdict"), [(1.0, "equal within"), (1.015, "equal within"), (1.03, "different")]
)
def test_metrics_that_are_off_are_equal_within_the_tolerance_or_not(
    recorded: Recorded,
    again: tuple[Pipeline, Result],
    factor: float,
    verdict: str,
) -> None:
    before = recorded.steps["write"].metrics["score"] or 1.0
    step = recorded.steps["write"]
    step = RecordedStep("write", step.run, step.manifest, {"score": max(before, 1.0)})
    score = {"score": max(before, 1.0) * factor}
    other = changed(again[1], "metrics.json", json.dumps(score).encode())
    other = changed(other, "seed.txt", b"other")
    (found,) = compare_steps(
        Recorded(recorded.run, recorded.config, {"write": step}), {"write": other}
    )
    assert found.verdict == verdict
    assert {"seed.txt"} <= found.files.keys()
    assert "- write: changed files: " in table([found])


@pytest.mark.parametrize("change", ["missing", "added", "metric gone"])
def test_a_missing_or_further_file_or_metric_is_no_equality(
    recorded: Recorded, again: tuple[Pipeline, Result], change: str
) -> None:
    if change == "missing":
        (again[1].folder / "deep" / "more.bin").unlink()
        other = changed(again[1], "seed.txt", (again[1].folder / "seed.txt").read_bytes())
    elif change == "added":
        other = changed(again[1], "stray", b"")
    else:
        other = changed(again[1], "metrics.json", b"{}")
    (step,) = compare_steps(recorded, {"write": other})
    assert step.verdict == ("different" if change == "metric gone" else "equal within")
    assert len(step.files) == 1


def test_nan_is_equal_to_nan(recorded: Recorded, again: tuple[Pipeline, Result]) -> None:
    step = recorded.steps["write"]
    step = RecordedStep("write", step.run, step.manifest, {"score": float("nan")})
    other = changed(again[1], "metrics.json", b'{"score": NaN}')
    (found,) = compare_steps(
        Recorded(recorded.run, recorded.config, {"write": step}), {"write": other}
    )
    assert found.metrics == {}


def test_the_worst_step_decides_and_none_is_no_equality() -> None:
    assert overall([]) == "different"


def test_table_and_verdict_stand_on_the_new_parent(
    recorded: Recorded, again: tuple[Pipeline, Result], store: Store
) -> None:
    pipeline, result = again
    result = changed(result, "seed.txt", b"other")
    comparisons = compare_steps(recorded, {"write": result})
    log_reproduction(pipeline, comparisons, ["machine: gpus is none, and was one"])
    tags = store.client.get_run(pipeline.run_id).data.tags
    assert tags[REPRODUCES_TAG] == recorded.run_id
    assert tags["textmill.reproduction"] == "equal within"
    run = store.client.get_run(pipeline.run_id)
    text = read_artifact(store, run, "reproduction.md")
    assert table(comparisons) in text
    assert "gpus is none" in text
    content: Any = json.loads(read_artifact(store, run, "reproduction.json"))
    (step,) = content["steps"]
    assert step["files"]["seed.txt"]["before"] == digest_of(store, recorded, "seed.txt")


def digest_of(store: Store, recorded: Recorded, name: str) -> str:
    folder: Path = output_folder(store, recorded.steps["write"].run.info.run_id)
    return digest_folder(folder)[name]
