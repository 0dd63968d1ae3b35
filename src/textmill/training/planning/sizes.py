"""The rules by which sizes are chosen for a budget of time and memory.

1. Half of the time is for pretraining, the other half for the tasks.
2. Widths and depths are those of a ladder with 64 channels per layer (nanochat's one dial,
   Karpathy 2025) and heads of 64 channels; the tokens are those that the time allows at the
   measured speed, at most MAX_EPOCHS epochs.
3. Of the ladder, the model with the lowest predicted loss (Hoffmann et al. 2022) is chosen, in
   which repeated text, and parameters that the text does not support, count less (Muennighoff et
   al. 2023).
4. The vocabulary is the largest of which 95 % of the entries occur at least 100 times in the text
   (Gowda & May 2020), and whose output layer is no larger than the layers: optimal vocabularies
   grow with the model, more slowly than it (Tao et al. 2024).
5. The context is 256 tokens if more than a twentieth of the texts of a task exceed 128.
6. The time of the tasks is divided equally, and what one does not need goes to the others.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from textmill.config import (
    BudgetStepConfig,
    ModelConfig,
    Sizes,
    TaskConfig,
)
from textmill.errors import InputError
from textmill.training.planning.cost import (
    FORWARD_SHARE,
    Cost,
    memory_bytes,
    n_parameters,
)
from textmill.training.planning.law import repeated_loss

PRETRAINING_SHARE = 0.5
LADDER = ((2, 128), (3, 192), (4, 256), (6, 384), (8, 512), (10, 640), (12, 768))
"""Layers and channels of the models."""
HEAD_SIZE = 64
CONTEXTS = (128, 256)
MAX_LONG_SHARE = 0.05
"""Maximum share of a task's texts that exceed the context before a longer one is chosen."""
MAX_EPOCHS = 40
"""Maximum passes over the text; more gain nothing (Muennighoff et al. 2023, section 5)."""
MIN_STEPS = 20
"""Minimum steps of pretraining, and of a task."""
WARMUP_SHARE = 0.1
N_DIGITS = 2
"""Digits of numbers of steps: small differences of speed or text change nothing."""
ROUNDING = 1.05
"""Maximum factor by which a rounded number exceeds the original."""
BISECTIONS = 40
MODEL_SIZES = ("n_layer", "n_head", "n_embd", "block_size")
LAW_BYTES_PER_TOKEN = 4.2
"""Of the text and vocabulary that Hoffmann et al. fitted their law to."""

LOOP_FACTOR = 1.07
"""Time of a training step beside that of the measured computation: batches, logging."""
PRETRAIN_START_S = 8.0
"""Seconds to start and end pretraining: its process, its data, its result."""
TASK_START_S = 12.0
"""Seconds to start and end the steps of a task."""
TUNED_FACTOR = 1.2
"""Time of a token in fine-tuning beside pretraining, for dropout and padding."""
GENERATED_FACTOR = 4.0
"""Time of a generated token beside that of a token in a forward pass."""
TEST_SHARE = 0.2
"""Assumed number of test examples, as a share of the training examples: the test set is not read,
because a change to it must not change a model."""


@dataclass(frozen=True)
class Text:
    """The text of the corpus."""

    n_bytes: int
    """Of the training split."""
    validation_bytes: int
    bytes_per_token: Mapping[int, float]
    """By size of the vocabulary: those whose entries occur often enough, or the only one."""


@dataclass(frozen=True)
class TaskTexts:
    """The training texts of a task."""

    config: TaskConfig
    n_examples: int
    """Without those split off for validation."""
    epochs: int
    """Maximum passes over them."""
    lengths: Sequence[int]
    """Bytes of the texts of some examples."""


