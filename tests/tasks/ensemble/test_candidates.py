"""Specifies the choice between network, classical baseline and their average, and its folder."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter
from safetensors.numpy import load_file, save_file

from tests.tasks.conftest import QUICK, toy_rows, tune, write_rows
from textmill.config import AnyTask, TaskConfig
from textmill.errors import InputError
from textmill.files import read_json
from textmill.tasks.baseline import baseline
from textmill.tasks.classification.examples import Example, Spec
from textmill.tasks.classification.settings import ClassificationConfig
from textmill.tasks.ensemble import candidates
from textmill.tasks.ensemble.baseline_files import ARRAYS, VALUES
from textmill.tasks.ensemble.candidates import Compared, best_candidate
from textmill.tasks.ensemble.predictor import Predictor, load_predictor
from textmill.tasks.evaluate import evaluate
from textmill.tasks.tagging import answers

pytestmark = pytest.mark.filterwarnings(
    "ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::UserWarning:lightning"
)
BLIND = {"learning_rate": 1e-30, "epochs": 1}
"""A network that learns nothing."""
SURE = [0.95] * 50
UNSURE = [0.55, 0.9] * 25
"""Of the right label; no temperature makes both texts equally sure."""


def as_rows(kind: str, n: int, seed: int) -> list[dict[str, Any]]:
    rows = toy_rows(n, seed)
    if kind == "classification":
        return rows
    if kind == "translation":
        return [{"source": row["text"], "target": row["text"].upper()} for row in rows]
    names = {"splendid", "awful"}
    return [
        {
            "tokens": row["text"].split(),
            "ner_tags": ["B-X" if word in names else "O" for word in row["text"].split()],
        }
        for row in rows
    ]


def make_task(folder: Path, kind: str, **settings: Any) -> Any:
    for split, n, seed in (("train", 120, 1), ("validation", 30, 3), ("test", 40, 2)):
        write_rows(folder / f"{split}.jsonl", as_rows(kind, n, seed))
    values = {"kind": kind, "name": "mood", "finetune": QUICK | settings}
    values |= {split: str(folder / f"{split}.jsonl") for split in ("train", "test")}
    if kind == "translation":
        values["target_language"] = "en"
    return TypeAdapter(AnyTask).validate_python(values)


def tuned_model(config: TaskConfig, backbone: Path, folder: Path) -> Path:
    out, work = folder / "model", folder / "work"
    out.mkdir()
    work.mkdir()
    tune(config, backbone, out, work)
    return out


@pytest.mark.parametrize("kind", ["classification", "tagging", "translation"])
def test_a_baseline_becomes_the_model_where_it_is_better_and_scores_as_on_its_own(
    backbone: Path, tmp_path: Path, kind: str
) -> None:
    config = make_task(tmp_path, kind, candidates=("network", "baseline"), **BLIND)
    model = tuned_model(config, backbone, tmp_path)
    task = read_json(model / "task.json")
    assert list(task["members"]) == ["baseline"]
    assert task["choice"].startswith("the classical baseline (")
    assert not (model / "model.safetensors").exists()
    metrics = read_json(model / "metrics.json")
    assert metrics["candidate/baseline"] > metrics["candidate/network"]
    assert 0 < metrics["parameters"] < 10_000

    alone, tested = tmp_path / "alone", tmp_path / "tested"
    alone.mkdir()
    tested.mkdir()
    baseline(config, {}, alone)
    evaluate(config, {"model": model}, tested)
    expected, scores = (read_json(out / "metrics.json") for out in (alone, tested))
    expected.pop("calibration_error", None)  # the model has a temperature
    own = {name: value for name, value in scores.items() if name in expected}
    assert own == {name: expected[name] for name in own}
    assert len(own) >= 2


@pytest.mark.parametrize("kind", ["classification", "tagging"])
def test_the_average_has_both_members_with_their_weights(
    backbone: Path, tmp_path: Path, kind: str
) -> None:
    config = make_task(tmp_path, kind, candidates=("average",), epochs=2)
    model = tuned_model(config, backbone, tmp_path)
    members = read_json(model / "task.json")["members"]
    assert set(members) == {"network", "baseline"}
    assert members["baseline"] > 0
    assert {"model.safetensors", "baseline"} <= {file.name for file in model.iterdir()}
    predictor = load_predictor(model)
    text = "the splendid room"
    (answer,) = predictor([text])
    if kind == "tagging":
        [entity] = answer["entities"]
        assert 0 < entity.pop("score") <= 1
        assert entity == {"text": "splendid", "type": "X", "start": 4, "end": 12}
    else:
        assert answer["label"] == "good"
    parts = [type(predictor)(kind, predictor.spec, [one]) for one in predictor.scorers]
    if kind == "classification":
        alone = [part([text])[0]["score"] for part in parts]
        assert answer["score"] not in alone


@pytest.mark.parametrize("other", ["network", "baseline"])
def test_an_average_of_one_member_is_that_candidate(
    backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other: str
) -> None:
    def fit_weights(scores: Sequence[Any], targets: Any) -> tuple[float, ...]:
        return (1.0,) if len(scores) == 1 else (0.0, 0.9)  # the baseline alone

    monkeypatch.setattr(candidates, "fit_weights", fit_weights)
    config = make_task(tmp_path, "classification", candidates=("average", other), **BLIND)
    model = tuned_model(config, backbone, tmp_path)
    task = read_json(model / "task.json")
    assert [*task["members"]] == ["baseline"]
    assert task["choice"].startswith("the classical baseline (")
    assert {"candidate/average"}.isdisjoint(read_json(model / "metrics.json"))


@pytest.mark.parametrize("choice", ["network", "baseline"])
def test_a_single_classifier_gets_a_temperature_that_changes_no_answer(
    backbone: Path, tmp_path: Path, choice: str
) -> None:
    config = make_task(tmp_path, "classification", candidates=(choice,), epochs=2)
    model = tuned_model(config, backbone, tmp_path)
    (weight,) = read_json(model / "task.json")["members"].values()
    assert 0 < weight != 1
    predictor = load_predictor(model)
    raw = Predictor("classification", predictor.spec, [(predictor.scorers[0][0], 1.0)])
    texts = [row["text"] for row in toy_rows(30, seed=5)]
    for scaled, plain in zip(predictor(texts), raw(texts), strict=True):
        assert scaled["label"] == plain["label"]
        odds = [score / (1 - score) for score in (scaled["score"], plain["score"])]
        assert odds[0] == pytest.approx(odds[1] ** weight, rel=1e-3)


@pytest.mark.parametrize("chosen", ["network", "baseline", "average"])
def test_the_decision_of_the_chosen_candidate_is_stored_with_the_model(
    backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chosen: str
) -> None:
    def fit(spec: Any, scores: Any, examples: Any) -> Any:
        assert len(scores) == len(examples) > 0
        return replace(spec, outside_penalty=1.5)

    monkeypatch.setattr(answers, "fit_decision", fit)
    config = make_task(tmp_path, "tagging", candidates=(chosen,), **BLIND)
    model = tuned_model(config, backbone, tmp_path)
    assert read_json(model / "task.json")["spec"]["outside_penalty"] == 1.5
    assert load_predictor(model).spec.outside_penalty == 1.5


@pytest.mark.parametrize(
    ("choices", "members", "ending"),
    [
        (("network", "baseline"), {"baseline"}, "; no other is better by a standard error"),
        (("average", "network", "baseline"), {"baseline", "network"}, ""),
    ],
)
def test_where_all_are_right_the_baseline_is_chosen_or_a_likelier_average(
    backbone: Path, tmp_path: Path, choices: tuple[str, ...], members: set[str], ending: str
) -> None:
    """On separable texts, a trained network and a baseline make no mistake."""
    config = make_task(tmp_path, "classification", candidates=choices)
    model = tuned_model(config, backbone, tmp_path)
    metrics = read_json(model / "metrics.json")
    assert {metrics[f"candidate/{name}"] for name in choices} == {1.0}
    task = read_json(model / "task.json")
    assert set(task["members"]) == members
    listed = ", ".join(f"{name} 1" for name in choices)
    assert task["choice"].endswith(f"chosen by validation accuracy ({listed}){ending}")


@pytest.mark.parametrize(("n_right", "chosen"), [(61, "baseline"), (70, "network")])
def test_another_candidate_has_to_be_better_by_a_standard_error(
    toy: ClassificationConfig, n_right: int, chosen: str
) -> None:
    """Of 100 texts, the baseline labels 60 correctly."""
    spec = Spec(("bad", "good"))
    examples = [Example(f"text {number:03}", "good", "") for number in range(100)]

    def right(n: int) -> list[np.ndarray]:
        return [np.array([0.1, 0.9] if number < n else [0.9, 0.1]) for number in range(100)]

    compared = Compared(toy, spec, examples)
    rows = {
        "network": compared.rows(spec, right(n_right)),
        "baseline": compared.rows(spec, right(60)),
    }
    better = compared.is_better(rows["network"], rows["baseline"])
    assert better == (chosen == "network")


@pytest.mark.parametrize(
    ("sureness", "chosen"),
    [
        ({"network": SURE, "baseline": UNSURE}, "network"),
        ({"network": UNSURE, "baseline": SURE}, "baseline"),
        ({"network": SURE, "baseline": SURE}, "baseline"),
        ({"average": SURE, "network": SURE, "baseline": UNSURE}, "average"),
        ({"network": SURE, "average": SURE, "baseline": UNSURE}, "network"),
        ({"network": SURE[:1], "baseline": UNSURE[:1]}, "baseline"),
        ({"average": UNSURE, "network": SURE, "baseline": UNSURE}, "network"),
    ],
)
def test_of_models_that_are_all_right_the_likelier_one_is_chosen(
    toy: ClassificationConfig, sureness: dict[str, list[float]], chosen: str
) -> None:
    spec = Spec(("bad", "good"))
    n_texts = len(sureness["baseline"])
    compared = Compared(toy, spec, [Example(f"text {n:03}", "good", "") for n in range(n_texts)])
    scores = {name: [np.array([1 - p, p]) for p in values] for name, values in sureness.items()}
    rows = {name: compared.rows(spec, scores[name]) for name in scores}
    found = {name: compared.score(rows[name]) for name in scores}
    assert {*found.values()} == {1.0}
    assert best_candidate(compared, found, rows, scores) == chosen


def test_a_sample_of_many_examples_has_all_labels(
    toy: ClassificationConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candidates, "MAX_COMPARED", 20)
    labels = ["bad"] * 50 + ["good"] * 50
    examples = [Example(f"text {n:03}", label, "") for n, label in enumerate(labels)]
    compared = Compared(toy, Spec(("bad", "good")), examples)
    assert len(compared.examples) == 20
    assert {example.label for example in compared.examples} == {"bad", "good"}


@pytest.mark.parametrize("choices", [("average", "network"), ("average",)])
def test_translations_have_no_average(
    backbone: Path, tmp_path: Path, choices: tuple[str, ...]
) -> None:
    config = make_task(tmp_path, "translation", candidates=choices, **BLIND)
    model = tuned_model(config, backbone, tmp_path)
    assert read_json(model / "task.json")["members"] == {"network": 1.0}


@pytest.fixture(scope="module")
def simple(backbone: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder of a classical baseline alone."""
    folder = tmp_path_factory.mktemp("simple")
    config = make_task(folder, "classification", candidates=("baseline",), **BLIND)
    return tuned_model(config, backbone, folder)


