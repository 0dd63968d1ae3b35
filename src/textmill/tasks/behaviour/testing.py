"""The step that runs the behaviour tests of a task on its model, and scores texts of groups."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from textmill.config import BehaviourStepConfig
from textmill.files import read_json, write_json
from textmill.tasks.behaviour.cases import TESTS, Case, read_cases
from textmill.tasks.behaviour.counterfactuals import Counterfactual, read_counterfactuals
from textmill.tasks.behaviour.group_scores import (
    GroupCase,
    metrics_of_pairs,
    pairs_of,
    write_group_scores,
)
from textmill.tasks.behaviour.judging import Answer, Behaviour, Given, behaviour_of
from textmill.tasks.behaviour.suite import ANY_TEST, DirectionTest, MinimumTest, Test
from textmill.tasks.behaviour.templates import fill, values_of
from textmill.tasks.behaviour.verdicts import (
    Verdict,
    metrics_of_tests,
    summarized,
    write_verdicts,
)
from textmill.tasks.ensemble.predictor import Predictor, load_predictor


def run_tests(config: BehaviourStepConfig, inputs: Mapping[str, Path], out: Path) -> None:
    """Write what came of every case to verdicts.jsonl, and the metrics of tests to metrics.json.

    If there are counterfactuals, group_scores.jsonl has what the model says of them.

    Args:
        config: the kind of task, and the device.
        inputs: `model`, a folder of the finetune step; `cases`, one of the cases step.
        out: an empty folder.

    Raises:
        InputError: the machine lacks the device.
    """
    judge = behaviour_of(config.kind, "behaviour")
    tests = {test.name: test for test in _read_tests(inputs["cases"] / TESTS)}
    cases, of_groups = read_cases(inputs["cases"]), read_counterfactuals(inputs["cases"])
    predictor = load_predictor(inputs["model"], config.accelerator)
    answers = predict(predictor, [*cases, *of_groups])
    verdicts = [
        _verdict(judge, tests[case.test], case, found)
        for case, found in zip(cases, answers[: len(cases)], strict=True)
    ]
    write_verdicts(verdicts, out)
    metrics = metrics_of_tests(summarized(verdicts)) if verdicts else {}
    if of_groups:
        labels: Sequence[str] = predictor.spec.labels
        scored = [
            group_case(judge, labels, one, found)
            for one, found in zip(of_groups, answers[len(cases) :], strict=True)
        ]
        write_group_scores(scored, out)
        metrics |= metrics_of_pairs(pairs_of(scored))
    write_json(out / "metrics.json", metrics | {"cases": len(cases)})


def predict(predictor: Predictor, cases: Sequence[Case | Counterfactual]) -> list[list[Answer]]:
    """Return the answers to the inputs of each case; equal inputs are predicted once."""
    inputs = {_key(given): given for case in cases for given in case.inputs}
    values = {key: _model_input(predictor, given) for key, given in inputs.items()}
    weightings = [predictor.weights]
    streamed = predictor.stream_weighted([*values.values()], weightings, with_details=True)
    found = {key: answer for key, (answer,) in zip(values, streamed, strict=True)}
    return [[found[_key(given)] for given in case.inputs] for case in cases]


def is_passed(judge: Behaviour, test: Test, case: Case, answers: Sequence[Answer]) -> bool:
    """Return whether the answers to a case are as its test expects."""
    if isinstance(test, MinimumTest):
        return judge.is_right(answers[0], case.expected)
    if isinstance(test, DirectionTest):
        assert judge.probability is not None  # or else the cases step has refused the test
        before, after = (judge.probability(answer, test.label) for answer in answers)
        return (after - before if test.moves == "up" else before - after) >= test.by
    before, after = map(judge.decision, answers, case.inputs)
    return bool(before == after)


def group_case(
    judge: Behaviour, labels: Sequence[str], given: Counterfactual, answers: Sequence[Answer]
) -> GroupCase:
    """Return what a model says of a text as it is for each of several groups."""
    assert judge.probability is not None  # or else the cases step has refused the setting
    return GroupCase(
        attribute=given.attribute,
        about=given.about,
        origin=given.origin,
        groups=given.groups,
        template=given.template,
        term=given.term,
        texts=tuple(map(_shown, given.inputs)),
        probabilities=tuple(
            {label: judge.probability(answer, label) for label in labels} for answer in answers
        ),
        decisions=tuple(map(judge.decision, answers, given.inputs)),
    )


def _shown(given: Given) -> str:
    return " / ".join(text.text for text in given.values())


def _read_tests(file: Path) -> list[Test]:
    return [ANY_TEST.validate_python(values) for values in read_json(file)]


def _verdict(judge: Behaviour, test: Test, case: Case, answers: Sequence[Answer]) -> Verdict:
    shown = [judge.show(answer) for answer in answers]
    expected = "the same answer"
    if isinstance(test, MinimumTest):
        expected = _as_text(test.expect, values_of(case.inputs[0]))
    elif isinstance(test, DirectionTest):
        assert judge.probability is not None
        values = [judge.probability(answer, test.label) for answer in answers]
        shown = [f"{test.label} ({value:.2f})" for value in values]
        expected = _movement(test)
    return Verdict(
        test=test.name,
        kind=test.kind,
        about=test.about,
        texts=tuple(map(_shown, case.inputs)),
        values=tuple(map(values_of, case.inputs)),
        answers=tuple(shown),
        expected=expected,
        is_passed=is_passed(judge, test, case, answers),
    )


def _movement(test: DirectionTest) -> str:
    if test.by >= 0:
        return f"{test.label} {test.moves} by at least {test.by:g}"
    against = "down" if test.moves == "up" else "up"
    return f"{test.label} {against} by at most {-test.by:g}"


def _as_text(expect: Any, values: Mapping[str, str]) -> str:
    """Return what a minimum test expects, with the values of slots."""
    if isinstance(expect, dict):
        return ", ".join(f"{values.get(slot, slot)} ({what})" for slot, what in expect.items())
    if isinstance(expect, list):
        return ", ".join(_as_text(one, values) for one in expect)
    return fill(expect, values).text or "no answer"


def _key(given: Given) -> str:
    return json.dumps([text.text for text in given.values()])


def _model_input(predictor: Predictor, given: Given) -> Any:
    """Return an input as models take it: the text itself, if there is one column."""
    texts = {column: text.text for column, text in given.items()}
    return texts if len(predictor.columns) > 1 else texts[predictor.columns[0]]
