"""The backbones that a budget allows, each with the loss that it is predicted to reach."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from textmill.config import BudgetStepConfig, ModelConfig, TaskConfig
from textmill.errors import InputError
from textmill.training.passes import default_dropout
from textmill.training.planning.cost import FORWARD_SHARE, Cost, memory_bytes, n_parameters
from textmill.training.planning.law import repeated_loss

PRETRAINING_SHARE = 0.5
LADDER = ((2, 128), (3, 192), (4, 256), (6, 384), (8, 512), (10, 640), (12, 768))
"""Layers and channels of the models."""
HEAD_SIZE = 64
CONTEXTS = (128, 256)
MAX_LONG_SHARE = 0.05
"""Maximum share of a task's texts that exceed the context before a longer one is chosen."""
MAX_EPOCHS = 20
"""Maximum passes over the text: with dropout, the loss fell until 15 (docs/decisions.md)."""
UNREPEATED_EPOCHS = 4
"""Passes that are as good as new text (Muennighoff et al. 2023, section 5); more need dropout."""
DROPOUT_FACTOR = 1.3
"""Time of a training step with dropout beside that without, on a CPU."""
MAX_PARAMETERS_PER_TOKEN = 10
"""Maximum parameters for each token of the text."""
MIN_STEPS = 20
"""Minimum steps of pretraining, and of a task."""
N_DIGITS = 2
"""Digits of numbers of steps: small differences of speed or text change nothing."""
ROUNDING = 1.05
"""Maximum factor by which a rounded number exceeds the original."""
LAW_BYTES_PER_TOKEN = 4.2
"""Of the text and vocabulary that Hoffmann et al. fitted their law to."""
LOOP_FACTOR = 1.07
"""Time of a training step beside that of the measured computation: batches, logging."""
PRETRAIN_START_S = 8.0
"""Seconds to start and end pretraining: its process, its data, its result."""


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
    lengths: Mapping[int, Sequence[int]]
    """Tokens of the texts of some examples, by size of the vocabulary."""
    max_windows: float
    """Maximum windows of the context in which an example is read in training; 1: its texts are
    truncated."""


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
    """Seen in all passes over the text."""
    unique_tokens: float
    """Of the text."""
    memory_bytes: float

    @property
    def vocab_size(self) -> int:
        """Entries of the vocabulary."""
        assert self.model.vocab_size is not None
        return self.model.vocab_size

    @property
    def epochs(self) -> float:
        """Passes over the text."""
        return self.tokens / self.unique_tokens

    @property
    def is_supported(self) -> bool:
        """Whether the text has enough tokens for the parameters."""
        return self.parameters <= MAX_PARAMETERS_PER_TOKEN * self.unique_tokens

    @property
    def parameters(self) -> int:
        """Number of parameters."""
        return n_parameters(self.model.n_layer, self.model.n_embd, self.vocab_size)


def find_candidates(
    config: BudgetStepConfig, text: Text, tasks: Sequence[TaskTexts], cost: Cost
) -> list[Candidate]:
    """Return the models that the set sizes allow, each with the pretraining that its time allows.

    Args:
        config: the budget, and the sizes that are set.
        text: the text of the corpus.
        tasks: the training texts of the tasks.
        cost: of trainings on this machine.

    Raises:
        InputError: there are none.
    """
    found = []
    for model, bytes_per_token in _models(config, text, tasks):
        candidate = _candidate(config, text, cost, model, bytes_per_token)
        dropout = default_dropout(candidate.epochs, UNREPEATED_EPOCHS)
        if config.model.dropout is None and dropout:
            model = model.model_copy(update={"dropout": dropout})
            candidate = _candidate(config, text, cost, model, bytes_per_token)
        found.append(candidate)
    if not found:
        raise InputError(
            f"model.n_head={config.model.n_head} fits none of the widths "
            f"{', '.join(str(n_embd) for _, n_embd in LADDER)}: set model.n_embd, or remove it."
        )
    return found


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
            "block_size": config.model.block_size or _context(tasks, vocab_size),
            "vocab_size": vocab_size,
            "dropout": config.model.dropout or 0.0,
        }
        try:
            yield ModelConfig(**{**dict(config.model), **values}), bytes_per_token
        except ValidationError:
            continue  # heads that are set do not fit the width


def _vocab_size(text: Text, n_layer: int, n_embd: int) -> int:
    """Return the largest vocabulary whose output layer is no larger than the layers."""
    fitting = [size for size in text.bytes_per_token if size <= 12 * n_layer * n_embd]
    return max(fitting, default=min(text.bytes_per_token))


def _context(tasks: Sequence[TaskTexts], vocab_size: int) -> int:
    """Return the shortest context that few texts of every task exceed."""
    lengths = [task.lengths[vocab_size] for task in tasks]
    for context in CONTEXTS:
        if all(sum(n > context for n in found) <= MAX_LONG_SHARE * len(found) for found in lengths):
            return context
    return CONTEXTS[-1]


