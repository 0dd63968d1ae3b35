"""Specifies the sizes for a budget: what they follow from, and that they keep within it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from pydantic import TypeAdapter

from tests.training.planning.test_cost import points
from textmill.config import (
    AnyTask,
    BudgetStepConfig,
    OpenModelConfig,
    OpenPretrainConfig,
    OpenTokenizerConfig,
    Sizes,
)
from textmill.errors import InputError
from textmill.training.planning.backbones import (
    MAX_EPOCHS,
    MAX_PARAMETERS_PER_TOKEN,
    TaskTexts,
    Text,
)
from textmill.training.planning.cost import Cost
from textmill.training.planning.sizes import choose

COST = Cost(points(128, 256, 512))
TEXT = Text(20_000_000, 1_000_000, {1024: 2.6, 2048: 3.0, 4096: 3.5, 8192: 4.0})
OPEN = dict.fromkeys(("n_layer", "n_head", "n_embd", "block_size", "dropout"))


def task(
    name: str,
    n_examples: int = 3000,
    length: int = 28,
    most_epochs: int = 10,
    max_windows: float = 4,
    **finetune: Any,
) -> TaskTexts:
    values = {"name": name, "kind": "classification", "train": "a", "test": "b"}
    config = TypeAdapter(AnyTask).validate_python(values | {"finetune": finetune})
    lengths = dict.fromkeys((512, 1024, 2048, 4096, 8192), [length] * 10)
    epochs = finetune.get("epochs", most_epochs)
    return TaskTexts(config, n_examples, epochs, lengths, max_windows)


def chosen(
    minutes: float = 30,
    tasks: tuple[TaskTexts, ...] = (),
    text: Text = TEXT,
    gib: float | None = None,
    model: dict[str, Any] | None = None,
    cost: Cost = COST,
    **pretrain: Any,
) -> tuple[Sizes, dict[str, float]]:
    steps: dict[str, Any] = {"max_steps": None, "warmup_steps": None}
    config = BudgetStepConfig(
        budget_minutes=minutes,
        budget_gib=gib,
        side_by_side=2,
        tokenizer=OpenTokenizerConfig(vocab_size=None),
        model=OpenModelConfig(**(OPEN | (model or {}))),
        pretrain=OpenPretrainConfig(**(steps | pretrain)),
        tasks=tuple(texts.config for texts in tasks),
    )
    return choose(config, text, tasks, cost)


def tokens_of(sizes: Sizes) -> int:
    return sizes.pretrain["max_steps"] * 32 * sizes.model["block_size"]


@pytest.mark.parametrize("minutes", [3, 30, 300])
def test_half_of_the_time_is_for_pretraining_and_the_rest_for_the_tasks(minutes: float) -> None:
    tasks = tuple(task(name, 30_000, most_epochs=9999) for name in ("a", "b", "c", "d"))
    sizes, expected = chosen(minutes, tasks)
    assert expected["expected_minutes/pretrain"] == pytest.approx(minutes / 2, rel=0.06)
    assert expected["expected_minutes"] <= 1.03 * minutes
    assert expected["expected_minutes"] == pytest.approx(minutes, rel=0.15)
    assert {*sizes.tasks} == {"a", "b", "c", "d"}


def test_a_task_that_needs_four_times_as_long_gets_twice_as_long() -> None:
    tasks = (task("small", 40_000), task("large", 160_000))
    sizes, _ = chosen(30, tasks)
    steps = {name: values["max_steps"] for name, values in sizes.tasks.items()}
    assert steps["small"] < 10 * 40_000 / 32
    assert steps["large"] / steps["small"] == pytest.approx(2, rel=0.1)
    seconds = sizes.task_seconds
    assert seconds["large"] / seconds["small"] == pytest.approx(2, rel=0.1)
    assert max(seconds.values()) < 15 * 60 < sum(seconds.values())  # two run in parallel


def test_a_task_has_all_of_its_epochs_if_there_is_time() -> None:
    sizes, _ = chosen(300, (task("a", 3000), task("b", 6000)))
    assert {name: values["max_steps"] for name, values in sizes.tasks.items()} == {
        "a": 940,
        "b": 1880,
    }


def test_more_seeds_of_a_task_leave_fewer_steps_for_each() -> None:
    steps, ends = [], []
    for seeds in (1, 3):
        tuned = task("a", 30_000, most_epochs=9999, seeds=seeds)
        sizes, expected = chosen(30, (tuned,))
        steps.append(sizes.tasks["a"]["max_steps"])
        ends.append(expected["expected_minutes"])
    assert steps[1] == pytest.approx(steps[0] / 3, rel=0.1)
    assert ends[1] == pytest.approx(ends[0], rel=0.05)


def test_the_folds_of_a_cross_validation_leave_fewer_steps_for_each_training() -> None:
    steps, ends = [], []
    for folds in (None, 4):
        tuned = task("a", 30_000, most_epochs=9999, folds=folds)
        sizes, expected = chosen(30, (tuned,))
        steps.append(sizes.tasks["a"]["max_steps"])
        ends.append(expected["expected_minutes"])
    assert steps[1] == pytest.approx(steps[0] / 5, rel=0.15)
    assert ends[1] == pytest.approx(ends[0], rel=0.05)


def test_a_method_that_trains_fewer_weights_has_more_steps_in_its_time() -> None:
    set_sizes = {"n_layer": 5, "n_embd": 256, "n_head": 4, "block_size": 64}
    steps = {}
    for method in ("full", "lora", "head"):
        tuned = task("a", 30_000, most_epochs=9999, method=method, learning_rate=0.001)
        sizes, _ = chosen(30, (tuned,), model=set_sizes)
        steps[method] = sizes.tasks["a"]["max_steps"]
    # A third is the forward pass; each epoch's validation, which all methods have, is one as well.
    assert 1.1 < steps["lora"] / steps["full"] < 1.3
    assert 2.5 < steps["head"] / steps["full"] < 3.5


def test_more_time_gives_a_larger_model_and_more_tokens() -> None:
    found = [chosen(minutes)[0] for minutes in (30, 300, 3000)]
    widths = [sizes.model["n_embd"] for sizes in found]
    assert widths == sorted(set(widths))
    assert [tokens_of(sizes) for sizes in found] == sorted(map(tokens_of, found))


def test_long_texts_cost_their_windows() -> None:
    def minutes(length: int, max_windows: float) -> float:
        tuned = task("a", length=length, max_windows=max_windows, epochs=1)
        return chosen(30, (tuned,))[1]["expected_minutes/tasks"]

    # Training reads at most as many windows; prediction reads all, unless texts are truncated.
    assert minutes(256, 1) == minutes(2560, 1)
    assert minutes(2560, 1) < minutes(2560, 4) < minutes(5120, 4) < minutes(5120, math.inf)


def test_heads_have_64_channels_and_a_tenth_of_the_steps_is_warm_up() -> None:
    sizes, _ = chosen()
    assert sizes.model["n_embd"] == 64 * sizes.model["n_head"]
    assert sizes.pretrain["warmup_steps"] == sizes.pretrain["max_steps"] // 10


@pytest.mark.parametrize("max_steps", [1, 2, 9])
def test_the_warm_up_is_shorter_than_the_training(max_steps: int) -> None:
    sizes, _ = chosen(max_steps=max_steps)
    assert sizes.pretrain["warmup_steps"] == min(1, max_steps - 1)


def test_little_text_is_not_repeated_for_ever_and_gets_no_large_model() -> None:
    little = Text(200_000, 10_000, {512: 2.2})
    sizes, expected = chosen(10_000, text=little)
    assert expected["expected_epochs"] <= MAX_EPOCHS
    assert expected["expected_minutes/pretrain"] < 60
    assert sizes.tokenizer["vocab_size"] == 512
    assert sizes.model["n_embd"] <= 256
    assert "more text would help" in " ".join(sizes.reasons)


def test_text_that_is_repeated_often_needs_dropout() -> None:
    fresh, once = chosen(1, text=replace(TEXT, n_bytes=10**9))
    repeated, often = chosen(text=replace(TEXT, n_bytes=10**6))
    assert (fresh.model["dropout"], repeated.model["dropout"]) == (0.0, 0.1)
    assert once["expected_epochs"] < 1 < 4 < often["expected_epochs"]
    assert (
        chosen(text=replace(TEXT, n_bytes=10**6), model={"dropout": 0.0})[0].model["dropout"] == 0
    )


def test_a_model_is_no_larger_than_the_text_supports() -> None:
    little = replace(TEXT, n_bytes=10**6)
    sizes, expected = chosen(10_000, text=little)
    tokens = little.n_bytes / little.bytes_per_token[sizes.tokenizer["vocab_size"]]
    assert tokens < expected["parameters"] <= MAX_PARAMETERS_PER_TOKEN * tokens


def test_a_model_leaves_time_for_the_tasks() -> None:
    alone, _ = chosen()
    beside, _ = chosen(tasks=(task("a", 30_000, 400), task("b", 30_000, 400)))
    assert beside.model["n_embd"] < alone.model["n_embd"]
    assert "the tasks would have too few steps" in " ".join(beside.reasons)


def test_the_output_layer_is_no_larger_than_the_layers() -> None:
    small, _ = chosen(model={"n_layer": 2, "n_embd": 128})
    large, _ = chosen(model={"n_layer": 4, "n_embd": 256})
    assert (small.tokenizer["vocab_size"], large.tokenizer["vocab_size"]) == (2048, 8192)


def test_long_texts_of_a_task_lengthen_the_context() -> None:
    assert chosen(tasks=(task("a"),))[0].model["block_size"] == 128
    assert chosen(tasks=(task("a"), task("b", length=250)))[0].model["block_size"] == 256


def test_sizes_that_are_set_are_kept_and_the_others_follow() -> None:
    sizes, _ = chosen(model={"n_layer": 5, "n_head": 4, "block_size": 64}, max_steps=150)
    assert (sizes.model["n_layer"], sizes.model["n_head"], sizes.model["block_size"]) == (5, 4, 64)
    assert sizes.pretrain["max_steps"] == 150
    assert sizes.model["n_embd"] % 4 == 0
    more, _ = chosen(model={"n_layer": 5, "n_head": 4, "block_size": 64}, max_steps=3000)
    assert more.model["n_embd"] < sizes.model["n_embd"]


def test_without_pretraining_its_time_is_for_the_tasks() -> None:
    set_sizes = {"n_layer": 5, "n_embd": 256, "n_head": 4, "block_size": 64}
    many = task("a", n_examples=100_000, most_epochs=100)
    trained, _ = chosen(tasks=(many,), model=set_sizes)
    kept, metrics = chosen(tasks=(many,), model=set_sizes, max_steps=0)
    assert kept.pretrain["max_steps"] == 0
    assert "Pretraining: none, as set." in kept.reasons
    assert metrics["expected_epochs"] == 0
    assert kept.tasks["a"]["max_steps"] > 1.5 * trained.tasks["a"]["max_steps"]


def test_time_that_a_task_does_not_need_goes_to_the_others() -> None:
    large, small = task("large", 1_000_000), task("small", 64)
    alone, _ = chosen(tasks=(large, task("also", 1_000_000), task("again", 1_000_000)))
    beside, _ = chosen(tasks=(large, small, task("little", 64)))
    assert beside.tasks["small"]["max_steps"] == 20  # two batches in each of ten epochs
    assert beside.tasks["large"]["max_steps"] > 1.5 * alone.tasks["large"]["max_steps"]


def test_the_steps_or_epochs_of_a_task_that_are_set_are_kept() -> None:
    sizes, _ = chosen(tasks=(task("a", max_steps=33), task("b", epochs=2), task("c")))
    assert {*sizes.tasks} == {"c"}
    assert "a: at most 33 steps" in " ".join(sizes.reasons)
    assert "b: at most 188 steps" in " ".join(sizes.reasons)  # twice 94 batches


def test_memory_keeps_within_its_budget() -> None:
    free, much = chosen(3000)
    bound, little = chosen(3000, gib=0.8 * much["expected_gib"])
    assert little["expected_gib"] <= 0.8 * much["expected_gib"]
    assert bound.model["n_embd"] < free.model["n_embd"]


def test_a_slightly_faster_machine_chooses_nearly_the_same() -> None:
    """A choice that jumped would be retrained from scratch for nothing."""
    before, _ = chosen()
    after, _ = chosen(minutes=30.05)
    assert before.model == after.model
    assert before.pretrain["max_steps"] == pytest.approx(after.pretrain["max_steps"], rel=0.05)


def test_the_reasons_name_what_was_chosen() -> None:
    sizes, _ = chosen(tasks=(task("mood"),))
    text = "\n".join(sizes.reasons)
    assert f"{sizes.model['n_layer']} layers of {sizes.model['n_embd']} channels" in text
    assert f"mood: at most {sizes.tasks['mood']['max_steps']:,} steps" in text
    assert "budget_minutes=30" in text


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"minutes": 0.1}, r"budget_minutes=0.1: the smallest model takes .* at least 0\.\d"),
        ({"gib": 0.2}, r"budget_gib=0.2: training the smallest model takes 0\.\d GiB"),
        ({"minutes": 0.6, "tasks": (task("a"),)}, "budget_minutes=0.6: a gets .* at least"),
        ({"model": {"n_head": 7}}, "model.n_head=7 fits none of the widths 128"),
    ],
)
def test_a_budget_that_is_too_small_is_one_message(choices: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        chosen(**choices)


def test_the_smallest_budget_that_a_message_names_suffices() -> None:
    tasks = tuple(task(name) for name in ("a", "b", "c"))
    with pytest.raises(InputError) as error:
        chosen(0.7, tasks)
    named = float(str(error.value).partition("at least ")[2].split(",")[0])
    chosen(named, tasks)
