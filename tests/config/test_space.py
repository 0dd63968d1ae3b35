"""Specifies the settings of a sweep: what can be searched, how it is written, and what is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from textmill.compose import compose
from textmill.config import (
    KINDS,
    Config,
    FinetuneConfig,
    Settings,
    SweepConfig,
    ValuesConfig,
    settings_of,
)
from textmill.config.space import (
    Value,
    is_whole,
    present_settings,
    searchable,
    with_settings,
)
from textmill.errors import InputError
from textmill.tracking.raw_data import with_sample


def space_of(*overrides: str) -> dict[str, ValuesConfig]:
    return compose("demo", overrides).tasks[0].sweep.space


def test_a_space_is_written_with_dotted_or_nested_keys() -> None:
    values = "learning_rate: {low: 1e-4, high: 3e-3, log: true}"
    dotted = space_of(f"tasks.topic.sweep.space={{finetune.{values}, finetune.epochs: [1, null]}}")
    nested = space_of(
        f"tasks.topic.sweep.space.finetune={{{values}}}",
        "tasks.topic.sweep.space.finetune.epochs=[1,null]",
    )
    assert dotted == nested
    assert dotted == {
        "finetune.learning_rate": ValuesConfig(low=1e-4, high=3e-3, log=True),
        "finetune.epochs": ValuesConfig(values=(1, None)),
    }


def test_a_tasks_keys_add_to_the_shared_ones_and_null_removes_one() -> None:
    shared = "sweep.space={finetune.dropout: [0.0, 0.1], finetune.epochs: [1, 2]}"
    own = "tasks.topic.sweep.space={finetune.epochs: null, finetune.patience: [1, 2]}"
    assert list(space_of(shared, own)) == ["finetune.dropout", "finetune.patience"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_default_space_suits_every_kind_of_task(kind: str) -> None:
    finetune: FinetuneConfig = settings_of(kind).model_fields["finetune"].default
    SweepConfig().check(finetune)


@pytest.mark.parametrize(
    ("space", "message"),
    [
        (
            "{finetune.learning_rat: [1, 2]}",
            r"topic: sweep.space.finetune.learning_rat cannot be searched: "
            r"did you mean finetune.learning_rate\?",
        ),
        ("{x: [1]}", "sweep.space.x cannot be searched: use one of finetune.micro_batch_size, "),
        ("{finetune.seed: [1, 2]}", "finetune.seed cannot be searched"),
        ("{finetune.max_hours: [1, 2]}", "finetune.max_hours cannot be searched"),
        (
            "{finetune.epochs: {low: 1.5, high: 3}}",
            "finetune.epochs: 1.5 is not possible: .*valid integer",
        ),
        ("{finetune.dropout: [0.1, 1.5]}", "finetune.dropout: 1.5 is not possible: .*less than 1"),
        ("{finetune.attention: {low: 1, high: 2}}", "attention is not a number: write a list"),
        ("{finetune.dropout: {low: 0.2, high: 0.1}}", "dropout: low=0.2 is not below high=0.1"),
        ("{finetune.dropout: {low: 0.2}}", "dropout: a range needs low and high"),
        ("{finetune.dropout: []}", "dropout: a range needs low and high, and a list some values"),
        ("{finetune.dropout: {low: x, high: 1}}", "space.finetune.dropout.low=x: .*valid number"),
        ("{finetune.dropout: {low: 0, high: 0.5, log: true}}", "log=true needs positive numbers"),
        ("{finetune.dropout: 0.1}", "dropout: 0.1 is neither a list of values nor {low: …, high"),
        ("{finetune.dropout: [[0.1]]}", "is neither a list of values nor"),
        ("{}", "sweep.space: value should have at least 1 item"),
        ("5", "sweep.space=5: input should be a valid dictionary"),
    ],
)
def test_what_cannot_be_searched_is_named(space: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        space_of(f"tasks.topic.sweep.space={space}")


def test_a_value_that_a_kind_does_not_allow_is_named() -> None:
    override = "tasks.translation.sweep.space.finetune.attention=[bidirectional]"
    with pytest.raises(InputError, match="'bidirectional' is not possible: .*'causal'"):
        compose("demo", [override])


def test_a_recorded_space_is_read_again() -> None:
    config = compose("demo", ["sweep.space.finetune.epochs={low: 1, high: 8}"])
    assert Config.model_validate(config.model_dump(mode="json")).tasks == config.tasks


@pytest.mark.parametrize(
    ("name", "whole"),
    [("epochs", True), ("micro_batch_size", True), ("dropout", False), ("learning_rate", False)],
)
def test_numbers_of_some_settings_are_whole(name: str, whole: bool) -> None:
    assert is_whole(searchable(FinetuneConfig)[f"finetune.{name}"]) is whole


def test_settings_are_replaced_and_the_others_kept() -> None:
    before = FinetuneConfig(weight_decay=0.5)
    changes: dict[str, Any] = {"finetune.epochs": 3, "finetune.dropout": None}
    after = with_settings(before, changes)
    assert after == before.model_copy(update={"epochs": 3, "dropout": None})
    assert present_settings(after, changes) == changes


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("method=full", {"method": "head"}),
        ("method=head", {"method": "full"}),
        ("method=head", {"method": "head"}),
        ("learning_rate=0.001", {"method": "head"}),  # the default, but set
        ("method=head", {"method": "full", "lora.r": 4}),
    ],
)
def test_a_trial_trains_as_a_run_with_its_settings_does(
    before: str, after: dict[str, Value]
) -> None:
    """Defaults that depend on what is searched are those of the trial's value."""
    settings = {f"finetune.{name}": value for name, value in after.items()}
    base = f"tasks.topic.finetune.{before}"
    config = with_sample(compose("demo", [base]), "folder")  # as a run does
    overrides = [f"tasks.topic.{name}={value}" for name, value in settings.items()]
    run = compose("demo", [base, *overrides]).tasks[0].finetune
    assert with_settings(config.tasks[0].finetune, settings) == run


class Inner(Settings):
    rank: int = 8
    scale: float = 1.0


class Nested(FinetuneConfig):
    inner: Inner | None = None


def test_settings_of_a_nested_section_are_searched_even_if_it_is_off() -> None:
    known = searchable(Nested)
    assert {"finetune.inner.rank", "finetune.inner.scale"} <= known.keys()
    assert is_whole(known["finetune.inner.rank"])
    key = "finetune.inner.rank"
    assert present_settings(Nested(), [key]) == {key: None}
    assert with_settings(Nested(), {key: 4}).inner == Inner(rank=4)
    assert with_settings(Nested(inner=Inner(scale=2.0)), {key: 4}).inner == Inner(rank=4, scale=2.0)
