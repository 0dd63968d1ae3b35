"""Specifies the parts of the graph that are there if a configuration asks for them."""

from __future__ import annotations

from typing import Any

from tests.steps.test_graph import CHAIN, OWN, TASK, labels, make
from textmill.config import (
    Config,
    LabellingConfig,
    key_values,
)
from textmill.steps.graph import (
    AUDIT,
    BASELINE,
    BEHAVIOUR,
    CANARIES,
    CASES,
    CURVE,
    EVALUATE,
    FINETUNE,
    FOLDS,
    GRAPH,
    TOKENS,
)
from textmill.steps.parts import SavedLabels, Split
from textmill.steps.step import code_of


def test_an_audit_adds_canaries_to_the_tokens_and_a_step_to_the_language_model() -> None:
    config = make(audit={"enabled": True, "digits": 4})
    stages = GRAPH.stages(GRAPH.parts(config))
    assert labels(stages.trunk) == ["clean", "tokenizer", "canaries", "tokens", "pretrain"]
    assert labels(stages.branches["lm"]) == ["evaluate-lm", "audit"]
    assert GRAPH.inputs(GRAPH.part(TOKENS), config)["canaries"] == "canaries"
    assert GRAPH.inputs(GRAPH.part(AUDIT), config) == {
        "backbone": "pretrain",
        "tokens": "tokens",
        "canaries": "canaries",
    }
    # What is measured changes no training text, and so no backbone.
    other = make(audit={"enabled": True, "digits": 4, "alternatives": 500, "excerpts": 9})
    planted, measured = (GRAPH.part(step) for step in (CANARIES, AUDIT))
    assert planted.configure(config) == planted.configure(other)
    assert measured.configure(config) != measured.configure(other)


def test_without_an_audit_its_settings_change_no_part() -> None:
    plain, other = make(), make(audit={"digits": 4, "seed": 7})
    assert labels(GRAPH.parts(plain)) == labels(GRAPH.parts(other))
    for part in GRAPH.parts(plain):
        assert part.configure(plain) == part.configure(other)
        assert GRAPH.inputs(part, plain) == GRAPH.inputs(part, other)
    assert GRAPH.inputs(GRAPH.part(TOKENS), plain) == {"corpus": "clean", "tokenizer": "tokenizer"}
    assert key_values(GRAPH.part(TOKENS).configure(plain)) == {}


def with_curve(config: Config, **changes: Any) -> Config:
    """The configuration with other settings of the curves."""
    tasks = tuple(
        task.model_copy(update={"curve": task.curve.model_copy(update=changes)})
        for task in config.tasks
    )
    return config.model_copy(update={"tasks": tasks})


def test_a_curve_is_computed_last_where_it_is_enabled() -> None:
    config = make()
    mood, topic = with_curve(config, enabled=True).tasks[0], config.tasks[1]
    config = config.model_copy(update={"tasks": (mood, topic)})
    parts = GRAPH.parts(config)
    assert labels(parts)[-7:] == [
        *(f"{step} mood" for step in (*OWN, "curve")),
        *(f"{step} topic" for step in OWN),
    ]
    needed = labels(GRAPH.up_to(config, "curve mood"))
    assert needed == [*CHAIN, "baseline mood", "curve mood"]
    branches = GRAPH.stages(parts).branches
    assert labels(branches["mood"]) == ["finetune mood", "evaluate mood", "curve mood"]


def test_the_settings_of_a_curve_are_in_its_key_alone() -> None:
    config = make()
    changed = with_curve(config, seeds=5)
    for part in GRAPH.parts(config):
        assert key_values(part.configure(config)) == key_values(part.configure(changed))
    curve = GRAPH.part(CURVE, "mood")
    assert key_values(curve.configure(config)) != key_values(curve.configure(changed))
    enabled = with_curve(config, enabled=True)
    assert key_values(curve.configure(config)) == key_values(curve.configure(enabled))
    finetune = config.tasks[0].finetune.model_copy(update={"candidates": ("network",)})
    tasks = (config.tasks[0].model_copy(update={"finetune": finetune}),)
    other = config.model_copy(update={"tasks": tasks})
    assert key_values(curve.configure(config)) == key_values(curve.configure(other))


