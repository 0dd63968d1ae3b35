"""Specifies how behaviour tests are run on a model and judged."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.tasks.behaviour.test_cases import config_of, minimum
from textmill.config import UNREDACTED, BehaviourStepConfig
from textmill.files import read_json
from textmill.tasks.behaviour.cases import Case, write_cases
from textmill.tasks.behaviour.group_scores import GROUP_SCORES, cases_from_rows, pairs_of
from textmill.tasks.behaviour.judging import behaviour_of
from textmill.tasks.behaviour.suite import ANY_TEST
from textmill.tasks.behaviour.templates import Filled
from textmill.tasks.behaviour.testing import is_passed, predict, run_tests
from textmill.tasks.behaviour.verdicts import VERDICTS, from_rows
from textmill.tasks.classification.examples import Spec
from textmill.tasks.ensemble.predictor import Predictor

CASE = Case("t", ({"text": Filled("a")}, {"text": Filled("b")}), "good")
JUDGE = behaviour_of("classification", "behaviour")


def answer(p_good: float) -> dict[str, Any]:
    label = "good" if p_good > 0.5 else "bad"
    return {"label": label, "score": p_good, "probabilities": {"good": p_good, "bad": 1 - p_good}}


@pytest.mark.parametrize(
    ("further", "probabilities", "is_expected"),
    [
        ({"kind": "minimum", "expect": "good"}, [0.6], True),
        ({"kind": "minimum", "expect": "good"}, [0.4], False),
        ({"kind": "invariance", "perturb": "typo"}, [0.9, 0.6], True),
        ({"kind": "invariance", "perturb": "typo"}, [0.6, 0.4], False),
        ({"kind": "direction", "moves": "up"}, [0.5, 0.5], True),
        ({"kind": "direction", "moves": "up", "by": 0.1}, [0.5, 0.55], False),
        ({"kind": "direction", "moves": "up", "by": -0.1}, [0.5, 0.45], True),
        ({"kind": "direction", "moves": "down", "by": 0.2}, [0.9, 0.6], True),
        ({"kind": "direction", "moves": "down", "by": -0.2}, [0.5, 0.75], False),
    ],
)
def test_a_case_passes_by_the_kind_of_its_test(
    further: dict[str, Any], probabilities: Sequence[float], is_expected: bool
) -> None:
    values = {"name": "t", "template": "x"} | further
    if further["kind"] == "direction":
        values |= {"changed": "y", "label": "good"}
    test = ANY_TEST.validate_python(values)
    assert is_passed(JUDGE, test, CASE, [answer(p) for p in probabilities]) is is_expected


def test_equal_inputs_are_predicted_once_and_each_case_gets_its_answers() -> None:
    seen: list[str] = []

    def score(prepared: Sequence[tuple[str]]) -> list[Any]:
        import numpy as np

        seen.extend(text for (text,) in prepared)
        return [np.array([1 - len(text) / 10, len(text) / 10]) for (text,) in prepared]

    predictor = Predictor("classification", Spec(("bad", "good")), [(score, 1.0)], UNREDACTED)
    texts = [("aaaaaa", "aa"), ("aa", "aaaa"), ("aaaaaa",)]
    cases = [Case("t", tuple({"text": Filled(text)} for text in pair)) for pair in texts]
    found = predict(predictor, cases)
    assert [[one["probabilities"]["good"] for one in answers] for answers in found] == [
        [0.6, 0.2],
        [0.2, 0.4],
        [0.6],
    ]
    assert seen == ["aa", "aaaa", "aaaaaa"]


def test_the_step_writes_the_outcome_of_every_case_and_shares(
    tuned: tuple[Path, Path], tmp_path: Path
) -> None:
    tests = [
        minimum(expect="good"),
        minimum(name="wrong", expect="bad", about="never"),
        minimum(name="names", kind="invariance", vary="good", max_cases=3),
        minimum(
            name="worse",
            kind="direction",
            template="A {good} {part}.",
            changed="A grim, sad, awful {part}.",
            label="good",
            moves="down",
            by=0.01,
        ),
    ]
    cases, out = tmp_path / "cases", tmp_path / "verdicts"
    cases.mkdir()
    out.mkdir()
    write_cases(config_of(tmp_path, tests), {}, cases)
    config = BehaviourStepConfig(kind="classification", accelerator="cpu")
    run_tests(config, {"model": tuned[0], "cases": cases}, out)
    metrics = read_json(out / "metrics.json")
    assert metrics["behaviour/praise"] + metrics["behaviour/wrong"] == pytest.approx(1)
    assert metrics["behaviour/praise"] > 0.8
    assert metrics["behaviour/worse"] == 1
    shares = [metrics[f"behaviour/{name}"] for name in ("praise", "wrong", "names", "worse")]
    assert metrics["behaviour/mean"] == pytest.approx(sum(shares) / 4)
    assert metrics["cases"] == 6 + 6 + 3 + 6
    rows = [json.loads(line) for line in (out / VERDICTS).read_text().splitlines()]
    assert len(rows) == 21
    praise, wrong, names, worse = from_rows(rows)
    assert (wrong.about, wrong.kind, wrong.n_cases) == ("never", "minimum", 6)
    assert {one.expected for one in wrong.failed} == {"bad"}
    assert praise.share == metrics["behaviour/praise"]
    assert {row["expected"] for row in rows if row["test"] == "names"} == {"the same answer"}
    assert rows[-1]["expected"] == "good down by at least 0.01"
    assert rows[-1]["answers"][0].startswith("good (0.")
    before, after = rows[-1]["values"]
    assert rows[-1]["texts"][0] == f"A {before['good']} {before['part']}."
    assert after == {"part": before["part"]}
    n_of_slot = {"good": 3, "part": 2}
    assert sorted(len({*groups}) for groups in praise.groupings) == sorted(n_of_slot.values())


def test_the_step_keeps_what_a_model_says_of_texts_of_groups(
    tuned: tuple[Path, Path], tmp_path: Path
) -> None:
    animal = {"name": "animal", "groups": {"cats": ["cat"], "dogs": ["dog"]}}
    adjective = {"name": "adjective", "groups": {"kind": ["lovely"], "other": ["awful"]}}
    texts = {"animal": "The {animal} was {good}.", "adjective": "The room was {adjective}."}
    attributes = [one | {"template": texts[str(one["name"])]} for one in (animal, adjective)]
    groups = tmp_path / "groups.yaml"
    groups.write_text(json.dumps({"slots": {"good": ["superb"]}, "attributes": attributes}))
    config = config_of(tmp_path, [], bias=str(groups)).model_copy(update={"behaviour": None})
    cases, out = tmp_path / "cases", tmp_path / "out"
    cases.mkdir()
    out.mkdir()
    write_cases(config, {}, cases)
    assert read_json(cases / "metrics.json")["tests"] == 0
    given = {"model": tuned[0], "cases": cases}
    run_tests(BehaviourStepConfig(kind="classification", accelerator="cpu"), given, out)
    rows = [json.loads(line) for line in (out / GROUP_SCORES).read_text().splitlines()]
    found = {pair.attribute: pair for pair in pairs_of(cases_from_rows(rows))}
    assert found["animal"].cases[0].texts == ("the cat was superb.", "the dog was superb.")
    [change] = found["adjective"].changes("bad")
    assert change > 0.5
    assert found["adjective"].flips == [True]
    assert read_json(out / "metrics.json") == {
        "bias/max_difference": pytest.approx(change),
        "bias/max_flips": 1.0,
        "cases": 0,
    }
