"""Specifies work on a Ray cluster: the same bytes as on this machine."""

from __future__ import annotations

import csv
import json
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # third parties' own
    from prefect.testing.utilities import prefect_test_harness

    from flows.cluster import cluster
from textmill.config import AnyTask, CleanConfig, ClusterConfig
from textmill.errors import InputError
from textmill.files import digest_folder
from textmill.tracking.step import BASELINE, CLEAN, Step
from textmill.tracking.worker import Job, run_job

ON_RAY = ClusterConfig(kind="ray")
slow = pytest.mark.slow


def test_without_the_extra_one_message_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prefect_ray", None)
    with pytest.raises(InputError, match=r"pip install textmill\[cluster\]"), cluster(ON_RAY):
        pass


def test_without_a_cluster_everything_is_computed_here() -> None:
    with cluster(ClusterConfig()) as place:
        assert place == (None, None)


@pytest.fixture(scope="module")
def on_ray() -> Iterator[Any]:
    """A local Ray with two workers, and what computes a job there."""
    ray = pytest.importorskip("ray")
    pytest.importorskip("prefect_ray")
    with warnings.catch_warnings(), prefect_test_harness(600):
        warnings.simplefilter("ignore")
        os.environ["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = "0"
        context = ray.init(num_cpus=2, log_to_driver=False, include_dashboard=False)
        with cluster(ClusterConfig(kind="ray")) as place:  # joins the Ray of this process
            yield place
        assert context is not None
        ray.shutdown()


def job(folder: Path, step: Step, config: BaseModel, address: str | None = None) -> Job:
    out, work = folder / "out", folder / "work"
    out.mkdir(parents=True)
    work.mkdir()
    return Job(step, config, {}, out, work, 1, address)


@slow
@pytest.mark.filterwarnings("ignore")
def test_a_corpus_prepared_on_ray_is_the_same_to_the_byte(on_ray: Any, tmp_path: Path) -> None:
    address, _ = on_ray
    words = ["the", "cat", "sat", "on", "a", "mat", "and", "looked", "out", "of", "its", "window"]
    texts = [" ".join(words[(n * k) % 11] for k in range(1, 60)) for n in range(5000)]
    lines = [json.dumps({"text": f"<p>{text} {n % 4000}."}) for n, text in enumerate(texts)]
    (tmp_path / "a.jsonl").write_text("\n".join([*lines, "broken"]))
    sources = [{"name": "a", "path": str(tmp_path / "a.jsonl"), "language": "en"}]
    config = CleanConfig.model_validate(
        {"sources": sources, "near_duplicates": {"enabled": True, "threshold": 0.9}}
    )
    here, there = (job(tmp_path / str(a), CLEAN, config, a) for a in (None, address))
    for one in (here, there):
        run_job(one, lambda: None)
    assert digest_folder(there.out) == digest_folder(here.out)


@slow
@pytest.mark.filterwarnings("ignore")
def test_a_branch_computed_on_ray_is_the_same_to_the_byte(on_ray: Any, tmp_path: Path) -> None:
    _, compute = on_ray
    for name in ("train", "test"):
        with (tmp_path / f"{name}.csv").open("w", newline="") as stream:
            rows = csv.writer(stream)
            rows.writerow(["text", "label"])
            for n in range(40):
                rows.writerow([f"A {'good' if n % 2 else 'bad'} meal number {n}", n % 2])
    values = {"kind": "classification", "name": "mood"}
    values |= {name: str(tmp_path / f"{name}.csv") for name in ("train", "test")}
    config = TypeAdapter(AnyTask).validate_python(values)
    here, there = (job(tmp_path / name, BASELINE, config) for name in ("here", "there"))
    run_job(here, lambda: None)
    watched = []
    compute(there, lambda: watched.append(1))
    assert watched
    assert (here.out / "metrics.json").exists()
    assert digest_folder(there.out) == digest_folder(here.out)


@slow
@pytest.mark.filterwarnings("ignore")
def test_what_fails_on_ray_fails_as_it_does_here(on_ray: Any, tmp_path: Path) -> None:
    _, compute = on_ray
    values = {"kind": "classification", "name": "mood", "train": "no.csv", "test": "no.csv"}
    config = TypeAdapter(AnyTask).validate_python(values)
    with pytest.raises(InputError, match=r"no\.csv"):
        compute(job(tmp_path, BASELINE, config), lambda: None)
