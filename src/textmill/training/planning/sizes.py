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

from collections.abc import Sequence

from textmill.config import BudgetStepConfig, Sizes
from textmill.training.planning.backbones import (
    TaskTexts,
    Text,
    best_candidate,
    find_candidates,
)
from textmill.training.planning.cost import Cost
from textmill.training.planning.shares import (
    divide,
    evaluation_s,
    makespan,
    minutes,
    plan_tuning,
    reason,
)

MODEL_SIZES = ("n_layer", "n_head", "n_embd", "block_size")
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
    chosen, reasons = best_candidate(config, find_candidates(config, text, tasks, cost))
    tunings = [plan_tuning(config, chosen, task, cost) for task in tasks]
    rest_s = 60 * config.budget_minutes - chosen.seconds
    language_s = evaluation_s(chosen, text, cost)
    steps = divide(config, tunings, language_s, rest_s)
    ends_s = [tuning.seconds(steps[tuning.name]) for tuning in tunings]
    tasks_s = makespan([*ends_s, language_s], config.side_by_side)
    for tuning in tunings:
        reasons.append(reason(tuning, steps[tuning.name]))
    total_s = chosen.seconds + tasks_s
    reasons.append(
        f"Expected: {minutes(chosen.seconds)} of pretraining and {minutes(tasks_s)} of tasks "
        f"for budget_minutes={config.budget_minutes:g}, and {chosen.memory_bytes / 2**30:.1f} GiB."
    )
    sizes = Sizes(
        tokenizer={"vocab_size": chosen.vocab_size},
        model={name: getattr(chosen.model, name) for name in MODEL_SIZES},
        pretrain={"max_steps": chosen.steps, "warmup_steps": _warmup(config, chosen.steps)},
        tasks={t.name: {"max_steps": steps[t.name]} for t in tunings if not t.is_set},
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
    return config.pretrain.warmup_steps or max(1, int(WARMUP_SHARE * steps))
