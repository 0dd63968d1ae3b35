"""Specifies the cases of behaviour tests: templates filled in, and test examples changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.tasks.conftest import make_config, toy_rows, write_rows
from textmill.config import TaskConfig, settings_of
from textmill.errors import InputError
from textmill.files import digest_folder, read_json
from textmill.locations import BEHAVIOUR, find_test_file, known_test_files
from textmill.tasks.behaviour.cases import Case, read_cases, write_cases
from textmill.tasks.behaviour.suite import read_suite

SLOTS = {"part": ["room", "meal"], "good": ["lovely", "superb", "bright"], "staff": ["staff"]}


def config_of(folder: Path, tests: list[dict[str, Any]], **further: Any) -> TaskConfig:
    for split, seed in (("train", 1), ("test", 2)):
        write_rows(folder / f"{split}.jsonl", toy_rows(40, seed))
    file = folder / "tests.yaml"
    file.write_text(json.dumps({"slots": SLOTS, "tests": tests}))  # JSON is YAML
    return make_config(folder, behaviour=str(file), **further)


def cases_of(config: TaskConfig, folder: Path) -> list[Case]:
    out = folder / "out"
    out.mkdir()
    write_cases(config, {}, out)
    return read_cases(out)


def texts(case: Case) -> tuple[str, ...]:
    return tuple(given["text"].text for given in case.inputs)


def minimum(**further: Any) -> dict[str, Any]:
    return {"name": "praise", "kind": "minimum", "template": "The {part} was {good}."} | further


def test_a_minimum_test_has_a_case_per_filling_with_the_right_answer(tmp_path: Path) -> None:
    cases = cases_of(config_of(tmp_path, [minimum(expect="good")]), tmp_path)
    assert {texts(case) for case in cases} == {
        (f"The {part} was {good}.",) for part in SLOTS["part"] for good in SLOTS["good"]
    }
    assert {case.expected for case in cases} == {"good"}
    counts = read_json(tmp_path / "out" / "metrics.json")
    assert counts == {"tests": 1, "cases": 6, "counterfactuals": 0}


def test_templates_share_the_maximum_of_cases(tmp_path: Path) -> None:
    template = ["A {good} {part}.", "B {good} {part}."]
    test = minimum(template=template, expect="good", max_cases=5)
    cases = cases_of(config_of(tmp_path, [test]), tmp_path)
    assert [texts(case)[0][0] for case in cases] == ["A", "A", "A", "B", "B"]


def test_a_varied_slot_has_another_value_of_its_list_and_the_others_stay(tmp_path: Path) -> None:
    test = minimum(kind="invariance", vary="good")
    for case in cases_of(config_of(tmp_path, [test]), tmp_path):
        before, after = texts(case)
        assert before.split()[:3] == after.split()[:3]
        assert before != after
        assert [given["text"].places[1][2] for given in case.inputs] == ["good", "good"]


def test_a_changed_text_has_the_values_of_the_first(tmp_path: Path) -> None:
    changed = "The {part} and the {staff} were {good}."
    test = minimum(kind="direction", changed=changed, label="good", moves="up")
    cases = cases_of(config_of(tmp_path, [test]), tmp_path)
    assert len(cases) == 6
    for case in cases:
        before, after = texts(case)
        assert after == before.replace(" was", " and the staff were")


def test_test_examples_are_changed_as_they_are_or_as_slots(tmp_path: Path) -> None:
    tests = [
        {"name": "case", "kind": "invariance", "examples": 7, "perturb": "uppercase"},
        {"name": "more", "kind": "invariance", "examples": 99, "changed": "{text} The {part}."},
    ]
    own = {row["text"] for row in toy_rows(40, 2)}
    cases = cases_of(config_of(tmp_path, tests), tmp_path)
    assert [case.test for case in cases] == ["case"] * 7 + ["more"] * 40
    for case in cases:
        before, after = texts(case)
        assert before in own
        if case.test == "case":
            assert after == before.upper()
        else:
            assert after in {f"{before} The room.", f"{before} The meal."}
            [place] = case.inputs[1]["text"].places
            assert place[2] == "part"


def test_cases_are_the_same_again(tmp_path: Path) -> None:
    tests = [
        minimum(expect="good", max_cases=3),
        {"name": "typos", "kind": "invariance", "examples": 9, "perturb": "typo"},
    ]
    config = config_of(tmp_path, tests)
    digests = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write_cases(config, {}, tmp_path / name)
        digests.append(digest_folder(tmp_path / name))
    assert digests[0] == digests[1]


@pytest.mark.parametrize(
    ("test", "message"),
    [
        (
            minimum(expect="great"),
            r"praise: the label 'great' does not occur .*: use one of bad, g",
        ),
        (minimum(expect=["good"]), r"praise: the label \['good'\] does not occur"),
        (
            minimum(kind="direction", changed="x", label="great", moves="up"),
            "praise: the label 'great' does not occur",
        ),
        (
            minimum(template={"txt": "{good}"}, expect="good"),
            "there is no column 'txt': .*has text",
        ),
        (minimum(kind="invariance", perturb="typo", template="a b"), "praise: there are no cases"),
        (
            minimum(kind="invariance", vary="staff", template="{staff}"),
            "praise: there are no cases",
        ),
        (minimum(template="{staff} {staff2}", expect="good"), "praise: there are no cases"),
        (
            {"name": "new", "kind": "invariance", "examples": 5, "changed": "{txt}!"},
            r"new: the slot \{txt\} is neither a column nor has a list: use one of text, part",
        ),
    ],
)
def test_what_no_model_can_answer_is_refused_with_its_line(
    tmp_path: Path, test: dict[str, Any], message: str
) -> None:
    config = config_of(tmp_path, [test])
    with pytest.raises(InputError, match=f"tests.yaml:1: .*{message}"):
        cases_of(config, tmp_path)


def test_a_bias_report_needs_probabilities_of_labels(tmp_path: Path) -> None:
    splits = {split: str(tmp_path / f"{split}.jsonl") for split in ("train", "test")}
    for file in splits.values():
        write_rows(Path(file), [{"source": "a cat", "target": "eine Katze"}] * 3)
    values = {"name": "de", "kind": "translation", "bias": str(find_test_file("bias", "en"))}
    expected = r"tasks\.de\.bias: models of the kind 'translation' give no probabilities"
    with pytest.raises(InputError, match=expected):
        cases_of(settings_of("translation").model_validate(values | splits), tmp_path)


def test_texts_of_several_columns_are_mappings(tmp_path: Path) -> None:
    rows = [row | {"other": "the end"} for row in toy_rows(40, 1)]
    template = {"text": "The {part}.", "text_pair": "It is {good}."}
    config = config_of(tmp_path, [minimum(template=template, expect="good")], text_pair="other")
    for split in ("train", "test"):
        write_rows(tmp_path / f"{split}.jsonl", rows)
    case, *_ = cases_of(config, tmp_path)
    assert {*case.inputs[0]} == {"text", "text_pair"}
    file = tmp_path / "tests.yaml"
    file.write_text(json.dumps({"slots": SLOTS, "tests": [minimum(expect="good")]}))
    with pytest.raises(InputError, match="praise: text_pair has no text: an input has text, text_"):
        write_cases(config, {}, tmp_path)


@pytest.mark.parametrize("name", known_test_files(BEHAVIOUR))
def test_the_files_that_come_with_textmill_are_valid(name: str) -> None:
    suite = read_suite(find_test_file(BEHAVIOUR, name))
    assert all(test.about for test in suite.tests)


@pytest.mark.parametrize(
    ("name", "kind", "further"),
    [
        ("sentiment", "classification", {}),
        ("topic", "classification", {}),
        ("ner", "tagging", {"tokens": "tokens", "tags": "ner_tags"}),
        ("qa", "question_answering", {}),
    ],
)
def test_those_of_sample_tasks_fit_them(
    sample: Path, tmp_path: Path, name: str, kind: str, further: dict[str, str]
) -> None:
    splits = {split: f"{sample}/{name}/{split}.jsonl" for split in ("train", "test")}
    file = str(find_test_file(BEHAVIOUR, f"sample-{name}"))
    values = {"name": name, "kind": kind, "behaviour": file}
    cases = cases_of(settings_of(kind).model_validate(values | splits | further), tmp_path)
    assert {case.test for case in cases} == {test.name for test in read_suite(Path(file)).tests}


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Generated sample data."""
    from textmill.config import SampleConfig
    from textmill.sample.generate import generate

    folder = tmp_path_factory.mktemp("sample")
    generate(SampleConfig(seed=0, n_documents=100, n_train=200, n_test=120), {}, folder)
    return folder
