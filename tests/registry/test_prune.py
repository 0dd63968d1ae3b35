"""Specifies house-keeping: what stays, what goes, and what is left of what went."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock
from mlflow.entities import LoggedModelOutput, LoggedModelStatus
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository

from textmill.config import Config, SampleConfig
from textmill.errors import RunError
from textmill.files import write_json
from textmill.registry.lineage import trace
from textmill.registry.prune import UnusedData, find_unused, remove
from textmill.steps.step import Step
from textmill.tracking.artifacts import output_folder
from textmill.tracking.computing.trial_runs import pipeline_of_trial
from textmill.tracking.liveness import no_pipeline_starts
from textmill.tracking.pipeline import Pipeline, open_pipeline
from textmill.tracking.results import Result
from textmill.tracking.store import Store

pytestmark = pytest.mark.filterwarnings("ignore:The specified dataset source:UserWarning")

Probe = Callable[[str], Step]


@pytest.fixture
def own(empty_database: Path, config: Config, tmp_path: Path, calls: Callable[[], int]) -> Config:
    """A configuration whose store holds nothing yet."""
    home = tmp_path / "mlruns"
    home.mkdir()
    shutil.copy(empty_database, home)
    tracking = config.tracking.model_copy(update={"home": str(home)})
    values = {"tracking": tracking, "experiment": f"prune {tmp_path.name}"}
    return config.model_copy(update=values)


def run_all(config: Config, probe: Probe, *seeds: int) -> tuple[Pipeline, list[Result]]:
    """A pipeline of steps that read one another."""
    results: list[Result] = []
    with open_pipeline("test", config, "tests", {}) as pipeline:
        for seed in seeds:
            inputs = {"before": results[-1]} if results else {}
            step = Step(f"write-{len(results)}", probe("write").function)
            results.append(pipeline.run(step, SampleConfig(seed=seed), inputs))
    return pipeline, results


def ids(waste: list[UnusedData]) -> set[str | None]:
    return {item.run_id for item in waste}


def test_a_result_that_no_recent_run_has_goes_and_one_that_is_reused_stays(
    own: Config, probe: Probe
) -> None:
    _, (shared, old) = run_all(own, probe, 1, 2)
    pipeline, (again, new) = run_all(own, probe, 1, 3)
    assert again.run_id == shared.run_id
    waste = find_unused(pipeline.store, 1)
    assert ids(waste) == {old.run_id}
    # Two small files and one of nine bytes; manifest and metrics are not counted, as they stay.
    names = ("seed.txt", "tags.json", "deep/more.bin")
    assert waste[0].n_bytes == sum((old.folder / name).stat().st_size for name in names)
    assert ids(find_unused(pipeline.store, 2)) == set()
    assert ids(find_unused(pipeline.store, 0)) == {shared.run_id, old.run_id, new.run_id}


def test_the_trials_of_a_recent_sweep_stay(own: Config, probe: Probe) -> None:
    with open_pipeline("sweep", own, "tests", {}) as pipeline:
        trial = pipeline_of_trial(pipeline, 1)
        result = trial.run(probe("write"), SampleConfig(seed=1), is_recorded=False)
    store = pipeline.store
    assert ids(find_unused(store, 1)) == set()
    run_all(own, probe, 2)
    assert ids(find_unused(store, 1)) == {result.run_id}


def test_looking_removes_nothing(own: Config, probe: Probe) -> None:
    pipeline, (result,) = run_all(own, probe, 1)
    find_unused(pipeline.store, 0)
    assert output_folder(pipeline.store, result.run_id) == result.folder


def test_what_is_removed_is_not_reused_and_its_lineage_is_still_known(
    own: Config, probe: Probe
) -> None:
    pipeline, (first, second) = run_all(own, probe, 1, 2)
    store = pipeline.store
    for waste in find_unused(store, 0):
        remove(store, waste)
    left = sorted(file.name for file in second.folder.rglob("*") if file.is_file())
    assert left == ["manifest.json", "metrics.json"]
    assert trace(store, pipeline.run_id).nodes.keys() == {first.run_id, second.run_id}
    assert find_unused(store, 0) == []
    _, again = run_all(own, probe, 1, 2)
    assert [result.is_reused for result in again] == [False, False]


def test_a_registered_model_keeps_all_that_it_was_made_from(own: Config, probe: Probe) -> None:
    pipeline, (corpus, model) = run_all(own, probe, 1, 2)
    run_all(own, probe, 3)
    store = pipeline.store
    store.client.create_registered_model("mood")
    store.client.create_model_version("mood", "source", model.run_id)
    assert ids(find_unused(store, 1)) == set()
    store.client.delete_model_version("mood", "1")
    assert ids(find_unused(store, 1)) == {corpus.run_id, model.run_id}


def test_a_registered_model_keeps_the_evaluation_that_challengers_are_compared_with(
    own: Config, probe: Probe
) -> None:
    pipeline, (model, tested) = run_all(own, probe, 1, 2)
    run_all(own, probe, 3)
    client = pipeline.store.client
    client.create_registered_model("mood")
    tags = {"textmill.run.evaluate": tested.run_id, "textmill.run.pipeline": pipeline.run_id}
    client.create_model_version("mood", "source", model.run_id, tags=tags)
    assert find_unused(pipeline.store, 1) == []


def test_the_models_logged_from_a_run_go_with_it(own: Config, probe: Probe) -> None:
    pipeline, (result,) = run_all(own, probe, 1)
    client = pipeline.store.client
    model = client.create_logged_model(pipeline.experiment_id, "mood", source_run_id=result.run_id)
    client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)
    client.log_outputs(result.run_id, [LoggedModelOutput(model.model_id, 0)])
    weights = Path(model.artifact_location.removeprefix("file://"), "weights")
    weights.parent.mkdir(parents=True)
    weights.write_bytes(bytes(5000))
    (waste,) = find_unused(pipeline.store, 0)
    assert waste.n_bytes > 5000
    remove(pipeline.store, waste)
    assert not weights.exists()
    assert client.search_logged_models([pipeline.experiment_id]) == []


def test_failed_steps_and_their_work_go_when_no_recent_run_would_go_on(
    own: Config, probe: Probe
) -> None:
    with (
        pytest.raises(RunError, match="signal 9"),
        open_pipeline("test", own, "tests", {}) as pipeline,
    ):
        pipeline.run(probe("train"), SampleConfig(seed=1))
    store = pipeline.store
    assert find_unused(store, 1) == []
    run_all(own, probe, 2)
    failed, work = find_unused(store, 1)
    assert (failed.what, work.what) == ("failed", "work")
    assert work.folder is not None
    with FileLock(store.locks / f"{work.label}.lock"):
        assert [waste.what for waste in find_unused(store, 1)] == ["failed"]
    for waste in (failed, work):
        remove(store, waste)
    assert not work.folder.exists()
    assert find_unused(store, 1) == []


def test_downloaded_copies_of_what_is_not_needed_go(own: Config, probe: Probe) -> None:
    pipeline, (result,) = run_all(own, probe, 1)
    for name in (result.run_id, "0" * 32):
        for place in (name, f"files/{name}"):
            folder = pipeline.store.home / "cache" / place / "output"
            folder.mkdir(parents=True)
            write_json(folder / "manifest.json", {})
    waste = find_unused(pipeline.store, 1)
    assert {(item.what, item.label) for item in waste} == {("cache", "0" * 32)}
    assert len(waste) == 2


def test_nothing_is_pruned_while_a_pipeline_runs(own: Config, probe: Probe) -> None:
    with (
        open_pipeline("test", own, "tests", {}) as pipeline,
        pytest.raises(RunError, match="is running: prune when it has finished"),
    ):
        find_unused(pipeline.store, 0)


def test_a_pipeline_that_starts_meanwhile_ends_the_removal(own: Config, probe: Probe) -> None:
    pipeline, (result,) = run_all(own, probe, 1)
    (waste,) = find_unused(pipeline.store, 0)
    with (
        open_pipeline("test", own, "tests", {}),
        pytest.raises(RunError, match="is running: prune when it has finished"),
    ):
        remove(pipeline.store, waste)
    assert output_folder(pipeline.store, result.run_id) == result.folder


def test_a_pipeline_waits_with_its_start_until_others_may(own: Config) -> None:
    started = threading.Event()

    def start() -> None:
        with open_pipeline("test", own, "tests", {}):
            started.set()

    thread = threading.Thread(target=start)
    with no_pipeline_starts(Store(own.tracking)):
        thread.start()
        assert not started.wait(1)
    assert started.wait(30)
    thread.join()


def test_runs_of_other_people_do_not_stand_against_it(own: Config, probe: Probe) -> None:
    pipeline, (result,) = run_all(own, probe, 1)
    foreign = pipeline.store.client.create_run(pipeline.experiment_id, tags={"colour": "red"})
    (waste,) = find_unused(pipeline.store, 0)
    assert waste.run_id == result.run_id
    remove(pipeline.store, waste)
    assert pipeline.store.client.get_run(foreign.info.run_id).info.status == "RUNNING"


def test_versions_of_other_people_whose_runs_or_models_are_gone_are_passed_over(
    own: Config, probe: Probe
) -> None:
    pipeline, (result,) = run_all(own, probe, 1)
    client = pipeline.store.client
    model = client.create_logged_model(pipeline.experiment_id, "theirs")
    client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)
    client.create_registered_model("theirs")
    client.create_model_version("theirs", "s3://elsewhere", "0" * 32, model_id=model.model_id)
    client.delete_logged_model(model.model_id)
    assert ids(find_unused(pipeline.store, 0)) == {result.run_id}


def test_a_removal_that_breaks_off_is_made_good_by_the_next(
    own: Config, probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline, (result,) = run_all(own, probe, 1)
    store, client = pipeline.store, pipeline.store.client
    model = client.create_logged_model(pipeline.experiment_id, "mood", source_run_id=result.run_id)
    client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)
    client.log_outputs(result.run_id, [LoggedModelOutput(model.model_id, 0)])
    delete = LocalArtifactRepository.delete_artifacts
    n_left = 1

    def fail(self: LocalArtifactRepository, name: str | None = None) -> None:
        nonlocal n_left
        if n_left == 0:
            raise OSError("the disk is gone")
        n_left -= 1
        delete(self, name)

    (waste,) = find_unused(store, 0)
    with monkeypatch.context() as patch:
        patch.setattr(LocalArtifactRepository, "delete_artifacts", fail)
        with pytest.raises(RunError, match="the disk is gone"):
            remove(store, waste)
    client.delete_logged_model(model.model_id)  # as if it had broken off a little later
    (again,) = find_unused(store, 0)
    assert (again.run_id, again.n_bytes < waste.n_bytes) == (result.run_id, True)
    remove(store, again)
    assert find_unused(store, 0) == []
    left = sorted(file.name for file in result.folder.rglob("*") if file.is_file())
    assert left == ["manifest.json", "metrics.json"]
