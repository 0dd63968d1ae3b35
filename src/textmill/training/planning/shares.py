"""The time of the tasks: of each fine-tuning, and its share of the budget."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean

from textmill.config import BudgetStepConfig
from textmill.errors import InputError
from textmill.training.planning.backbones import (
    LOOP_FACTOR,
    MIN_STEPS,
    PRETRAINING_SHARE,
    ROUNDING,
    Candidate,
    TaskTexts,
    Text,
    rounded,
)
from textmill.training.planning.cost import FORWARD_SHARE, Cost

TASK_START_S = 12.0
"""Seconds to start and end the steps of a task."""
TUNED_FACTOR = 1.1
"""Time of a token in fine-tuning beside pretraining: shorter texts, padding, dropout."""
METHOD_FACTORS = {"full": 1.0, "lora": 0.85, "head": FORWARD_SHARE}
"""Time of a training step of each method beside that of full fine-tuning: low-rank updates need no
gradients of the matrices, but kernels of their own; a head needs no backward pass below it."""
GENERATED_FACTOR = 4.0
"""Time of a generated token beside that of a token in a forward pass."""
TEST_SHARE = 0.2
"""Assumed number of test examples, as a share of the training examples: the test set is not read,
because a change to it must not change a model."""
ENOUGH_SHARE = 0.25
"""Share of a task's epochs that it must have, or else a smaller model is chosen."""
BISECTIONS = 40


@dataclass(frozen=True)
class Tuning:
    """The fine-tuning of a task, and its evaluation."""

    texts: TaskTexts
    steps_per_epoch: float
    step_s: float
    """On its share of the machine, with its share of the validation, for all networks."""
    fixed_s: float
    """Of start, evaluation and end."""
    most_steps: int
    """Those of all epochs, or those that are set."""

    @property
    def name(self) -> str:
        """The name of the task."""
        return self.texts.config.name

    @property
    def is_set(self) -> bool:
        """Whether the number of steps or epochs is set."""
        settings = self.texts.config.finetune
        return settings.max_steps is not None or settings.epochs is not None

    def seconds(self, steps: int) -> float:
        """Return the duration of its branch."""
        return self.fixed_s + steps * self.step_s

    def steps(self, seconds: float) -> int:
        """Return the number of steps that fit into a time."""
        if self.is_set:
            return self.most_steps
        return max(0, min(self.most_steps, int((seconds - self.fixed_s) / self.step_s)))


def plan_tuning(
    config: BudgetStepConfig, chosen: Candidate, texts: TaskTexts, cost: Cost
) -> Tuning:
    """Return the fine-tuning of a task, whose branch has its share of the machine."""
    task, settings, model = texts.config, texts.config.finetune, chosen.model
    # The output layer is computed for texts that are generated.
    generates = settings.attention == "causal"
    lengths = [2 + n for n in texts.lengths[chosen.vocab_size]]
    trained = mean(min(n, texts.max_windows * model.block_size) for n in lengths)
    read = trained if texts.max_windows == 1 else mean(lengths)

    def tokens_s(n: float) -> float:
        n_targets = n / 2 if generates else 0.0
        width = round(min(trained, model.block_size))
        seconds = cost.tokens_s(model.n_layer, model.n_embd, chosen.vocab_size, width, n, n_targets)
        return config.side_by_side * TUNED_FACTOR * seconds

    n_validation = texts.n_examples * task.validation_share
    steps_per_epoch = math.ceil(texts.n_examples / settings.micro_batch_size) / settings.accumulate
    rows = min(texts.n_examples, settings.micro_batch_size)
    step_s = settings.accumulate * METHOD_FACTORS[settings.method] * tokens_s(rows * trained)
    if settings.method == "full":  # others update a few weights
        step_s += cost.optimizer_s(chosen.parameters, model.n_embd)
    validation_s = FORWARD_SHARE * tokens_s(n_validation * read)
    # The best of the candidates is chosen by their answers to the validation examples.
    tested = (TEST_SHARE + task.validation_share) * texts.n_examples * read
    # Generated answers have no average: of several networks, the best one is used.
    forwards = GENERATED_FACTOR if generates else settings.seeds
    evaluation_s = FORWARD_SHARE * tokens_s(tested) * forwards
    folds_s = 0.0
    if settings.folds is not None:  # all examples are predicted once, and validation every time
        predicted = (1 + settings.folds * task.validation_share) * texts.n_examples * read
        folds_s = FORWARD_SHARE * tokens_s(predicted) * forwards
    return Tuning(
        texts=texts,
        steps_per_epoch=steps_per_epoch,
        # At most: a fold's network may have fewer steps, as it has fewer examples.
        step_s=settings.n_trainings * (LOOP_FACTOR * step_s + validation_s / steps_per_epoch),
        fixed_s=TASK_START_S + evaluation_s + folds_s,
        most_steps=min(
            settings.max_steps or sys.maxsize, math.ceil(texts.epochs * steps_per_epoch)
        ),
    )


