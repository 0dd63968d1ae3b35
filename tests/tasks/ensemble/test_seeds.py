"""Specifies models of several networks that differ in their seeds alone."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np
import pytest

from tests.tasks.conftest import tune
from tests.tasks.ensemble.test_candidates import make_task
from textmill.config import UNREDACTED, TaskConfig
from textmill.errors import InputError
from textmill.evaluation.spreads import SEEDS, read_spreads
from textmill.files import read_json, write_json
from textmill.tasks.ensemble.averaging import average
from textmill.tasks.ensemble.model_folder import TaskModel
from textmill.tasks.ensemble.predictor import load_predictor, score_in_batches
from textmill.tasks.evaluate import evaluate
from textmill.tasks.tuning.best_epoch import FinetuneModule

pytestmark = pytest.mark.filterwarnings(
    "ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::UserWarning:lightning"
)
TEXTS = ["the splendid room", "awful staff and meal", "window"]
SHORT = {"epochs": 2, "learning_rate": 3e-3}


def with_finetune(config: TaskConfig, **changes: Any) -> TaskConfig:
    return config.model_copy(update={"finetune": config.finetune.model_copy(update=changes)})


def folders(place: Path) -> tuple[Path, Path]:
    out, work = place / "out", place / "work"
    for folder in (out, work):
        folder.mkdir(parents=True)
    return out, work


def points(work: Path) -> dict[str, list[tuple[int, float]]]:
    found: dict[str, list[tuple[int, float]]] = {}
    for line in (work / "metrics.jsonl").read_text().splitlines():
        entry = json.loads(line)
        for name, value in entry.get("metrics", {}).items():
            found.setdefault(name, []).append((entry["step"], value))
    return found


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("seeds")


@pytest.fixture(scope="module")
def task(place: Path) -> TaskConfig:
    """A task with a validation file: a split would depend on the seed."""
    config: TaskConfig = make_task(place, "classification", **SHORT)
    return config.model_copy(update={"validation": str(place / "validation.jsonl")})


@pytest.fixture(scope="module")
def single(task: TaskConfig, backbone: Path, place: Path) -> list[Path]:
    """The models of seeds 4, 5 and 6."""
    models = []
    for seed in (4, 5, 6):
        out, work = folders(place / f"seed-{seed}")
        tune(with_finetune(task, seed=seed), backbone, out, work)
        models.append(out)
    return models


@pytest.fixture(scope="module")
def several(task: TaskConfig, backbone: Path, place: Path) -> tuple[Path, Path]:
    """Output and work folder of a model with these seeds."""
    out, work = folders(place / "several")
    tune(with_finetune(task, seed=4, seeds=3), backbone, out, work)
    return out, work


def test_each_network_is_that_of_its_seed(several: tuple[Path, Path], single: list[Path]) -> None:
    places = [several[0], several[0] / "network-2", several[0] / "network-3"]
    weights = [(folder / "model.safetensors").read_bytes() for folder in places]
    assert weights == [(folder / "model.safetensors").read_bytes() for folder in single]
    assert len(set(weights)) == 3
    assert [file.name for file in places[1].iterdir()] == ["model.safetensors"]


def test_the_model_is_the_average_of_its_networks(
    several: tuple[Path, Path], single: list[Path]
) -> None:
    task = read_json(several[0] / "task.json")
    assert [*task["members"]] == ["network", "network-2", "network-3"]
    (weight,) = {*task["members"].values()}
    assert weight != pytest.approx(1 / 3)  # with the temperature of the average
    assert task["choice"] == "the average of 3 fine-tuned networks"
    predictor = load_predictor(several[0])
    scorers = [load_predictor(one).scorers[0][0] for one in single]
    prepared = [(text,) for text in TEXTS]
    alone = [np.stack([*score_in_batches(scorer, prepared, 8)]) for scorer in scorers]
    together = [np.stack([*score_in_batches(s, prepared, 8)]) for s, _ in predictor.scorers]
    assert np.array_equal(together, alone)
    expected = average(alone, [weight] * 3).max(axis=1)
    assert [answer["score"] for answer in predictor(TEXTS)] == pytest.approx(expected.tolist())
    assert not np.allclose(alone[0], alone[1])


def test_the_evaluation_has_the_test_scores_of_each_network(
    task: TaskConfig, several: tuple[Path, Path], single: list[Path], tmp_path: Path
) -> None:
    def scores_of(model: Path) -> dict[str, float]:
        out = tmp_path / f"evaluation of {model.parent.name}"
        out.mkdir()
        evaluate(task, {"model": model}, out)
        found: dict[str, float] = read_json(out / "metrics.json")
        return found

    together, alone = scores_of(several[0]), [scores_of(one) for one in single]
    for name in ("accuracy", "f1_macro"):
        scores = [one[name] for one in alone]
        spread = read_spreads(together, SEEDS)[name]
        assert (spread.mean, spread.n) == (pytest.approx(fmean(scores)), 3)
        assert spread.deviation == pytest.approx(stdev(scores))
        networks = ("network", "network-2", "network-3")
        assert [together[f"seeds/{name}/{network}"] for network in networks] == scores
    rows = (tmp_path / "evaluation of several" / "predictions.jsonl").read_text().splitlines()
    right = [row["label"] == row["reference"] for row in map(json.loads, rows)]
    assert together["accuracy"] == fmean(right)  # the predictions are those of the average
    assert not any(key.startswith("seeds/") for one in alone for key in one)


def test_a_single_network_keeps_its_part_of_an_average_with_the_baseline() -> None:
    members = {"network": 0.5, "baseline": 2.0, "network-2": 0.5}
    model = TaskModel("classification", False, None, members, UNREDACTED, None)
    # In the order of the members.
    assert model.single_networks() == {"network": [1.0, 2.0, 0.0], "network-2": [0.0, 2.0, 1.0]}
    both = {"network": 1.0, "baseline": 1.0}
    alone = TaskModel("classification", False, None, both, UNREDACTED, None)
    assert alone.single_networks() == {}


def test_metrics_have_the_score_of_each_seed(
    several: tuple[Path, Path], single: list[Path]
) -> None:
    metrics = read_json(several[0] / "metrics.json")
    alone = [read_json(one / "metrics.json") for one in single]
    name = "best_validation_accuracy"
    scores = [one[name] for one in alone]
    assert [metrics[f"{name}/seed_{seed}"] for seed in (4, 5, 6)] == scores
    assert metrics[f"{name}/mean"] == pytest.approx(fmean(scores))
    assert metrics[f"{name}/deviation"] == pytest.approx(stdev(scores))
    assert metrics[name] == max(scores)
    assert metrics["epochs"] == 2
    assert metrics["parameters"] == 3 * alone[0]["parameters"]
    assert not {key for key in alone[0] if key.startswith(f"{name}/")}


def test_the_metrics_of_further_networks_have_their_name(several: tuple[Path, Path]) -> None:
    found = points(several[1])
    own = {key for key in found if not key.startswith("network-")}
    assert {*found} == {f"{name}{key}" for key in own for name in ("", "network-2/", "network-3/")}
    for key in ("validation/loss", "cost/hours"):
        assert found[key] != found[f"network-2/{key}"] != found[f"network-3/{key}"]
        steps = [[step for step, _ in found[f"{n}{key}"]] for n in ("", "network-2/", "network-3/")]
        assert steps[0] == steps[1] == steps[2]


def test_the_average_with_the_baseline_divides_the_weight_of_the_networks(
    task: TaskConfig, backbone: Path, tmp_path: Path
) -> None:
    """The score that decided is that of the model."""
    out, work = folders(tmp_path)
    config = with_finetune(task, seeds=2, candidates=("average",))
    tune(config, backbone, out, work)
    made = read_json(out / "task.json")
    members = made["members"]
    assert {*members} == {"network", "network-2", "baseline"}
    assert members["network"] == members["network-2"] > 0
    assert made["choice"].startswith("the average of 2 fine-tuned networks and the classical")
    predictor = load_predictor(out)
    rows = [json.loads(line) for line in Path(str(task.validation)).read_text().splitlines()]
    answers = predictor([row["text"] for row in rows])
    right = [answer["label"] == row["label"] for answer, row in zip(answers, rows, strict=True)]
    assert fmean(right) == read_json(out / "metrics.json")["candidate/average"]


def test_of_networks_without_an_average_the_best_is_the_model(
    backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = iter([0.5, 0.75, 0.25])
    validate = FinetuneModule.validate

    def fixed(self: FinetuneModule) -> dict[str, float]:
        metrics = validate(self)
        self.best_score = (next(scores), 0.0)
        return metrics

    monkeypatch.setattr(FinetuneModule, "validate", fixed)
    config = make_task(tmp_path, "translation", seeds=3, epochs=1)
    out, work = folders(tmp_path)
    tune(config, backbone, out, work)
    assert read_json(out / "task.json")["members"] == {"network": 1.0}
    assert read_json(out / "task.json")["choice"] == "the fine-tuned network"
    best = (work / "network-2" / "best" / "model.safetensors").read_bytes()
    assert (out / "model.safetensors").read_bytes() == best
    assert not (out / "network-2").exists()
    assert read_json(out / "metrics.json")["best_validation_token_accuracy"] == 0.75


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], list[int]]:
    """Return a function that lets the nth validation from now on interrupt the training."""

    def interrupt(at: int) -> list[int]:
        seen: list[int] = []
        validate = FinetuneModule.validate

        def stopping(self: FinetuneModule) -> dict[str, float]:
            seen.append(self.config.seed)
            if len(seen) == at:
                raise KeyboardInterrupt
            return validate(self)

        monkeypatch.setattr(FinetuneModule, "validate", stopping)
        return seen

    return interrupt


def test_an_interrupted_step_repeats_no_finished_training(
    task: TaskConfig,
    backbone: Path,
    tmp_path: Path,
    several: tuple[Path, Path],
    interrupted: Callable[[int], list[int]],
) -> None:
    config = with_finetune(task, seed=4, seeds=3, checkpoint_every_steps=1)
    out, work = folders(tmp_path)
    seen = interrupted(4)  # the last epoch of the second network
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        tune(config, backbone, out, work)
    tune(config, backbone, out, work)
    assert seen == [4, 4, 5, 5, 5, 6, 6]
    for name in ("model.safetensors", "network-2/model.safetensors", "network-3/model.safetensors"):
        assert (out / name).read_bytes() == (several[0] / name).read_bytes()
    metrics, expected = (read_json(folder / "metrics.json") for folder in (out, several[0]))
    assert metrics == expected
    timed = {"train/tokens_per_s", "train/flops_per_s", "train/mfu", "train/peak_memory_mib"}
    timed |= {"train/seconds_left", "cost/hours"}
    for name, values in points(several[1]).items():
        if name.removeprefix("network-2/").removeprefix("network-3/") not in timed:
            assert points(work)[name] == values, name


@pytest.mark.parametrize("member", ["network-1", "network-02", "network-2/..", "network-x"])
def test_a_member_that_is_no_network_is_named(
    several: tuple[Path, Path], tmp_path: Path, member: str
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(several[0], folder)
    made = read_json(folder / "task.json")
    write_json(folder / "task.json", made | {"members": {"network": 0.5, member: 0.5}})
    with pytest.raises(InputError, match=r"task\.json is damaged"):
        load_predictor(folder)


def test_the_weights_of_every_network_are_checked(
    several: tuple[Path, Path], tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(several[0], folder)
    (folder / "network-3" / "model.safetensors").unlink()
    with pytest.raises(InputError, match="network-3"):
        load_predictor(folder)
