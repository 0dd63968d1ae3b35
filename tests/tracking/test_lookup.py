"""Specifies how a run is found by what a person calls it."""

from __future__ import annotations

import time

import pytest

from textmill.errors import InputError
from textmill.tracking import lookup
from textmill.tracking.lookup import find_run, read_runs
from textmill.tracking.store import Store, StoreError


def make_run(store: Store, name: str, **tags: str) -> str:
    tags = {f"textmill.{key}": value for key, value in tags.items()}
    run_id = store.start_run(store.experiment("runs"), name, tags)
    store.end_run(run_id, "FINISHED")
    return run_id


@pytest.fixture
def name() -> str:
    return f"pipeline {time.time_ns()}"


@pytest.fixture
def run_id(store: Store, name: str) -> str:
    return make_run(store, name, kind="pipeline")


@pytest.mark.parametrize("n_digits", [32, 31, 16])
def test_a_run_is_found_by_its_id_and_by_a_beginning_of_it(
    store: Store, run_id: str, n_digits: int
) -> None:
    assert find_run(store, run_id[:n_digits]).info.run_id == run_id


def test_a_run_is_found_by_its_name(store: Store, run_id: str, name: str) -> None:
    assert find_run(store, name).info.run_id == run_id


def test_a_name_of_two_runs_is_ambiguous_and_both_are_named(
    store: Store, run_id: str, name: str
) -> None:
    second = make_run(store, name, kind="pipeline")
    with pytest.raises(InputError, match=f"ambiguous: .*{second}.*{run_id}.*Enter more"):
        find_run(store, name)


def test_a_beginning_of_many_ids_is_ambiguous(store: Store) -> None:
    ids = [make_run(store, "many", kind="pipeline") for _ in range(17)]
    digits = [run_id[0] for run_id in ids]
    twice = next(digit for digit in digits if digits.count(digit) > 1)
    with pytest.raises(InputError, match="Enter more of the run's id"):
        find_run(store, twice)


@pytest.mark.parametrize("words", ["", "f" * 32, "no such run", 'a "quoted" name', "it's", "%"])
def test_a_run_that_is_not_there_is_refused_and_the_newest_are_named(
    store: Store, run_id: str, words: str
) -> None:
    with pytest.raises(InputError, match=f"There is no run .*{run_id}"):
        find_run(store, words)


def test_a_run_of_another_program_is_refused(store: Store) -> None:
    with pytest.raises(InputError, match=r"\(alien\) was not made by textmill"):
        find_run(store, make_run(store, "alien"))


def test_a_step_in_place_of_a_pipeline_is_refused_and_its_pipeline_named(
    store: Store, run_id: str
) -> None:
    tags = {"textmill.kind": "step", "mlflow.parentRunId": run_id}
    step = store.start_run(store.experiment("runs"), "clean", tags)
    store.end_run(step, "FINISHED")
    with pytest.raises(InputError, match=f"a step, clean: use .* pipeline, {run_id}"):
        find_run(store, step)
    assert find_run(store, step, ("pipeline", "step")).info.run_id == step


def test_runs_are_read_by_id_across_experiments_and_also_when_deleted(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookup, "MAX_PER_QUERY", 2)
    ids = [make_run(store, f"run {number}", kind="step") for number in range(4)]
    other = store.start_run(store.experiment("others"), "another", {})
    store.client.delete_run(ids[1])
    found = read_runs(store, [other, *ids, other])
    assert list(found) == [other, *ids]
    assert {run_id: run.info.run_id for run_id, run in found.items()} == {i: i for i in found}
    with pytest.raises(StoreError):
        read_runs(store, [ids[0], "f" * 32])