def evaluation_s(chosen: Candidate, text: Text, cost: Cost) -> float:
    """Return the seconds of the language model's evaluation."""
    n_tokens = text.validation_bytes / chosen.bytes_per_token
    model = chosen.model
    return TASK_START_S + FORWARD_SHARE * cost.tokens_s(
        model.n_layer, model.n_embd, chosen.vocab_size, model.block_size, n_tokens, n_tokens
    )


@dataclass(frozen=True)
class Shares:
    """The time of the tasks, divided among them."""

    tunings: tuple[Tuning, ...]
    steps: dict[str, int]
    """By the name of a task."""
    language_s: float
    """Of the language model's evaluation, beside the tasks."""
    available_s: float
    taken_s: float

    @property
    def are_enough(self) -> bool:
        """Whether every task has enough of its epochs."""
        return all(
            self.steps[tuning.name] >= ENOUGH_SHARE * tuning.most_steps for tuning in self.tunings
        )


def divide(
    config: BudgetStepConfig,
    chosen: Candidate,
    text: Text,
    tasks: Sequence[TaskTexts],
    cost: Cost,
) -> Shares:
    """Return the steps of each task: times in proportion to the square roots of those they need.

    What one does not need is for the others. If the loss of each falls inversely with its time, as
    a share of what it needs, no other division has a lower mean.
    """
    tunings = tuple(plan_tuning(config, chosen, task, cost) for task in tasks)
    language_s = evaluation_s(chosen, text, cost)
    available_s = 60 * config.budget_minutes - chosen.seconds

    def end_s(steps: Mapping[str, int]) -> float:
        branches = [tuning.seconds(steps[tuning.name]) for tuning in tunings]
        return makespan([*branches, language_s], config.side_by_side)

    roots = {tuning.name: math.sqrt(tuning.seconds(tuning.most_steps)) for tuning in tunings}

    def steps_at(factor: float) -> dict[str, int]:
        return {tuning.name: tuning.steps(factor * roots[tuning.name]) for tuning in tunings}

    low, high = 0.0, max(roots.values(), default=0.0)
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if end_s(steps_at(middle)) <= available_s else (low, middle)
    steps = steps_at(high if end_s(steps_at(high)) <= available_s else low)
    for tuning in tunings:
        if min(MIN_STEPS, tuning.most_steps) <= steps[tuning.name] < tuning.most_steps:
            steps[tuning.name] = rounded(steps[tuning.name])
    return Shares(tunings, steps, language_s, available_s, end_s(steps))


def check_shares(config: BudgetStepConfig, shares: Shares) -> None:
    """Check that the time suffices for some steps of each task.

    Raises:
        InputError: it is too short.
    """
    for tuning in shares.tunings:
        if shares.steps[tuning.name] < min(MIN_STEPS, tuning.most_steps):
            shortest = [t.seconds(min(MIN_STEPS, t.most_steps)) for t in shares.tunings]
            needed_s = makespan([*shortest, shares.language_s], config.side_by_side)
            needed = math.ceil(needed_s / (1 - ROUNDING * PRETRAINING_SHARE) / 6) / 10
            raise InputError(
                f"budget_minutes={config.budget_minutes:g}: {tuning.name} gets "
                f"{minutes(shares.available_s)} with the other tasks, in which it cannot be "
                f"fine-tuned: raise it to at least {needed:g}, or set it to null and the sizes "
                "explicitly."
            )


def makespan(seconds: Iterable[float], n_slots: int) -> float:
    """Return the time of branches that run in parallel, the longest first."""
    ends = [0.0] * n_slots
    for length in sorted(seconds, reverse=True):
        ends[ends.index(min(ends))] += length
    return max(ends)


def reason(tuning: Tuning, steps: int) -> str:
    """Return a sentence about the steps of a task."""
    epochs = steps / tuning.steps_per_epoch
    limit = "its time allows no more"
    if steps == tuning.most_steps:
        limit = "as set" if tuning.is_set else f"all of its {tuning.texts.epochs} epochs"
    return (
        f"{tuning.name}: at most {steps:,} steps, {epochs:.1f} passes over "
        f"{tuning.texts.n_examples:,} examples ({limit}), {minutes(tuning.seconds(steps))}."
    )


def minutes(seconds: float) -> str:
    """Return a time in words."""
    return f"{seconds / 60:.1f} minutes"
