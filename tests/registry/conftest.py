from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mlflow.entities import LoggedModelOutput, LoggedModelStatus
from mlflow.entities.model_registry import ModelVersion

from tests.stores import *  # noqa: F403  # the fixtures, by its __all__
from textmill.config import Config
from textmill.files import MANIFEST, digest_folder, digest_values, write_json
from textmill.registry.challenger import Challenger
from textmill.registry.promotion import challenge
from textmill.registry.versions import Registry
from textmill.tasks.kinds import definitions
from textmill.tracking.artifacts import publish
from textmill.tracking.pipeline import Pipeline, open_pipeline
from textmill.tracking.results import Result, find_result

_numbers = itertools.count(1)
N = 400
"""Test examples of a challenger."""
Promote = Callable[..., str]
MakeChallenger = Callable[..., Challenger]


def versions(registry: Registry) -> list[ModelVersion]:
    return registry.versions("mood")


def champion(registry: Registry) -> str | None:
    found = registry.champion("mood")
    return None if found is None else str(found.version)


@pytest.fixture
def mood(config: Config) -> Config:
    """A configuration in an experiment of its own, so with a registry of its own."""
    return config.model_copy(update={"experiment": f"promotion {next(_numbers)}"})


@pytest.fixture
def pipeline(mood: Config) -> Iterator[Pipeline]:
    with open_pipeline("pipeline", mood, "mood.yaml", {}) as opened:
        yield opened


@pytest.fixture
def make_step(pipeline: Pipeline, tmp_path: Path) -> Callable[..., Result]:
    """Returns a function that makes a finished step with these files."""
    store = pipeline.store

    def make(step: str, files: dict[str, str], seconds: float = 2.0) -> Result:
        key = f"key {next(_numbers)}"
        run_id = store.start_run(pipeline.experiment_id, step, {"textmill.key": key})
        out = tmp_path / run_id
        out.mkdir()
        for name, text in files.items():
            (out / name).write_text(text)
        digests = digest_folder(out)
        manifest = {"step": step, "config": {"kind": "classification"}, "files": digests}
        write_json(out / MANIFEST, manifest | {"digest": digest_values(digests)})
        publish(store, run_id, out)
        store.log_metrics(run_id, {"seconds": seconds})
        store.end_run(run_id, "FINISHED")
        return find_result(store, run_id)

    return make


@pytest.fixture
def evaluated(make_step: Callable[..., Result]) -> Callable[..., Result]:
    """Returns a function that makes an evaluation with so many right answers."""

    def make(n_right: int, test_set: str = "first", seconds: float = 2.0) -> Result:
        rows = [
            {"text": f"{test_set} {i}", "reference": "a", "label": "a" if i < n_right else "b"}
            for i in range(N)
        ]
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        metrics = json.dumps({"accuracy": n_right / N, "class/a/f1": 0.5})
        return make_step("evaluate", {"predictions.jsonl": lines, "metrics.json": metrics}, seconds)

    return make


@pytest.fixture
def make_challenger(
    pipeline: Pipeline, make_step: Callable[..., Result], evaluated: Callable[..., Result]
) -> Callable[..., Challenger]:
    """Returns a function that makes an evaluated model with so many right answers."""
    client: Any = pipeline.store.client

    def make(n_right: int, test_set: str = "first", **further: Any) -> Challenger:
        model = make_step("finetune", {"weights": f"{next(_numbers)}"})
        logged = client.create_logged_model(
            pipeline.experiment_id, "mood", source_run_id=model.run_id
        )
        client.log_outputs(model.run_id, [LoggedModelOutput(logged.model_id, 0)])
        client.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)
        tested = evaluated(n_right, test_set)
        made = Challenger(
            name="mood",
            kind="classification",
            metrics=definitions("classification"),
            floors="mood",
            language="en",
            model=model,
            tested=tested,
            test_digest=test_set,
            recipe="recipe",
            parameters=1e6,
            trivial={"accuracy": 0.05},
            baseline={},
        )
        return replace(made, **further)

    return make


@pytest.fixture
def promote(pipeline: Pipeline, mood: Config) -> Promote:
    """Returns a function that lets a model challenge; nothing may be measured anew."""

    def refuse(model: Result) -> Result:
        raise AssertionError("nothing is to be measured anew")

    def go(
        challenger: Challenger,
        remeasure: Callable[[Result], Result] = refuse,
        **promotion: Any,
    ) -> str:
        section = mood.promotion.model_copy(update=promotion)
        config = mood.model_copy(update={"promotion": section})
        return challenge(pipeline, config, challenger, remeasure).line

    return go


@pytest.fixture
def registry(pipeline: Pipeline, mood: Config) -> Registry:
    return Registry(pipeline.store, mood.experiment)