def _candidate(
    config: BudgetStepConfig, text: Text, cost: Cost, model: ModelConfig, bytes_per_token: float
) -> Candidate:
    """Return a model with the pretraining that its time allows, or the shortest."""
    training = config.pretrain
    vocab_size = model.vocab_size
    assert vocab_size is not None
    unique = text.n_bytes / bytes_per_token
    per_batch = training.micro_batch_size * model.block_size
    n_gpus = training.devices if training.accelerator == "cuda" else 1
    parameters = n_parameters(model.n_layer, model.n_embd, vocab_size)

    def tokens_s(n: float) -> float:
        return cost.tokens_s(model.n_layer, model.n_embd, vocab_size, model.block_size, n, n)

    micro_batch_s = tokens_s(per_batch) * (DROPOUT_FACTOR if model.dropout else 1)
    step_s = LOOP_FACTOR * (
        training.accumulate / n_gpus * micro_batch_s + cost.optimizer_s(parameters, model.n_embd)
    )
    validated = min(
        training.validation_blocks * model.block_size, text.validation_bytes / bytes_per_token
    )
    validation_s = FORWARD_SHARE * tokens_s(validated) / n_gpus
    available_s = PRETRAINING_SHARE * 60 * config.budget_minutes - PRETRAIN_START_S - validation_s
    per_step_s = step_s + validation_s / training.validate_every_steps
    per_step = training.accumulate * per_batch
    most = max(MIN_STEPS, int(MAX_EPOCHS * unique / per_step))
    fitting = max(MIN_STEPS, rounded(available_s / per_step_s))
    steps = min(most, fitting) if training.max_steps is None else training.max_steps
    tokens = steps * per_step
    n_validations = math.ceil(steps / training.validate_every_steps)
    unit = bytes_per_token / LAW_BYTES_PER_TOKEN
    return Candidate(
        model=model,
        bytes_per_token=bytes_per_token,
        steps=steps,
        step_s=step_s,
        seconds=PRETRAIN_START_S + steps * step_s + n_validations * validation_s,
        loss=repeated_loss(parameters, tokens * unit, unique * unit, config.law)
        if steps
        else math.inf,
        tokens=tokens,
        unique_tokens=unique,
        memory_bytes=memory_bytes(model.n_layer, model.n_embd, vocab_size, per_batch, per_batch),
    )


def fitting_candidates(
    config: BudgetStepConfig, candidates: Sequence[Candidate]
) -> list[Candidate]:
    """Return the candidates that fit the budget and the text, by their predicted loss.

    Raises:
        InputError: none fits the budget.
    """
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
    supported = [candidate for candidate in in_time if candidate.is_supported]
    smallest = min(in_time, key=lambda candidate: candidate.parameters)
    return sorted(supported or [smallest], key=lambda candidate: candidate.loss)


def reasons_of(
    config: BudgetStepConfig, best: Candidate, fitting: Sequence[Candidate], n_candidates: int
) -> Iterator[str]:
    """Yield what was chosen and why, a sentence each.

    Args:
        config: the budget, and the sizes that are set.
        best: the candidate that was chosen.
        fitting: those that fit the budget and the text, by their predicted loss.
        n_candidates: the number of those that the set sizes allow.
    """
    model = best.model
    why = "the only one that fits"
    if n_candidates == 1:
        why = "as set"
    elif best is not fitting[0]:
        shape = f"{fitting[0].model.n_layer} x {fitting[0].model.n_embd}"
        why = f"with {shape}, the tasks would have too few steps"
    elif len(fitting) > 1:
        shape = f"{fitting[1].model.n_layer} x {fitting[1].model.n_embd}"
        why = f"predicted loss {best.loss:.3f}, next {shape} with {fitting[1].loss:.3f}"
    yield (
        f"Model: {model.n_layer} layers of {model.n_embd} channels, {best.parameters / 1e6:.1f} M "
        f"parameters ({why})."
    )
    yield (
        f"Tokens: a vocabulary of {best.vocab_size:,}, {best.bytes_per_token:.1f} bytes per token, "
        f"in a context of {model.block_size}."
    )
    if not best.steps:
        yield "Pretraining: none, as set."
        return
    limit = ""
    if config.pretrain.max_steps is not None:
        limit = ", as set"
    elif best.epochs > MAX_EPOCHS - 1:
        limit = f": more than {MAX_EPOCHS} passes gain nothing, so more text would help"
    yield (
        f"Pretraining: {best.steps:,} steps, {best.tokens / 1e6:.1f} M tokens, "
        f"{best.epochs:.1f} passes over the text, dropout {model.dropout:g}{limit}."
    )


def rounded(value: float) -> int:
    """Return a number of steps with few digits."""
    if value < 10**N_DIGITS:
        return max(0, int(value))
    unit: int = 10 ** (int(math.log10(value)) - N_DIGITS + 1)
    return round(value / unit) * unit
