"""Specifies what MLflow's page says of a pipeline's run, whatever became of it."""

from __future__ import annotations

import pytest

from tests.tracked import Calls, Probe, newest_parent
from textmill.config import Config, SampleConfig
from textmill.errors import RunError
from textmill.reports.logging import log_page
from textmill.steps.raw_sources import Source
from textmill.tracking.description import MAX_CHARS, NOTE_TAG, STOPPED, describe
from textmill.tracking.liveness import close_dead_runs, lock_tags
from textmill.tracking.pipeline import open_pipeline
from textmill.tracking.store import Store

pytestmark = pytest.mark.filterwarnings("ignore:The specified dataset source:UserWarning")
TABLE = "| score | model |\n|---|---|\n| mood/accuracy | 0.900 |"


def note(store: Store) -> str:
    return str(newest_parent(store).data.tags[NOTE_TAG])


def test_a_finished_run_begins_with_its_report_and_shows_scores_and_champions(
    config: Config, store: Store
) -> None:
    with open_pipeline("test", config, "tests", {}) as pipeline:
        pipeline.record_scores({"mood/accuracy": 0.9}, TABLE)
        log_page(pipeline, "report.html", lambda: "<p>")
        pipeline.champions = ["mood: promoted v1"]
    address = f"#/experiments/{pipeline.experiment_id}/runs/{pipeline.run_id}/artifacts/report.html"
    link, table, champions = note(store).split("\n\n")
    assert link.startswith(f"[Report]({address}")
    assert table == TABLE
    assert champions == "- mood: promoted v1"


def test_a_run_without_scores_shows_its_steps(
    config: Config, store: Store, probe: Probe, seed: SampleConfig, calls: Calls
) -> None:
    for how in ("computed", "reused"):
        with open_pipeline("test", config, "tests", {}) as pipeline:
            pipeline.run(probe("write"), seed)
        assert f"| write | {how} |" in note(store)


def test_the_description_of_a_failed_run_has_error_and_results(
    config: Config, store: Store, probe: Probe, seed: SampleConfig, calls: Calls
) -> None:
    def fail() -> None:
        with open_pipeline("test", config, "tests", {}) as pipeline:
            pipeline.run(probe("write"), seed)
            raise RunError("out of luck")

    with pytest.raises(RunError, match="out of luck"):
        fail()
    reason, steps = note(store).split("\n\n")
    assert reason == "**Failed.** out of luck"
    assert "| write | computed |" in steps


def test_a_failure_is_described_without_credentials(config: Config, store: Store) -> None:
    with pytest.raises(OSError, match="no route"), open_pipeline("test", config, "tests", {}):
        raise OSError("no route to http://ann:MARKED@host")
    assert note(store) == "**Failed.** no route to http://***@host"
    assert newest_parent(store).data.tags["textmill.failure"] == "no route to http://***@host"


def test_a_run_that_was_stopped_says_how_to_continue(config: Config, store: Store) -> None:
    with pytest.raises(KeyboardInterrupt), open_pipeline("test", config, "tests", {}):
        raise KeyboardInterrupt
    assert note(store) == STOPPED


def test_a_run_that_was_killed_says_how_to_continue(config: Config, store: Store) -> None:
    tags = {"textmill.kind": "pipeline", **lock_tags(store, "gone.lock")}
    run_id = store.start_run(store.experiment("killed"), "parent", tags)
    close_dead_runs(store)
    assert store.client.get_run(run_id).data.tags[NOTE_TAG].startswith(STOPPED)


def test_a_description_is_no_longer_than_mlflow_keeps() -> None:
    text = describe("FINISHED", None, {}, TABLE * 1000, [], [])
    assert len(text) <= MAX_CHARS
    assert text.endswith(" …")


def test_the_parent_names_the_data_that_its_steps_read(
    config: Config, store: Store, probe: Probe, seed: SampleConfig, calls: Calls
) -> None:
    source = Source("own", "own.jsonl", "5" * 64, "training", {}, lambda: "5" * 64)
    for _ in ("computed", "reused"):
        with open_pipeline("test", config, "tests", {}) as pipeline:
            pipeline.run(probe("write"), seed, sources=(source,))
            pipeline.run(probe("write"), seed, sources=(source,))
        (read,) = newest_parent(store).inputs.dataset_inputs
        assert (read.dataset.name, read.dataset.digest) == ("own", "5" * 36)


def test_an_experiment_is_one_of_training_runs(store: Store) -> None:
    plain = store.client.create_experiment("made by hand", store.artifact_root)
    for experiment in (store.experiment("ours"), store.experiment("made by hand")):
        kind = store.client.get_experiment(experiment).tags["mlflow.experimentKind"]
        assert kind == "custom_model_development"
    assert plain == store.experiment("made by hand")
