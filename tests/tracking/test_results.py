"""Specifies how a pipeline's run records the results of its steps."""

from __future__ import annotations

import pytest

from textmill.errors import RunError
from textmill.tracking.results import MAX_TAG_CHARS, recorded_results, results_tags
from textmill.tracking.store import Store


def run_with(store: Store, tags: dict[str, str]) -> str:
    return store.start_run(store.experiment("results"), "parent", tags)


@pytest.mark.parametrize("n_tasks", [0, 1, 300])
def test_results_are_read_as_they_were_recorded(store: Store, n_tasks: int) -> None:
    results = {f"finetune task-{i}": f"{i:032x}" for i in range(n_tasks)}
    run = store.client.get_run(run_with(store, results_tags(results)))
    assert recorded_results(run) == results


def test_no_tag_is_so_long_that_mlflow_would_cut_it() -> None:
    tags = results_tags({f"finetune task-{i}": "0" * 32 for i in range(300)})
    assert len(tags) > 1
    assert max(map(len, tags.values())) <= MAX_TAG_CHARS


def test_runs_from_before_the_single_tag_are_read(store: Store) -> None:
    old = {"textmill.result.clean": "a", "textmill.result.evaluate.mood": "b"}
    run = store.client.get_run(run_with(store, old))
    assert recorded_results(run) == {"clean": "a", "evaluate mood": "b"}


@pytest.mark.parametrize("value", ["{", "7"])
def test_a_damaged_tag_is_named(store: Store, value: str) -> None:
    run = store.client.get_run(run_with(store, {"textmill.results": value}))
    with pytest.raises(RunError, match="textmill.results of the run .* is damaged"):
        recorded_results(run)
