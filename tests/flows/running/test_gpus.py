"""Specifies that a run without the GPU that it needs ends before it computes anything."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # third parties' own
    from textmill_flows.running import gpus
    from textmill_flows.running.gpus import check_gpus
from textmill import hardware
from textmill.compose import compose
from textmill.config import Config
from textmill.errors import InputError
from textmill.steps.graph import GRAPH, TOKENS
from textmill.tracking.status import PartStatus

USERS = "defaults: [gpu, _self_]\ncorpus: {sources: [{name: notes, path: notes.txt}]}\n"


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """A user's configuration for a GPU, on a machine without one, with an empty store."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(hardware, "best_accelerator", lambda: "cpu")
    (tmp_path / "notes.txt").write_text("The ferry leaves at noon.")
    (tmp_path / "my.yaml").write_text(USERS)
    config = compose(str(tmp_path / "my.yaml"), [f"tracking.home={tmp_path / 'mlruns'}"])
    assert (config.pretrain.accelerator, config.pretrain.precision) == ("cuda", "bf16")
    return config


def changed(config: Config, **sections: dict[str, Any]) -> Config:
    parts = {
        name: getattr(config, name).model_copy(update=values) for name, values in sections.items()
    }
    return config.model_copy(update=parts)


def with_task(config: Config, accelerator: str) -> Config:
    """Return a configuration that pretrains on the CPU, with a task."""
    task = {"name": "mood", "kind": "classification", "train": "a.csv", "test": "b.csv"}
    task |= {"finetune": {"accelerator": accelerator}}
    values = changed(config, pretrain={"accelerator": "cpu"}).model_dump() | {"tasks": [task]}
    return Config.model_validate(values)


def test_the_setting_is_named(config: Config) -> None:
    said = r"^pretrain\.accelerator=cuda: torch finds no CUDA GPU on this machine; run on one"
    with pytest.raises(InputError, match=said):
        check_gpus(config, GRAPH.parts(config))


@pytest.mark.parametrize(
    ("by_default", "named"),
    [("cuda", r"^finetune\.accelerator"), ("cpu", r"^tasks\.mood\.finetune\.accelerator")],
)
def test_a_task_that_needs_a_gpu_is_named_where_it_is_set(
    config: Config, by_default: str, named: str
) -> None:
    task = changed(with_task(config, "cuda"), finetune={"accelerator": by_default})
    with pytest.raises(InputError, match=f"{named}=cuda: "):
        check_gpus(task, GRAPH.parts(task))


def test_what_needs_no_gpu_runs(config: Config) -> None:
    check_gpus(config, GRAPH.up_to(config, TOKENS.label()))
    on_cpu = with_task(config, "cpu")
    check_gpus(on_cpu, GRAPH.parts(on_cpu))
    on_ray = changed(config, cluster={"kind": "ray"})
    check_gpus(on_ray, GRAPH.parts(on_ray))


def test_results_of_another_machine_are_reused(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = GRAPH.parts(config)
    found = [PartStatus(part.label, "reused", "run") for part in parts]
    monkeypatch.setattr(gpus, "find_status", lambda _: found)
    check_gpus(config, parts)


def test_a_machine_with_a_gpu_runs_all(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "best_accelerator", lambda: "cuda")
    check_gpus(config, GRAPH.parts(config))
