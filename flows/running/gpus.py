"""The check that there is a GPU for the steps that need one, before a run computes anything."""

from __future__ import annotations

from collections.abc import Iterable

from textmill import hardware
from textmill.config import Config
from textmill.errors import InputError, listed
from textmill.steps.parts import Part
from textmill.tracking.status import find_status


def check_gpus(config: Config, parts: Iterable[Part]) -> None:
    """Raise InputError if a part has to be computed on a GPU that this machine lacks.

    Results of another machine can be reused, and the machines of a cluster may have GPUs.
    """
    if config.cluster.kind != "local" or hardware.best_accelerator() == "cuda":
        return
    settings = {part.label: _setting(part, config) for part in parts if part.step.needs_torch}
    if not any(settings.values()):
        return
    to_compute = [status.label for status in find_status(config) if status.state != "reused"]
    missing = dict.fromkeys(filter(None, map(settings.get, to_compute)))
    if missing:
        raise InputError(
            f"{listed(f'{setting}=cuda' for setting in missing)}: torch finds no CUDA GPU on this "
            "machine; run on one that has a GPU, or set cpu instead."
        )


def _setting(part: Part, config: Config) -> str | None:
    """Return the setting that makes a part need a GPU, if any does."""
    task = part.task_config(config)
    if task is None:
        return "pretrain.accelerator" if config.pretrain.accelerator == "cuda" else None
    if task.finetune.accelerator != "cuda":
        return None
    is_default = config.finetune.accelerator == "cuda"
    return f"{'' if is_default else f'tasks.{task.name}.'}finetune.accelerator"
