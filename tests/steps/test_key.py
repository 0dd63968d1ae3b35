"""Specifies the key of a step: what changes it, and what does not."""

from __future__ import annotations

from typing import Any

import pytest

from textmill.config import (
    CleanConfig,
    PretrainStepConfig,
    Settings,
    key_values,
)
from textmill.steps import key as keys
from textmill.steps.graph import CLEAN, FINETUNE, PRETRAIN
from textmill.steps.key import describe_step, key_of
from textmill.steps.step import Code, Step
from textmill.tasks.classification.settings import ClassificationConfig

CODE = Code({"a.module": "d1", "b.module": "d2"}, {"python": "3.11", "torch": "2.11"})
INPUTS = {"corpus": "c1", "tokenizer": "t1"}

CORPUS: dict[str, Any] = {
    "sources": [
        {"name": "one", "path": "a.jsonl", "language": "en"},
        {"name": "two", "path": "b.txt", "documents": "line"},
    ]
}
TASK: dict[str, Any] = {
    "kind": "classification",
    "name": "mood",
    "train": "train.csv",
    "test": "test.csv",
}
PRETRAINING: dict[str, Any] = {"model": {}, "pretrain": {}}


@pytest.fixture(autouse=True)
def _fixed_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "code_of", lambda step, kind: CODE)


def key(step: Step, config: Settings, inputs: dict[str, str] = INPUTS) -> str:
    return key_of(describe_step(step, config, inputs))


