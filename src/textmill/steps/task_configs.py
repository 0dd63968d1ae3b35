"""What the steps of a task read: its settings without those of other steps, and its files.

Whatever a step does not read must not change its key.
"""

from __future__ import annotations

from typing import Any

from textmill.config import BehaviourStepConfig, CurveStepConfig, TaskConfig
from textmill.locations import TEST_FILES, find_test_file
from textmill.steps.parts import ModelTests, SavedLabels, Split

WITHOUT_SCORES: dict[str, Any] = {"metrics": (), "slices": ()}
"""Values of the settings of a task that only its evaluation reads."""


def baseline_config(task: TaskConfig) -> TaskConfig:
    """Return the task without fine-tuning, and slices."""
    default = type(task).model_fields["finetune"].default
    return task.model_copy(update={"finetune": default, "slices": ()})


def cases_config(task: TaskConfig) -> TaskConfig:
    """Return the task without what only its training and evaluation use, and its files of tests."""
    files = {name: str(find_test_file(name, getattr(task, name))) for name in _test_files(task)}
    return baseline_config(task).model_copy(update=WITHOUT_SCORES | files)


def cases_reads(task: TaskConfig) -> tuple[ModelTests | Split | SavedLabels, ...]:
    """Return the files of tests of a task's model, and the examples they are filled in with."""
    tests = (ModelTests(task, setting) for setting in _test_files(task))
    return (*tests, *training_examples(task), Split(task, "test"))


def has_tests(task: TaskConfig) -> bool:
    """Return whether a task has behaviour tests, or a bias report."""
    return bool(_test_files(task))


def _test_files(task: TaskConfig) -> tuple[str, ...]:
    """Return the settings of the files of tests that a task has."""
    return tuple(setting for setting in TEST_FILES if getattr(task, setting) is not None)


def behaviour_config(task: TaskConfig) -> BehaviourStepConfig:
    """Return what the behaviour step needs besides its inputs."""
    return BehaviourStepConfig(kind=task.kind, accelerator=task.finetune.accelerator)


def evaluate_config(task: TaskConfig) -> TaskConfig:
    """Return the task without its cross-validation, which changes no other result."""
    return task.model_copy(update={"finetune": task.finetune.model_copy(update={"folds": None})})


def finetune_config(task: TaskConfig) -> TaskConfig:
    """Return the task without its cross-validation, and what its evaluation alone reads."""
    return folds_config(evaluate_config(task))


def folds_config(task: TaskConfig) -> TaskConfig:
    """Return the task without what its evaluation alone reads."""
    return task.model_copy(update=WITHOUT_SCORES)


def training_examples(task: TaskConfig) -> tuple[Split | SavedLabels, ...]:
    """Return the training examples of the task: those of its split, and labels saved by hand."""
    saved = () if task.saved_labels is None else (SavedLabels(task),)
    return (Split(task, "train"), *saved)


def finetune_reads(task: TaskConfig) -> tuple[Split | SavedLabels, ...]:
    """Return the examples that fine-tuning reads; the test split only to drop its texts."""
    is_read = {
        "validation": task.validation is not None,
        "test": task.on_leak == "drop",
    }
    others = (Split(task, name) for name in is_read if is_read[name])
    return (*training_examples(task), *others)


def curve_config(task: TaskConfig) -> CurveStepConfig:
    """Return the task and its curve section, without what affects the choice of a model only."""
    fields = type(task.finetune).model_fields
    unused = {name: fields[name].default for name in ("candidates", "seeds", "folds")}
    finetune = task.finetune.model_copy(update=unused)
    return CurveStepConfig(
        task=task.model_copy(update={"finetune": finetune} | WITHOUT_SCORES), curve=task.curve
    )


def all_examples(task: TaskConfig) -> tuple[Split | SavedLabels, ...]:
    """Return all labelled examples of the task."""
    validation = () if task.validation is None else (Split(task, "validation"),)
    return (*training_examples(task), *validation, Split(task, "test"))