@dataclass(frozen=True)
class Candidate:
    """A model with the pretraining that the budget allows."""

    model: ModelConfig
    """Its vocab_size is that of the tokenizer."""
    bytes_per_token: float
    steps: int
    step_s: float
    seconds: float
    """Of pretraining, with validation, start and end."""
    loss: float
    """Predicted, in nats per token of the text that the law was fitted to."""
    tokens: float
    epochs: float
    memory_bytes: float

    @property
    def vocab_size(self) -> int:
        """Entries of the vocabulary."""
        assert self.model.vocab_size is not None
        return self.model.vocab_size

    @property
    def parameters(self) -> int:
        """Number of parameters."""
        return n_parameters(self.model.n_layer, self.model.n_embd, self.vocab_size)


@dataclass(frozen=True)
class Tuning:
    """The fine-tuning of a task, and its evaluation."""

    texts: TaskTexts
    steps_per_epoch: float
    step_s: float
    """On its share of the machine, with its share of the validation."""
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
        """Whether the number of steps is set."""
        return self.texts.config.finetune.max_steps is not None

    def seconds(self, steps: int) -> float:
        """Return the duration of its branch."""
        return self.fixed_s + steps * self.step_s

    def steps(self, seconds: float) -> int:
        """Return the number of steps that fit into a time."""
        if self.is_set:
            return self.most_steps
        return max(0, min(self.most_steps, int((seconds - self.fixed_s) / self.step_s)))


def choose(
    config: BudgetStepConfig, text: Text, tasks: Sequence[TaskTexts], cost: Cost
) -> tuple[Sizes, dict[str, float]]:
    """Return the sizes for a budget, and the forecast of times and memory as metrics.

    Args:
        config: the budget, and the sizes that are set.
        text: the text of the corpus.
        tasks: the training texts of the tasks.
        cost: of trainings on this machine.

    Raises:
        InputError: the budget is too small for any model, or for the tasks.
    """
    candidates = [
        candidate
        for model, bytes_per_token in _models(config, text, tasks)
        if (candidate := _candidate(config, text, cost, model, bytes_per_token))
    ]
    chosen, reasons = _best(config, candidates)
    tunings = [_tuning(config, chosen, task, cost) for task in tasks]
    rest_s = 60 * config.budget_minutes - chosen.seconds
    language_s = _evaluation_s(chosen, text, cost)
    steps = _divide(config, tunings, language_s, rest_s)
    ends_s = [tuning.seconds(steps[tuning.name]) for tuning in tunings]
    tasks_s = _makespan([*ends_s, language_s], config.side_by_side)
    for tuning in tunings:
        reasons.append(_reason(tuning, steps[tuning.name]))
    total_s = chosen.seconds + tasks_s
    reasons.append(
        f"Expected: {_minutes(chosen.seconds)} of pretraining and {_minutes(tasks_s)} of tasks "
        f"for budget_minutes={config.budget_minutes:g}, and {chosen.memory_bytes / 2**30:.1f} GiB."
    )
    sizes = Sizes(
        tokenizer={"vocab_size": chosen.vocab_size},
        model={name: getattr(chosen.model, name) for name in MODEL_SIZES},
        pretrain={"max_steps": chosen.steps, "warmup_steps": _warmup(config, chosen.steps)},
        tasks={name: {"max_steps": n} for name, n in steps.items()},
        reasons=tuple(reasons),
    )
    metrics = {
        "expected_minutes": total_s / 60,
        "expected_minutes/pretrain": chosen.seconds / 60,
        "expected_minutes/tasks": tasks_s / 60,
        "expected_gib": chosen.memory_bytes / 2**30,
        "expected_epochs": chosen.epochs,
        "parameters": chosen.parameters,
    }
    return sizes, metrics