def with_folds(config: Config, folds: int | None = 5) -> Config:
    """The configuration with a cross-validation of the first task."""
    mood, topic = config.tasks
    finetune = mood.finetune.model_copy(update={"folds": folds})
    mood = mood.model_copy(update={"finetune": finetune})
    return config.model_copy(update={"tasks": (mood, topic)})


def test_a_cross_validation_is_computed_after_the_model_where_it_is_set() -> None:
    config = with_folds(make())
    parts = GRAPH.parts(config)
    branches = GRAPH.stages(parts).branches
    assert labels(branches["mood"]) == ["finetune mood", "evaluate mood", "folds mood"]
    assert labels(branches["topic"]) == ["finetune topic", "evaluate topic"]
    needed = labels(GRAPH.up_to(config, "folds mood"))
    assert needed == [*CHAIN, "baseline mood", "folds mood"]


def test_a_cross_validation_changes_no_other_key_of_its_task() -> None:
    config = make()
    changed = with_folds(config)
    for part in GRAPH.parts(config):
        assert key_values(part.configure(config)) == key_values(part.configure(changed))
    folds = GRAPH.part(FOLDS, "mood")
    three = with_folds(config, 3)
    assert key_values(folds.configure(three)) != key_values(folds.configure(changed))


def test_a_cross_validation_depends_on_fine_tuning_and_not_on_evaluation() -> None:
    config = with_folds(make())
    folds = GRAPH.part(FOLDS, "mood")
    mood, topic = config.tasks

    def changed(update: dict[str, Any]) -> dict[str, Any]:
        tasks = (mood.model_copy(update=update), topic)
        return key_values(folds.configure(config.model_copy(update={"tasks": tasks})))

    seeds = mood.finetune.model_copy(update={"seeds": 3})
    assert changed({"slices": ("source",)}) == key_values(folds.configure(config))
    assert changed({"finetune": seeds}) != key_values(folds.configure(config))
    assert [one.name for one in folds.reads(config) if isinstance(one, Split)] == ["train"]


def with_behaviour(**further: Any) -> Config:
    return make(tasks=[TASK | {"behaviour": "tests.yaml"} | further])


def test_behaviour_tests_are_filled_in_before_training_and_run_after_evaluation() -> None:
    config = with_behaviour()
    stages = GRAPH.stages(GRAPH.parts(config))
    assert labels(stages.checks) == ["baseline mood", "cases mood"]
    assert labels(stages.branches["mood"]) == ["finetune mood", "evaluate mood", "behaviour mood"]
    inputs = GRAPH.inputs(GRAPH.part(BEHAVIOUR, "mood"), config)
    assert inputs == {"model": "finetune mood", "cases": "cases mood"}
    parts, only_reused = GRAPH.starting_at(config, "evaluate")
    computed = [name for name in labels(parts) if name not in only_reused]
    assert computed == ["cases mood", "evaluate mood", "behaviour mood"]


def test_behaviour_tests_change_no_key_but_their_own() -> None:
    without, own = make(tasks=[TASK]), with_behaviour()
    for step in (BASELINE, FINETUNE, EVALUATE):
        part = GRAPH.part(step, "mood")
        assert key_values(part.configure(without)) == key_values(part.configure(own))
        names = code_of(step, key_values(part.configure(own))).modules
        assert not [name for name in names if name.endswith("behaviour")]
    fast = with_behaviour(finetune={"epochs": 9}, metrics=["x"], slices=["y"])
    for step in (CASES, BEHAVIOUR):
        part = GRAPH.part(step, "mood")
        assert key_values(part.configure(fast)) == key_values(part.configure(own))


def test_labels_saved_by_hand_are_read_by_the_steps_of_their_task_alone() -> None:
    config = make(budget_minutes=10)
    mood = config.tasks[0].model_copy(update={"labelling": LabellingConfig(source="new.jsonl")})
    labelled = config.model_copy(update={"tasks": (mood, config.tasks[1])})
    parts = GRAPH.parts(config)
    assert parts == GRAPH.parts(labelled)
    for part in parts:
        assert key_values(part.configure(config)) == key_values(part.configure(labelled))
    reads = {part.label for part in parts if SavedLabels(mood) in part.reads(labelled)}
    assert reads == {"baseline mood", "finetune mood"}
    for step in (CASES, FOLDS, CURVE):
        assert SavedLabels(mood) in GRAPH.part(step, "mood").reads(labelled)
