"""Evaluation of a backbone on tasks of lm-eval."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import TemplateError
from lm_eval import evaluator
from lm_eval.utils import handle_non_serializable

from textmill.config import Accelerator
from textmill.errors import InputError, listed
from textmill.secrets import redact_settings, redact_values
from textmill.tasks.language_model.harness.adapter import Backbone
from textmill.tasks.language_model.harness.logged_scores import STDERR, Score
from textmill.tasks.language_model.harness.task_files import Tasks

log = logging.getLogger(__name__)

NO_FILTER = "none"
"""What lm-eval calls the scores of unfiltered answers."""


@dataclass(frozen=True)
class HarnessResults:
    """The results of an evaluation."""

    scores: tuple[Score, ...]
    json: str
    """All that lm-eval reports: scores, the tasks' configurations and versions, and packages.

    Credentials in configurations are redacted."""


def evaluate_tasks(
    folder: Path,
    names: Sequence[str],
    include: Path | None = None,
    *,
    limit: int | None = None,
    shots: int | None = None,
    trusts_code: bool = False,
    accelerator: Accelerator = "auto",
) -> HarnessResults:
    """Return the scores of a backbone on tasks of lm-eval.

    Args:
        folder: of the model.
        names: tasks, groups or tags of lm-eval, or of the folder.
        include: a folder of task files.
        limit: number of examples of each task; None: all.
        shots: number of examples before each prompt, also of tasks that say another one than 0;
            None: as each task says.
        trusts_code: whether code that is named in the folder may run, and that which a model
            writes for tasks that are marked as unsafe.
        accelerator: see `choose_device`.

    Raises:
        InputError: a task does not exist, cannot be loaded or names code; the folder is not a
            model, or the machine lacks the device.
    """
    for library in ("lm_eval", "huggingface_hub"):  # their warnings are no messages to a user
        logging.getLogger(library).setLevel(logging.ERROR)
    # The commit of the working folder, which is no part of the model.
    evaluator.get_git_commit_hash = lambda: None
    tasks = Tasks(include, names, trusts_code)
    model = Backbone(folder, accelerator)
    try:
        results = evaluator.simple_evaluate(
            model=model,
            tasks=list(names),
            task_manager=tasks,
            limit=limit,
            num_fewshot=shots,
            log_samples=False,
            confirm_run_unsafe_code=trusts_code,
        )
    except InputError:
        raise
    except (TemplateError, LookupError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"--harness {','.join(names)}: lm-eval cannot evaluate this ({reason[:500]}): correct "
            "the task's file or its data."
        ) from None
    reported = {**redact_values(results), "configs": redact_settings(results["configs"])}
    text = json.dumps(reported, indent=2, default=handle_non_serializable, ensure_ascii=False)
    return HarnessResults(tuple(_scores(results, shots)), text)


def _scores(results: Mapping[str, Any], shots: int | None) -> list[Score]:
    """Return the metrics in lm-eval's results, whose names are `metric,filter`.

    Args:
        results: of lm-eval.
        shots: as for `evaluate_tasks`. Tasks that have 0 of their own keep that, with a warning.
    """
    scores = []
    used = {} if shots is None else results["n-shot"]
    if ignoring := [task for task in results["configs"] if used.get(task, shots) != shots]:
        log.warning("--shots %s is not used by %s, which set 0.", shots, listed(ignoring))
    for task, values in {**results["results"], **results.get("groups", {})}.items():
        counts = results["n-samples"].get(task, {})
        for key, value in values.items():
            metric, _, kept = key.partition(",")
            if not kept or metric.endswith(STDERR) or not isinstance(value, int | float):
                continue
            stderr = values.get(f"{metric}{STDERR},{kept}")
            scores.append(
                Score(
                    task,
                    metric if kept == NO_FILTER else f"{metric}/{kept}",
                    float(value),
                    float(stderr) if isinstance(stderr, int | float) else None,
                    counts.get("effective"),
                    used.get(task, shots),  # lm-eval has none of groups whose tasks differ
                )
            )
    return scores