def _models(
    config: BudgetStepConfig, text: Text, tasks: Sequence[TaskTexts]
) -> Iterator[tuple[ModelConfig, float]]:
    """Yield the models that the set sizes allow, each with the bytes per token of its text."""
    shapes = dict.fromkeys(
        (config.model.n_layer or n_layer, config.model.n_embd or n_embd)
        for n_layer, n_embd in LADDER
    )
    for n_layer, n_embd in shapes:
        vocab_size = _vocab_size(text, n_layer, n_embd)
        bytes_per_token = text.bytes_per_token[vocab_size]
        values = {
            "n_layer": n_layer,
            "n_embd": n_embd,
            "n_head": config.model.n_head or max(1, n_embd // HEAD_SIZE),
            "block_size": config.model.block_size or _context(tasks, bytes_per_token),
            "vocab_size": vocab_size,
        }
        try:
            yield ModelConfig(**{**dict(config.model), **values}), bytes_per_token
        except ValidationError:
            continue  # heads that are set do not fit the width


def _vocab_size(text: Text, n_layer: int, n_embd: int) -> int:
    """Return the largest vocabulary whose output layer is no larger than the layers."""
    fitting = [size for size in text.bytes_per_token if size <= 12 * n_layer * n_embd]
    return max(fitting, default=min(text.bytes_per_token))


def _context(tasks: Sequence[TaskTexts], bytes_per_token: float) -> int:
    """Return the shortest context that few texts of every task exceed."""
    for context in CONTEXTS:
        limit = context * bytes_per_token
        if all(
            sum(length > limit for length in task.lengths) <= MAX_LONG_SHARE * len(task.lengths)
            for task in tasks
        ):
            return context
    return CONTEXTS[-1]


def _candidate(
    config: BudgetStepConfig, text: Text, cost: Cost, model: ModelConfig, bytes_per_token: float
) -> Candidate | None:
    """Return a model with its pretraining; None if the time is too short for it."""
    training = config.pretrain
    vocab_size = model.vocab_size
    assert vocab_size is not None
    unique = text.n_bytes / bytes_per_token
    per_batch = training.micro_batch_size * model.block_size
    n_gpus = training.devices if training.accelerator == "cuda" else 1
    parameters = n_parameters(model.n_layer, model.n_embd, vocab_size)

    def tokens_s(n: float) -> float:
        return cost.tokens_s(model.n_layer, model.n_embd, vocab_size, model.block_size, n, n)

    step_s = LOOP_FACTOR * (
        training.accumulate / n_gpus * tokens_s(per_batch)
        + cost.optimizer_s(parameters, model.n_embd)
    )
    validated = min(
        training.validation_blocks * model.block_size, text.validation_bytes / bytes_per_token
    )
    validation_s = FORWARD_SHARE * tokens_s(validated) / n_gpus
    available_s = PRETRAINING_SHARE * 60 * config.budget_minutes - PRETRAIN_START_S - validation_s
    per_step_s = step_s + validation_s / training.validate_every_steps
    per_step = training.accumulate * per_batch
    most = max(MIN_STEPS, int(MAX_EPOCHS * unique / per_step))
    steps = training.max_steps or min(most, _rounded(available_s / per_step_s))
    if training.max_steps is None and steps < MIN_STEPS:
        steps = MIN_STEPS
    tokens = steps * per_step
    n_validations = math.ceil(steps / training.validate_every_steps)
    matrices = 12 * model.n_layer * model.n_embd**2 + vocab_size * model.n_embd
    unit = bytes_per_token / LAW_BYTES_PER_TOKEN
    return Candidate(
        model=model,
        bytes_per_token=bytes_per_token,
        steps=steps,
        step_s=step_s,
        seconds=PRETRAIN_START_S + steps * step_s + n_validations * validation_s,
        loss=repeated_loss(matrices, tokens * unit, unique * unit, config.law),
        tokens=tokens,
        epochs=tokens / unique,
        memory_bytes=memory_bytes(model.n_layer, model.n_embd, vocab_size, per_batch, per_batch),
    )


def _best(config: BudgetStepConfig, candidates: Sequence[Candidate]) -> tuple[Candidate, list[str]]:
    """Return the candidate of the lowest predicted loss that fits the budget, and the reasons.

    Raises:
        InputError: none fits.
    """
    if not candidates:
        raise InputError(
            f"model.n_head={config.model.n_head} fits none of the widths "
            f"{', '.join(str(n_embd) for _, n_embd in LADDER)}: set model.n_embd, or remove it."
        )
    in_memory = candidates
    if config.budget_gib is not None:
        limit = config.budget_gib * 2**30
        in_memory = [c for c in candidates if c.memory_bytes <= limit]
    if not in_memory:
        least = min(candidate.memory_bytes for candidate in candidates) / 2**30
        raise InputError(
            f"budget_gib={config.budget_gib:g}: training the smallest model takes "
            f"{least:.1f} GiB: raise it to that, or lower pretrain.micro_batch_size."
        )
    available_s = PRETRAINING_SHARE * 60 * config.budget_minutes
    in_time = [c for c in in_memory if c.seconds <= ROUNDING * available_s]
    if not in_time:
        fastest = min(in_memory, key=lambda candidate: candidate.seconds)
        if config.pretrain.max_steps is None:
            least = math.ceil(10 * fastest.seconds / 60 / PRETRAINING_SHARE) / 10
            raise InputError(
                f"budget_minutes={config.budget_minutes:g}: the smallest model takes "
                f"{fastest.seconds:.0f} s for {fastest.steps} steps of pretraining: raise it to at "
                f"least {least:g}, or set it to null and the sizes explicitly."
            )
        in_time = [fastest]
    best = min(in_time, key=lambda candidate: candidate.loss)
    return best, list(_reasons_of(config, best, candidates, in_time))


def _reasons_of(
    config: BudgetStepConfig,
    best: Candidate,
    candidates: Sequence[Candidate],
    in_time: Sequence[Candidate],
) -> Iterator[str]:
    model = best.model
    others = [c for c in in_time if c is not best]
    why = "the only one that fits"
    if len(candidates) == 1:
        why = "as set"
    elif others:
        second = min(others, key=lambda candidate: candidate.loss)
        shape = f"{second.model.n_layer} x {second.model.n_embd}"
        why = f"predicted loss {best.loss:.3f}, next {shape} with {second.loss:.3f}"
    yield (
        f"Model: {model.n_layer} layers of {model.n_embd} channels, {best.parameters / 1e6:.1f} M "
        f"parameters ({why})."
    )
    yield (
        f"Tokens: a vocabulary of {best.vocab_size:,}, {best.bytes_per_token:.1f} bytes per token, "
        f"in a context of {model.block_size}."
    )
    limit = ""
    if config.pretrain.max_steps is not None:
        limit = ", as set"
    elif best.epochs > MAX_EPOCHS - 1:
        limit = f": more than {MAX_EPOCHS} passes gain nothing, so more text would help"
    yield (
        f"Pretraining: {best.steps:,} steps, {best.tokens / 1e6:.1f} M tokens, "
        f"{best.epochs:.1f} passes over the text{limit}."
    )


def _tuning(config: BudgetStepConfig, chosen: Candidate, texts: TaskTexts, cost: Cost) -> Tuning:
    """Return the fine-tuning of a task, whose branch has its share of the machine."""
    task, settings, model = texts.config, texts.config.finetune, chosen.model
    # The output layer is computed for texts that are generated.
    generates = settings.attention == "causal"
    most = model.block_size
    lengths = [min(most, 2 + n / chosen.bytes_per_token) for n in texts.lengths]
    length = sum(lengths) / len(lengths)

    def tokens_s(n: float) -> float:
        n_targets = n / 2 if generates else 0.0
        seconds = cost.tokens_s(
            model.n_layer, model.n_embd, chosen.vocab_size, round(length), n, n_targets
        )
        return config.side_by_side * TUNED_FACTOR * seconds

    n_validation = texts.n_examples * task.validation_share
    steps_per_epoch = math.ceil(texts.n_examples / settings.micro_batch_size) / settings.accumulate
    rows = min(texts.n_examples, settings.micro_batch_size)
    step_s = settings.accumulate * tokens_s(rows * length) + cost.optimizer_s(
        chosen.parameters, model.n_embd
    )
    validation_s = FORWARD_SHARE * tokens_s(n_validation * length)
    tested = TEST_SHARE * texts.n_examples * length
    evaluation_s = FORWARD_SHARE * tokens_s(tested) * (GENERATED_FACTOR if generates else 1)
    return Tuning(
        texts=texts,
        steps_per_epoch=steps_per_epoch,
        step_s=LOOP_FACTOR * step_s + validation_s / steps_per_epoch,
        fixed_s=TASK_START_S + evaluation_s,
        most_steps=settings.max_steps or math.ceil(texts.epochs * steps_per_epoch),
    )


def _evaluation_s(chosen: Candidate, text: Text, cost: Cost) -> float:
    """Return the seconds of the language model's evaluation."""
    n_tokens = text.validation_bytes / chosen.bytes_per_token
    model = chosen.model
    return TASK_START_S + FORWARD_SHARE * cost.tokens_s(
        model.n_layer, model.n_embd, chosen.vocab_size, model.block_size, n_tokens, n_tokens
    )


def _divide(
    config: BudgetStepConfig, tunings: Sequence[Tuning], language_s: float, seconds: float
) -> dict[str, int]:
    """Return the steps of each task: equal times, and what one does not need for the others.

    Raises:
        InputError: the time is too short for some steps of each.
    """

    def end_s(limit_s: float) -> float:
        branches = [tuning.seconds(tuning.steps(limit_s)) for tuning in tunings]
        return _makespan([*branches, language_s], config.side_by_side)

    low, high = 0.0, max(seconds, 0.0)
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if end_s(middle) <= seconds else (low, middle)
    steps = {tuning.name: tuning.steps(low) for tuning in tunings}
    for tuning in tunings:
        if steps[tuning.name] < min(MIN_STEPS, tuning.most_steps):
            shortest = [t.seconds(min(MIN_STEPS, t.most_steps)) for t in tunings]
            needed_s = _makespan([*shortest, language_s], config.side_by_side)
            needed = math.ceil(needed_s / (1 - ROUNDING * PRETRAINING_SHARE) / 6) / 10
            raise InputError(
                f"budget_minutes={config.budget_minutes:g}: {tuning.name} gets "
                f"{_minutes(seconds)} with the other tasks, in which it cannot be fine-tuned: "
                f"raise it to at least {needed:g}, or set it to null and the sizes explicitly."
            )
        if steps[tuning.name] < tuning.most_steps:
            steps[tuning.name] = _rounded(steps[tuning.name])
    return steps


def _makespan(seconds: Iterable[float], n_slots: int) -> float:
    """Return the time of branches that run in parallel, the longest first."""
    ends = [0.0] * n_slots
    for length in sorted(seconds, reverse=True):
        ends[ends.index(min(ends))] += length
    return max(ends)


def _reason(tuning: Tuning, steps: int) -> str:
    epochs = steps / tuning.steps_per_epoch
    limit = "its time allows no more"
    if steps == tuning.most_steps:
        limit = "as set" if tuning.is_set else f"all of its {tuning.texts.epochs} epochs"
    return (
        f"{tuning.name}: at most {steps:,} steps, {epochs:.1f} passes over "
        f"{tuning.texts.n_examples:,} examples ({limit}), {_minutes(tuning.seconds(steps))}."
    )


def _warmup(config: BudgetStepConfig, steps: int) -> int:
    return config.pretrain.warmup_steps or max(1, int(WARMUP_SHARE * steps))


def _rounded(value: float) -> int:
    """Return a number of steps with few digits."""
    if value < 10**N_DIGITS:
        return max(0, int(value))
    unit: int = 10 ** (int(math.log10(value)) - N_DIGITS + 1)
    return round(value / unit) * unit


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.1f} minutes"
