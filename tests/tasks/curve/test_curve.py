"""Specifies the learning curve: its points, what they equal, and how it resumes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.tasks.conftest import make_config, toy_rows, with_finetune, write_rows
from tests.tasks.test_accumulation import make_task
from textmill.config import KINDS, CurveConfig, CurveStepConfig, TaskConfig
from textmill.errors import InputError
from textmill.evaluation.learning_curve import LearningCurve, Point
from textmill.files import read_json
from textmill.model.layout import load_weights
from textmill.tasks.classification.settings import ClassificationConfig
from textmill.tasks.curve import curve as module
from textmill.tasks.curve.arms import arms_of
from textmill.tasks.curve.curve import measure_curve
from textmill.tasks.kinds import BASELINE, answers_of

pytestmark = pytest.mark.filterwarnings(
    "ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::UserWarning"
)


SLOW_KINDS = ("question_answering", "tagging")


def measure(
    task: TaskConfig, backbone: Path, folder: Path, labels: tuple[int, ...] = (), seeds: int = 1
) -> LearningCurve:
    """Run the curve step, in a folder that may have the work of an interrupted one."""
    out, work = folder / "out", folder / "work"
    out.mkdir(parents=True, exist_ok=True)
    work.mkdir(exist_ok=True)
    config = CurveStepConfig(task=task, curve=CurveConfig(labels=labels, seeds=seeds))
    measure_curve(config, {"backbone": backbone}, out, work)
    return LearningCurve.model_validate(read_json(out / "curve.json"))


@pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=pytest.mark.slow if kind in SLOW_KINDS else ()) for kind in KINDS],
)
def test_there_is_a_point_for_each_arm_size_and_seed(
    backbone: Path, tmp_path: Path, kind: str
) -> None:
    task = with_finetune(make_task(kind, tmp_path), epochs=1)
    curve = measure(task, backbone, tmp_path, (12,), seeds=2)
    assert [(p.seed, p.labels, p.arm) for p in curve.points] == [
        (seed, size, arm) for seed in (0, 1) for size in (12, 36) for arm in arms_of(kind)
    ]
    metrics = read_json(tmp_path / "out" / "metrics.json")
    assert metrics["train_examples"] == 36
    names = {f"curve/{arm}/{size}" for arm in arms_of(kind) for size in (12, "all")}
    counts = {"train_examples", "test_examples"}
    assert metrics.keys() == names | {f"{name}/deviation" for name in names} | counts
    entries = (tmp_path / "work" / "metrics.jsonl").read_text().splitlines()
    assert json.loads(entries[0]) == {"total_steps": len(curve.points)}
    assert [json.loads(entry)["step"] for entry in entries[1:]] == [
        *range(1, len(curve.points) + 1)
    ]


@pytest.mark.slow
def test_the_pretrained_network_of_all_examples_is_that_of_fine_tuning(
    backbone: Path,
    toy: ClassificationConfig,
    tuned: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fit_arm, fitted = module.fit_arm, {}

    def kept(arm: str, *arguments: Any) -> Any:
        fitted[arm] = fit_arm(arm, *arguments)
        return fitted[arm]

    monkeypatch.setattr(module, "fit_arm", kept)
    measure(toy, backbone, tmp_path)
    network = fitted["pretrained"].scorer.args[0]
    weights, expected = network.state_dict(), load_weights(tuned[0])
    assert all(torch.equal(weights[name], expected[name]) for name in expected)


@pytest.mark.slow
def test_an_interrupted_curve_computes_only_the_missing_points(
    backbone: Path, toy: ClassificationConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = with_finetune(toy, epochs=1)
    expected = measure(task, backbone, tmp_path / "whole", (20,))
    fit_arm, calls = module.fit_arm, []

    def interrupted(arm: str, *arguments: Any) -> Any:
        calls.append(arm)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return fit_arm(arm, *arguments)

    monkeypatch.setattr(module, "fit_arm", interrupted)
    with pytest.raises(KeyboardInterrupt):
        measure(task, backbone, tmp_path / "parts", (20,))
    assert not [*(tmp_path / "parts" / "out").iterdir()]
    assert measure(task, backbone, tmp_path / "parts", (20,)) == expected
    arms = arms_of("classification")
    assert calls == [*arms, arms[3], *arms]
    kept = tmp_path / "parts" / "work" / "points"
    assert [path for path in kept.iterdir() if path.is_dir()] == []  # no checkpoints
    steps = [
        json.loads(line).get("step")
        for line in (kept.parent / "metrics.jsonl").read_text().splitlines()
    ]
    assert steps == [None, *range(1, 9)]


def test_a_network_sees_no_more_labels_than_the_baseline(
    backbone: Path, toy: ClassificationConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[set[str], set[str]]] = []

    def note(
        arm: str, task: Any, spec: Any, folder: Any, splits: Any, examples: Any, work: Any
    ) -> Any:
        parts = [{example.place for example in part} for part in splits]
        assert not parts[0] & parts[1]
        seen.append((parts[0] | parts[1], {example.place for example in examples}))
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "fit_arm", note)
    with pytest.raises(KeyboardInterrupt):
        measure(toy, backbone, tmp_path, (20,))
    ((of_network, of_baseline),) = seen
    assert of_network == of_baseline
    assert len(of_network) == 20


def test_a_validation_file_selects_at_every_size(
    backbone: Path, toy: ClassificationConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[tuple[int, int]] = []

    def note(arm: str, task: Any, spec: Any, folder: Any, splits: Any, *further: Any) -> Any:
        sizes.append((len(splits[0]), len(splits[1])))
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "fit_arm", note)
    task = toy.model_copy(update={"validation": toy.test})
    with pytest.raises(KeyboardInterrupt):
        measure(task, backbone, tmp_path, (20,))
    assert sizes == [(20, 40)]


def test_the_decisions_of_every_arm_are_fitted_to_examples_that_it_has_not_seen(
    backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = with_finetune(make_task("tagging", tmp_path), epochs=1)
    trained: list[tuple[str, set[str]]] = []
    decided: list[tuple[str, set[str]]] = []
    fit_arm, answers = module.fit_arm, answers_of("tagging")

    def note(
        arm: str, task: Any, spec: Any, folder: Any, splits: Any, examples: Any, work: Any
    ) -> Any:
        seen = examples if arm == BASELINE else splits[0]
        trained.append((arm, {example.place for example in seen}))
        return fit_arm(arm, task, spec, folder, splits, examples, work)

    def fit(spec: Any, scores: Any, examples: Any) -> Any:
        arm, seen = trained[-1]
        places = {example.place for example in examples}
        assert len(scores) == len(places) > 0
        assert not places & seen
        decided.append((arm, places))
        return spec

    monkeypatch.setattr(module, "fit_arm", note)
    monkeypatch.setattr(answers, "fit_decision", fit)
    measure(task, backbone, tmp_path)
    assert [arm for arm, _ in decided] == [*arms_of("tagging")]
    assert len({frozenset(places) for _, places in decided}) == 1


def test_too_few_examples_to_split_are_refused_before_anything_is_trained(
    backbone: Path, toy: ClassificationConfig, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"tasks.mood: too few training examples \(4\) to split"):
        measure(toy, backbone, tmp_path, (4, 20))
    assert not (tmp_path / "work" / "points").exists()


def test_a_label_may_be_missing_from_the_part_that_is_trained_on(
    backbone: Path, tmp_path: Path
) -> None:
    rows = [*toy_rows(40, seed=1), {"text": "the odd room", "label": "odd"}]
    write_rows(tmp_path / "train.jsonl", rows)
    write_rows(tmp_path / "test.jsonl", rows[-4:])
    task = with_finetune(make_config(tmp_path), epochs=1)
    curve = measure(task, backbone, tmp_path, (10,), seeds=2)
    assert isinstance(curve.points[0], Point)
    assert curve.sizes == (10, 41)