def test_a_damaged_baseline_is_named(simple: Path, tmp_path: Path) -> None:
    def without_feature(folder: Path) -> None:
        ngrams = json.loads((folder / VALUES).read_text())
        (folder / VALUES).write_text(json.dumps(ngrams | {"words": ngrams["words"][1:]}))

    def with_arrays(**changed: np.ndarray) -> Callable[[Path], None]:
        def change(folder: Path) -> None:
            save_file(load_file(folder / ARRAYS) | changed, folder / ARRAYS)

        return change

    changes: list[Callable[[Path], Any]] = [
        lambda folder: (folder / VALUES).unlink(),
        lambda folder: (folder / ARRAYS).unlink(),
        lambda folder: (folder / VALUES).write_text("[]"),
        lambda folder: (folder / ARRAYS).write_bytes(b"\x80\x04."),
        without_feature,
        with_arrays(classes=np.array([0, 7])),
        with_arrays(coefficients=np.zeros((3, 2), np.float32)),
        with_arrays(idf=np.zeros(2, np.float32)),
    ]
    for number, change in enumerate(changes):
        copy = tmp_path / str(number)
        shutil.copytree(simple, copy)
        change(copy / "baseline")
        with pytest.raises(InputError, match=r"baseline\.(json|safetensors) is damaged \("):
            load_predictor(copy)
