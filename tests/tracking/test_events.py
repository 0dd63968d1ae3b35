"""Specifies what the triggers of retraining learn from earlier runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow.entities import Run

from textmill.config import Config, SampleConfig
from textmill.errors import RunError
from textmill.files import MANIFEST
from textmill.steps.graph import SAMPLE
from textmill.steps.raw_sources import Source, data_digest
from textmill.steps.step import Step
from textmill.tracking import events
from textmill.tracking.events import EVENT_TAG, find_sample, last_finished, result_of, runs_for
from textmill.tracking.pipeline import open_pipeline
from textmill.tracking.store import Store, StoreError

pytestmark = pytest.mark.filterwarnings("ignore:The specified dataset source:UserWarning")

Probe = Callable[[str], Step]


@pytest.fixture
def own(config: Config, request: pytest.FixtureRequest) -> Config:
    """The configuration with an experiment that no other test uses."""
    return config.model_copy(update={"experiment": request.node.name})


def run(config: Config, step: Step, settings: SampleConfig, *sources: Source, **tags: str) -> None:
    name = tags.pop("name", "pipeline")
    named = {EVENT_TAG: tags["event"]} if tags else {}
    with open_pipeline(name, config, "tests", named) as pipeline:
        pipeline.run(step, settings, sources=sources)


def source(folder: Path, name: str, digest: str) -> Source:
    file = folder / name
    file.write_text(name)
    return Source(name, str(file), digest, "train")


def test_the_newest_finished_run_of_the_chain_counts(
    own: Config, store: Store, probe: Probe, seed: SampleConfig, calls: object, tmp_path: Path
) -> None:
    assert last_finished(store, own) is None
    notes = source(tmp_path, "notes", "1")
    run(own, probe("write"), seed, notes)
    first = last_finished(store, own)
    assert first is not None
    assert (first.status, first.data) == ("FINISHED", data_digest([notes]))
    run(own, probe("write"), seed, source(tmp_path, "more", "2"), name="finetune")
    with pytest.raises(RunError):
        run(own, probe("run_error"), seed)
    assert last_finished(store, own) == first


def test_runs_are_found_by_event_in_any_status(
    own: Config, store: Store, probe: Probe, seed: SampleConfig, calls: object
) -> None:
    with pytest.raises(RunError):
        run(own, probe("run_error"), seed, event="data-1")
    run(own, probe("write"), seed, event="data-1")
    run(own, probe("write"), seed, event="data-2")
    assert [past.status for past in runs_for(store, own, "data-1")] == ["FINISHED", "FAILED"]
    assert runs_for(store, own, "data-3") == []


def test_damaged_sample_data_count_as_not_generated(
    own: Config, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = SampleConfig(seed=20_000, n_documents=100, n_train=20, n_test=20)
    assert find_sample(store, size) is None
    with open_pipeline("test", own, "tests", {}) as pipeline:
        made = pipeline.run(SAMPLE, size)
    assert find_sample(store, size) == made.folder
    (made.folder / MANIFEST).unlink()
    assert find_sample(store, size) is None

    def fail(store: Store, run: Run) -> Path:
        raise StoreError("the store is away")

    monkeypatch.setattr(events, "output_folder", fail)
    with pytest.raises(StoreError):
        find_sample(store, size)


def test_an_earlier_result_is_the_input_of_a_new_step(
    own: Config, store: Store, probe: Probe, seed: SampleConfig, calls: object
) -> None:
    run(own, probe("write"), seed)
    past = last_finished(store, own)
    assert past is not None
    found = result_of(store, past, "write")
    assert found is not None
    assert found.metrics() == {"score": seed.seed / 4}
    with open_pipeline("test", own, "tests", {}) as pipeline:
        again = pipeline.run(probe("write"), seed)
    assert (again.digest, again.key, again.run_id) == (found.digest, found.key, found.run_id)
    assert result_of(store, past, "evaluate topic") is None
