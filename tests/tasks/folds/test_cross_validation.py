"""Specifies a cross-validation: what is scored, what has been seen, and how it resumes."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import pytest

from tests.tasks.conftest import make_config, toy_rows, write_rows
from tests.tasks.test_accumulation import make_task, with_finetune
from textmill.config import KINDS, TaskConfig
from textmill.errors import InputError
from textmill.evaluation.metrics import leading
from textmill.evaluation.spreads import FOLDS, read_spreads
from textmill.files import read_json
from textmill.tasks.classification.settings import ClassificationConfig
from textmill.tasks.finetune import training_examples
from textmill.tasks.folds import cross_validation as module
from textmill.tasks.folds.cross_validation import cross_validate
from textmill.tasks.folds.division import divide
from textmill.tasks.kinds import baselines_of, definitions, examples_of
from textmill.tasks.predictions import score

pytestmark = pytest.mark.filterwarnings(
    "ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::UserWarning"
)


def run(task: TaskConfig, backbone: Path, folder: Path) -> tuple[dict[str, float], Path]:
    """Run the step, in a folder that may have the work of an interrupted run."""
    out, work = folder / "out", folder / "work"
    out.mkdir(parents=True, exist_ok=True)
    work.mkdir(exist_ok=True)
    cross_validate(task, {"backbone": backbone}, out, work)
    return read_json(out / "metrics.json"), out


def rows_of(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "predictions.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("kind", KINDS)
def test_every_training_example_is_scored_once_by_a_model_that_has_not_seen_it(
    backbone: Path, tmp_path: Path, kind: str
) -> None:
    task = with_finetune(make_task(kind, tmp_path), epochs=1, folds=3)
    metrics, out = run(task, backbone, tmp_path)
    module_of_kind = examples_of(kind)
    examples = training_examples(task, module_of_kind)
    rows = rows_of(out)
    expected = [json.loads(json.dumps(module_of_kind.reference(one))) for one in examples]
    assert [row | own for row, own in zip(rows, expected, strict=True)] == rows
    folds = divide(task, module_of_kind, examples)
    assert [row["fold"] for row in rows] == [
        next(n for n, fold in enumerate(folds, 1) if i in fold) for i in range(len(examples))
    ]
    name = leading(definitions(kind)).name
    scores = [score(task, [row for row in rows if row["fold"] == n])[name] for n in (1, 2, 3)]
    assert [metrics[f"folds/{name}/fold-{n}"] for n in (1, 2, 3)] == pytest.approx(scores)
    spread = read_spreads(metrics, FOLDS)[name]
    assert (spread.mean, spread.deviation, spread.n) == (
        pytest.approx(fmean(scores)),
        pytest.approx(stdev(scores)),
        3,
    )
    assert metrics[name] == pytest.approx(score(task, rows)[name])
    assert 0 <= metrics[f"training_deviation/{name}"] <= spread.deviation
    classical = baselines_of(kind).CLASSICAL_BASELINE
    assert metrics[f"baseline/{name}"] == score(task, rows_of(out / classical))[name]
    assert f"baseline/folds/{name}/mean" in metrics


def test_a_fold_is_scored_by_what_fine_tuning_on_the_others_would_store(
    backbone: Path, toy: ClassificationConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = with_finetune(toy, epochs=1, folds=3, seeds=2, candidates=("average", "network"))
    task = task.model_copy(update={"class_weights": "balanced"})
    train_model, calls, kind = module.train_model, [], examples_of("classification")

    def note(
        config: Any, spec: Any, splits: Any, rest: Any, backbone: Any, out: Any, work: Any
    ) -> Any:
        train, validation = ({example.place for example in part} for part in splits)
        assert not train & validation
        assert train | validation == {example.place for example in rest}
        assert spec == kind.make_spec(config, rest)
        metrics = train_model(config, spec, splits, rest, backbone, out, work)
        calls.append((train | validation, {path.name for path in out.iterdir()}))
        return metrics

    monkeypatch.setattr(module, "train_model", note)
    _, out = run(task, backbone, tmp_path)
    examples = training_examples(task, examples_of("classification"))
    folds = divide(task, examples_of("classification"), examples)
    for (seen, files), fold in zip(calls, folds, strict=True):
        assert seen == {e.place for e in examples} - {examples[i].place for i in fold}
        assert "network-2" in files
    assert {path.name for path in out.iterdir()} >= {
        "predictions.jsonl",
        "metrics.json",
        "majority",
    }


@pytest.mark.slow
def test_an_interrupted_cross_validation_trains_only_the_missing_folds(
    backbone: Path, toy: ClassificationConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = with_finetune(toy, epochs=1, folds=3)
    expected, whole = run(task, backbone, tmp_path / "whole")
    train_model, calls = module.train_model, []

    def interrupted(*arguments: Any) -> Any:
        calls.append(arguments[-1].name)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return train_model(*arguments)

    monkeypatch.setattr(module, "train_model", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(task, backbone, tmp_path / "parts")
    assert not [*(tmp_path / "parts" / "out").iterdir()]
    found, parts = run(task, backbone, tmp_path / "parts")
    assert found == expected
    assert rows_of(parts) == rows_of(whole)
    assert calls == ["fold-1", "fold-2", "fold-2", "fold-3"]
    kept = tmp_path / "parts" / "work"
    assert [path for path in (kept / "folds").iterdir() if path.is_dir()] == []  # no checkpoints
    lines = (kept / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line).get("step") for line in lines] == [None, 1, 2, 3]


def test_a_validation_file_selects_in_every_fold(
    backbone: Path, toy: ClassificationConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[tuple[int, int]] = []

    def note(config: Any, spec: Any, splits: Any, *further: Any) -> Any:
        sizes.append((len(splits[0]), len(splits[1])))
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "train_model", note)
    task = with_finetune(toy.model_copy(update={"validation": toy.test}), folds=3)
    with pytest.raises(KeyboardInterrupt):
        run(task, backbone, tmp_path)
    assert sizes == [(80, 40)]


def test_too_few_examples_to_split_are_refused_before_anything_is_trained(
    backbone: Path, tmp_path: Path
) -> None:
    rows = [{"text": text, "label": text[:1]} for text in ("good day", "bad room", "big meal")]
    write_rows(tmp_path / "train.jsonl", rows)
    write_rows(tmp_path / "test.jsonl", rows)
    task = with_finetune(make_config(tmp_path), folds=3)
    with pytest.raises(InputError, match=r"tasks.mood: too few training examples \(2\) to split"):
        run(task, backbone, tmp_path)
    assert not (tmp_path / "work" / "folds").exists()


def test_a_label_may_be_in_one_fold_alone(backbone: Path, tmp_path: Path) -> None:
    rows = [*toy_rows(40, seed=1), {"text": "the odd room", "label": "odd"}]
    write_rows(tmp_path / "train.jsonl", rows)
    write_rows(tmp_path / "test.jsonl", rows[-4:])
    task = with_finetune(make_config(tmp_path), epochs=1, folds=3)
    _, out = run(task, backbone, tmp_path)
    assert rows_of(out)[-1]["reference"] == "odd"
    assert rows_of(out)[-1]["label"] in ("good", "bad")
