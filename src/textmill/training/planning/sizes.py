"""The rules by which sizes are chosen for a budget of time and memory.

1. Half of the time is for pretraining, the other half for the tasks.
2. Widths and depths are those of a ladder with 64 channels per layer (nanochat's one dial,
   Karpathy 2025) and heads of 64 channels; the tokens are those that the time allows at the
   measured speed, at most MAX_EPOCHS epochs, with dropout if there are more than four.
3. Of the ladder, the model with the lowest predicted loss (Hoffmann et al. 2022) is chosen, in
   which repeated text counts less (Muennighoff et al. 2023), with at most ten parameters per token
   of the text, and with which every task has time for a quarter of its epochs.
4. The vocabulary is the largest of which half of the entries occur at least 25 times in the text
   (Gowda & May 2020 count in this way), and whose output layer is no larger than the layers:
   optimal vocabularies grow with the model, more slowly than it (Tao et al. 2024).
5. The context is 256 tokens if more than a twentieth of the texts of a task exceed 128.
6. The time of the tasks is divided in proportion to the square roots of what their epochs take, and
   what one does not need goes to the others.
"""

from __future__ import annotations

from collections.abc import Sequence

from textmill.config import BudgetStepConfig, Sizes
from textmill.training.planning.backbones import (
    TaskTexts,
    Text,
    find_candidates,
    fitting_candidates,
    reasons_of,
)
from textmill.training.planning.cost import Cost
from textmill.training.planning.shares import (
    check_shares,
    divide,
    minutes,
    reason,
)

MODEL_SIZES = ("n_layer", "n_head", "n_embd", "block_size", "dropout")
WARMUP_SHARE = 0.1


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
    candidates = find_candidates(config, text, tasks, cost)
    fitting = fitting_candidates(config, candidates)
    divided = [(candidate, divide(config, candidate, text, tasks, cost)) for candidate in fitting]
    fastest = min(divided, key=lambda pair: pair[0].step_s)
    chosen, shares = next((pair for pair in divided if pair[1].are_enough), fastest)
    check_shares(config, shares)
    reasons = [*reasons_of(config, chosen, fitting, len(candidates))]
    for tuning in shares.tunings:
        reasons.append(reason(tuning, shares.steps[tuning.name]))
    tasks_s = shares.taken_s
    total_s = chosen.seconds + tasks_s
    reasons.append(
        f"Expected: {minutes(chosen.seconds)} of pretraining and {minutes(tasks_s)} of tasks "
        f"for budget_minutes={config.budget_minutes:g}, and {chosen.memory_bytes / 2**30:.1f} GiB."
    )
    sizes = Sizes(
        tokenizer={"vocab_size": chosen.vocab_size},
        model={name: getattr(chosen.model, name) for name in MODEL_SIZES},
        pretrain={"max_steps": chosen.steps, "warmup_steps": _warmup(config, chosen.steps)},
        tasks={t.name: {"max_steps": shares.steps[t.name]} for t in shares.tunings if not t.is_set},
        task_seconds={t.name: t.seconds(shares.steps[t.name]) for t in shares.tunings},
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


def _warmup(config: BudgetStepConfig, steps: int) -> int:
    least = min(1, steps - 1)  # it is shorter than the training
    return config.pretrain.warmup_steps or max(least, int(WARMUP_SHARE * steps))
