"""Specifies how chosen sizes enter the configuration of later steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.steps.test_graph import labels, make
from textmill.config import FinetuneConfig, Sizes, open_sizes
from textmill.errors import InputError, RunError
from textmill.steps.chosen import FILE, read_sizes, with_sizes
from textmill.steps.graph import (
    BUDGET,
    FINETUNE,
    GRAPH,
    MEASURE,
    PRETRAIN,
    TOKENIZER,
    TOKENS,
    awaits_sizes,
)

SIZES = Sizes(
    tokenizer={"vocab_size": 1024},
    model={"n_layer": 3, "n_head": 3, "n_embd": 192, "block_size": 128},
    pretrain={"max_steps": 70, "warmup_steps": 7},
    tasks={"mood": {"max_steps": 40}, "topic": {"max_steps": 50}},
)
NONE = {
    "budget_minutes": 5,
    "tokenizer": {"vocab_size": None},
    "model": dict.fromkeys(("n_layer", "n_head", "n_embd", "block_size")),
    "pretrain": {"max_steps": None, "warmup_steps": None},
}


def test_all_open_sizes_are_set() -> None:
    config = make(**NONE)
    assert len(open_sizes(config)) == 9
    found = with_sizes(config, SIZES)
    assert open_sizes(found) == []
    assert (found.model.n_embd, found.tokenizer.vocab_size) == (192, 1024)
    assert [task.finetune.max_steps for task in found.tasks] == [40, 50]


def test_sizes_that_are_set_win() -> None:
    found = with_sizes(make(**NONE | {"model": {**NONE["model"], "n_embd": 384}}), SIZES)  # type: ignore[dict-item]
    assert (found.model.n_embd, found.model.n_layer) == (384, 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pretrain": {"overlap": 128}}, r"pretrain\.overlap=128 leaves no target in a block"),
        (
            {"pretrain": {"warmup_steps": 500}},
            "pretrain: warmup_steps=500 is not below max_steps=70",
        ),
        (
            {"audit": {"enabled": True, "prompt_tokens": 100, "continuation_tokens": 100}},
            "do not fit into model.block_size=128",
        ),
        ({"model": {"n_embd": 256}}, "model: n_embd=256 is not a multiple of n_head=3"),
    ],
)
def test_settings_that_do_not_fit_chosen_sizes_are_one_message(
    change: dict[str, Any], message: str
) -> None:
    sections: dict[str, Any] = {**NONE}
    for name, section in change.items():
        sections[name] = {**sections.get(name, {}), **section}
    config = make(**sections)
    with pytest.raises(InputError, match=f"chosen for budget_minutes is invalid:\n  .*{message}"):
        with_sizes(config, SIZES)


def test_defaults_stay_defaults_beside_chosen_sizes() -> None:
    """What is searched later may change what they depend on."""
    config = make(**NONE)
    for before, after in zip(config.tasks, with_sizes(config, SIZES).tasks, strict=True):
        added = after.finetune.model_fields_set - before.finetune.model_fields_set
        assert added == {"max_steps"}


def test_the_steps_that_choose_exist_only_if_something_is_open() -> None:
    assert {"measure", "budget"} <= {*labels(GRAPH.parts(make(**NONE)))}
    chosen = with_sizes(make(**NONE), SIZES)
    for config in (chosen, make()):
        assert not {"measure", "budget"} & {*labels(GRAPH.parts(config))}


def test_steps_with_sizes_await_them() -> None:
    config = make(**NONE)
    waiting = [p.label for p in GRAPH.parts(config) if awaits_sizes(p, config)]
    assert waiting == ["tokenizer", "pretrain", "finetune mood", "finetune topic"]
    assert not any(awaits_sizes(part, make()) for part in GRAPH.parts(make()))
    needed = labels(GRAPH.up_to(config, TOKENS.label()))
    assert needed == ["clean", "measure", "budget", "tokenizer", "tokens"]


def test_steps_have_the_same_configuration_as_with_explicit_sizes() -> None:
    """So they have the same keys, and share results."""
    explicit = make(
        tokenizer=SIZES.tokenizer, model=SIZES.model, pretrain=SIZES.pretrain, budget_minutes=None
    )
    chosen = with_sizes(make(**NONE), SIZES)
    for step in (TOKENIZER, PRETRAIN):
        part = GRAPH.part(step)
        assert part.configure(chosen) == part.configure(explicit)
    assert GRAPH.part(FINETUNE, "mood").configure(chosen).finetune.max_steps == 40  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "change",
    [
        {"pretrain": {"learning_rate": 0.5, "seed": 3}},
        {"finetune": {"learning_rate": 0.5}},
        {"promotion": {"enabled": False}},
    ],
)
def test_settings_without_effect_on_time_do_not_change_the_choice(change: dict) -> None:  # type: ignore[type-arg]
    before, after = make(**NONE), make(**NONE | change)
    if "pretrain" in change:
        after = make(**NONE | {"pretrain": NONE["pretrain"] | change["pretrain"]})  # type: ignore[operator]
    for step in (MEASURE, BUDGET):
        part = GRAPH.part(step)
        assert part.configure(before) == part.configure(after)


def test_settings_that_affect_time_do() -> None:
    part, before = GRAPH.part(BUDGET), make(**NONE)
    for change in ({"budget_minutes": 6}, {"budget_gib": 4}, {"tasks": ()}):
        assert part.configure(before) != part.configure(make(**NONE | change))
    tasks = [t.model_copy(update={"finetune": FinetuneConfig(seeds=2)}) for t in before.tasks]
    assert part.configure(before) != part.configure(before.model_copy(update={"tasks": (*tasks,)}))
    part = GRAPH.part(MEASURE)
    assert part.configure(before) == part.configure(make(**NONE | {"budget_minutes": 6}))


def test_a_damaged_file_of_sizes_is_one_message(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("{")
    with pytest.raises(RunError, match=FILE):
        read_sizes(tmp_path / FILE)