def changed(values: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    head, _, rest = path.partition(".")
    if head.isdigit():
        raise AssertionError(path)
    if isinstance(values.get(head), list):
        index, _, rest = rest.partition(".")
        items = list(values[head])
        items[int(index)] = changed(items[int(index)], rest, value)
        return values | {head: items}
    return values | {head: changed(values.get(head, {}), rest, value) if rest else value}


CASES: dict[str, tuple[Step, type[Settings], dict[str, Any]]] = {
    "clean": (CLEAN, CleanConfig, CORPUS),
    "finetune": (FINETUNE, ClassificationConfig, TASK),
    "pretrain": (PRETRAIN, PretrainStepConfig, PRETRAINING),
}


@pytest.mark.parametrize(
    ("case", "path", "value"),
    [
        ("clean", "min_chars", 21),
        ("clean", "sources.0.language", "de"),
        ("clean", "sources.1.documents", "paragraph"),
        ("clean", "redaction.enabled", False),
        ("clean", "redaction.phone_regions", ["US"]),
        ("clean", "redaction.kinds", ["email"]),
        ("clean", "exact_duplicates.enabled", False),
        ("clean", "near_duplicates.threshold", 0.7),
        ("clean", "languages", ["de"]),
        ("clean", "quality.enabled", True),
        ("clean", "decontamination.enabled", True),
        ("clean", "decontamination.ngram", 10),
        ("clean", "quality.gopher_quality.min_words", 10),
        ("finetune", "name", "temper"),
        ("finetune", "text", "body"),
        ("finetune", "validation_share", 0.2),
        ("finetune", "finetune.seed", 1),
        ("finetune", "finetune.epochs", 4),
        ("finetune", "redaction.enabled", False),
        ("finetune", "redaction.phone_regions", ["FR"]),
        ("pretrain", "model.n_layer", 5),
        ("pretrain", "model.norm", "layer"),
        ("pretrain", "pretrain.seed", 1),
        ("pretrain", "pretrain.accelerator", "cpu"),
        ("pretrain", "pretrain.precision", "32"),
        ("pretrain", "pretrain.learning_rate", 2e-3),
        ("pretrain", "pretrain.packing", "fill"),
        ("pretrain", "pretrain.overlap", 16),
        ("pretrain", "pretrain.language_alpha", 0.3),
        ("pretrain", "weights", {"one": 0.2}),
        ("pretrain", "redaction.kinds", ["email"]),
    ],
)
def test_every_value_that_can_change_the_result_changes_the_key(
    case: str, path: str, value: Any
) -> None:
    step, cls, values = CASES[case]
    other = changed(values, path, value)
    assert key(step, cls.model_validate(other)) != key(step, cls.model_validate(values))


@pytest.mark.parametrize(
    ("case", "path", "value"),
    [
        ("clean", "sources.0.path", "/elsewhere/a.jsonl"),
        ("clean", "sources.0.weight", 0.2),
        ("clean", "task_texts.enabled", True),  # its input has the texts
        ("finetune", "train", "/elsewhere/train.csv"),
        ("finetune", "test", "/elsewhere/test.csv"),
        ("finetune", "validation", "validation.csv"),
        ("finetune", "finetune.checkpoint_every_steps", 7),
        ("finetune", "finetune.keep_checkpoints", 9),
        ("pretrain", "pretrain.checkpoint_every_steps", 7),
    ],
)
def test_where_files_lie_and_how_often_to_save_do_not_change_the_key(
    case: str, path: str, value: Any
) -> None:
    step, cls, values = CASES[case]
    other = changed(values, path, value)
    assert key(step, cls.model_validate(other)) == key(step, cls.model_validate(values))


def test_the_order_of_sources_changes_the_key() -> None:
    turned = CORPUS | {"sources": CORPUS["sources"][::-1]}
    first, second = CleanConfig.model_validate(CORPUS), CleanConfig.model_validate(turned)
    assert key(CLEAN, first) != key(CLEAN, second)


def test_a_default_that_is_written_out_does_not_change_the_key() -> None:
    written = CleanConfig.model_validate(CORPUS | {"min_chars": 20})
    assert key(CLEAN, written) == key(CLEAN, CleanConfig.model_validate(CORPUS))


def test_the_order_of_inputs_does_not_change_the_key() -> None:
    config = CleanConfig.model_validate(CORPUS)
    assert key(CLEAN, config, dict(reversed(INPUTS.items()))) == key(CLEAN, config)


@pytest.mark.parametrize(
    "inputs",
    [
        {"corpus": "c2", "tokenizer": "t1"},
        {"corpus": "t1", "tokenizer": "c1"},
        {"corpus": "c1"},
        {"corpus": "c1", "other": "t1"},
        INPUTS | {"source:x": "s1"},
    ],
)
def test_a_changed_input_changes_the_key(inputs: dict[str, str]) -> None:
    config = CleanConfig.model_validate(CORPUS)
    assert key(CLEAN, config, inputs) != key(CLEAN, config)


@pytest.mark.parametrize(
    "code",
    [
        Code(CODE.modules | {"a.module": "d3"}, CODE.packages),
        Code({"a.module": "d1"}, CODE.packages),
        Code(CODE.modules, CODE.packages | {"torch": "2.12"}),
        Code(CODE.modules, CODE.packages | {"python": "3.12"}),
        Code(CODE.modules, CODE.packages | {"numpy": "2.0"}),
    ],
)
def test_changed_code_or_package_versions_change_the_key(
    code: Code, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = CleanConfig.model_validate(CORPUS)
    before = key(CLEAN, config)
    monkeypatch.setattr(keys, "code_of", lambda step, kind: code)
    assert key(CLEAN, config) != before


def test_the_name_of_the_step_changes_the_key() -> None:
    config = CleanConfig.model_validate(CORPUS)
    assert key(CLEAN, config) != key(Step("other", CLEAN.function), config)


def test_a_key_is_the_digest_of_plain_values() -> None:
    config = CleanConfig.model_validate(CORPUS)
    assert len(key(CLEAN, config)) == 64
    assert key(CLEAN, config) == key(CLEAN, config)


def test_key_values_leave_out_fields_at_every_depth() -> None:
    values = key_values(ClassificationConfig.model_validate(TASK))
    assert not {"train", "test", "validation"} & values.keys()
    assert "checkpoint_every_steps" not in values["finetune"]
    assert values["finetune"]["seed"] == 0
    sources = key_values(CleanConfig.model_validate(CORPUS))["sources"]
    assert [source["name"] for source in sources] == ["one", "two"]
    assert "path" not in sources[0]
