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

    from textmill_flows.running.cluster import _needs, cluster
from textmill.config import (
    AnyTask,
    CleanConfig,
    ClusterConfig,
    LanguageModelStepConfig,
    ModelConfig,
    PretrainConfig,
    PretrainStepConfig,
)
from textmill.config.extensions import FOLDERS_VARIABLE, load
from textmill.errors import InputError, RunError
from textmill.files import digest_folder
from textmill.stage_times import read_stage_times
from textmill.steps.graph import BASELINE, CLEAN, EVALUATE, EVALUATE_LM, PRETRAIN
from textmill.steps.process import Job, run_job
from textmill.steps.step import Step

ON_RAY = ClusterConfig(kind="ray")
slow = pytest.mark.slow


def test_without_the_extra_one_message_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prefect_ray", None)
    with pytest.raises(InputError, match=r"pip install textmill\[cluster\]"), cluster(ON_RAY):
        pass


def test_without_a_cluster_everything_is_computed_here() -> None:
    with cluster(ClusterConfig()) as place:
        assert place == (None, None)


@pytest.mark.parametrize(
    ("address", "message"),
    [("127.0.0.1:9", "refused"), ("somewhere", "it is not HOST:PORT"), ("a:b", "Port")],
)
def test_a_cluster_that_does_not_answer_is_named_at_once(address: str, message: str) -> None:
    pytest.importorskip("prefect_ray")
    config = ClusterConfig(kind="ray", address=address)
    said = rf"{address} cannot be reached \(.*{message}.*cluster\.address"
    with pytest.raises(RunError, match=said), cluster(config):
        pass


def training(tmp_path: Path, **choices: Any) -> Job:
    settings = PretrainConfig.model_validate({"accelerator": "cuda"} | choices)
    config = PretrainStepConfig(model=ModelConfig(), pretrain=settings)
    return Job(PRETRAIN, config, {}, tmp_path, tmp_path, threads=8)


def test_a_training_takes_its_gpus_and_no_more_processors_than_a_machine_has(
    tmp_path: Path,
) -> None:
    machines = [{"CPU": 4.0}, {"CPU": 2.0, "GPU": 2.0}]
    on_two = training(tmp_path, devices=2, accumulate=2)
    assert _needs(on_two, machines) == {"num_cpus": 2, "num_gpus": 2}
    on_none = training(tmp_path, accelerator="cpu")
    assert _needs(on_none, machines) == {"num_cpus": 4, "num_gpus": 0}


def test_an_evaluation_takes_one_gpu(tmp_path: Path) -> None:
    files = {"name": "mood", "kind": "classification", "train": "a", "test": "b"}
    config: Any = TypeAdapter(AnyTask).validate_python(
        files | {"finetune": {"accelerator": "cuda"}}
    )
    machine = {"CPU": 4.0, "GPU": 2.0}
    for step, settings, n_gpus in (
        (EVALUATE, config, 1),
        (EVALUATE_LM, LanguageModelStepConfig(accelerator="cuda"), 1),
        (EVALUATE_LM, LanguageModelStepConfig(accelerator="cpu"), 0),
    ):
        job = Job(step, settings, {}, tmp_path, tmp_path, threads=1)
        assert _needs(job, [machine]) == {"num_cpus": 1, "num_gpus": n_gpus}


def test_gpus_that_no_machine_has_are_not_waited_for(tmp_path: Path) -> None:
    on_four = training(tmp_path, devices=4, accumulate=4)
    with pytest.raises(InputError, match=r"needs 4 GPUs.*more than 2"):
        _needs(on_four, [{"CPU": 4.0, "GPU": 2.0}, {"CPU": 4.0, "GPU": 2.0}])


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
    read, read_there = (
        read_stage_times(one.stage_times)["redaction"]["bytes"] for one in (here, there)
    )
    assert read_there == read  # those of its workers too


LOUD = """
from textmill.corpus.cleaning.filters import Filter


class Loud(Filter):
    name = "loud"

    def judge(self, documents):
        for document in documents:
            yield self.reject("capitals") if document.text.isupper() else None


FILTERS = (Loud(),)
"""


@slow
@pytest.mark.filterwarnings("ignore")
def test_a_users_filter_judges_on_ray_whose_machines_have_no_such_file(
    on_ray: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray has started before the extension was known."""
    address, _ = on_ray
    (tmp_path / "loud_filter.py").write_text(LOUD)
    monkeypatch.setenv(FOLDERS_VARIABLE, "")  # and back to what it was, after the test
    (extension,) = load([str(tmp_path / "loud_filter.py")])
    # Of fewer chunks, this process would prepare all by itself.
    texts = [f"this is text number {n}, as quiet as others" for n in range(16 * 512)]
    texts += [text.upper() for text in texts[:50]]
    lines = [json.dumps({"text": text}) for text in texts]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    sources = [{"name": "a", "path": str(tmp_path / "a.jsonl"), "language": "en"}]
    config = CleanConfig.model_validate({"sources": sources, "filters": [extension.name]})
    here, there = (job(tmp_path / str(a), CLEAN, config, a) for a in (None, address))
    for one in (here, there):
        run_job(one, lambda: None)
    assert digest_folder(there.out) == digest_folder(here.out)
    assert json.loads((there.out / "metrics.json").read_text())["rejected_loud"] == 50


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
