"""The arms of a learning curve: the models that are trained on the same examples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from textmill import model as models
from textmill.config import TaskConfig, key_values
from textmill.corpus.tokens.tokenizer import load_tokenizer
from textmill.files import digest_file
from textmill.model import GPT
from textmill.model.layout import read_config
from textmill.model.lstm import lstm_like, n_parameters
from textmill.tasks.ensemble.predictor import Scorer, network_scorer
from textmill.tasks.kinds import BASELINE, baselines_of, network_of
from textmill.tasks.tuning.best_epoch import train_network

LSTM, RANDOM, PRETRAINED = "lstm", "random", "pretrained"


@dataclass(frozen=True)
class Fitted:
    """A model that was fitted to a subset of the training examples."""

    scorer: Scorer
    n_parameters: int


def arms_of(kind: str) -> tuple[str, ...]:
    """Return the names of the arms of a kind of task."""
    recurrent = (LSTM,) if network_of(kind).CAN_BE_RECURRENT else ()
    return (BASELINE, *recurrent, RANDOM, PRETRAINED)


def fit_arm(
    arm: str,
    task: TaskConfig,
    spec: Any,
    backbone: Path,
    splits: tuple[Sequence[Any], Sequence[Any]],
    examples: Sequence[Any],
    work: Path,
) -> Fitted:
    """Return the model of an arm.

    Args:
        arm: one of `arms_of` the kind.
        task: the task, with the seed in its finetune section.
        spec: the kind's settings of the model.
        backbone: folder of the pretrain step.
        splits: the examples that a network is trained on, and those that select its best epoch.
        examples: the examples that the classical baseline, which selects nothing, is fitted on.
        work: a folder with the checkpoints of an interrupted training, if any.

    Raises:
        InputError: the machine lacks the device of fine-tuning.
        RunError: a training diverged, or was stopped at a checkpoint.
    """
    if arm == BASELINE:
        baseline = baselines_of(task.kind).fit(spec, examples)
        return Fitted(baseline.score, baseline.n_parameters)
    tokenizer = load_tokenizer(backbone)
    task = task if arm == PRETRAINED else _in_full(task)
    trained = train_network(
        task,
        spec,
        lambda dropout: _backbones(task, backbone, dropout)[arm](),
        tokenizer,
        splits,
        {
            "arm": arm,
            "labels": len(examples),
            f"tasks.{task.name}": key_values(task),
            "backbone": digest_file(backbone / "model.safetensors"),
        },
        work,
    )
    scorer = network_scorer(task.kind, spec, trained.network, tokenizer, task.finetune.accelerator)
    return Fitted(scorer, n_parameters(trained.network))


def _in_full(task: TaskConfig) -> TaskConfig:
    """Return a task whose network is trained in full: random weights are nothing to freeze."""
    settings = task.finetune
    if settings.method == "full":
        return task
    rate = type(settings).model_fields["learning_rate"].default
    changed = settings.model_copy(update={"method": "full", "learning_rate": rate})
    return task.model_copy(update={"finetune": changed})


def _backbones(
    task: TaskConfig, folder: Path, dropout: float
) -> Mapping[str, Callable[[], nn.Module]]:
    """Return the functions that make the backbones, by arm; all have the pretrained one's sizes."""
    is_causal = task.finetune.attention == "causal"
    config = read_config(folder).model_copy(update={"dropout": dropout})
    return {
        LSTM: lambda: lstm_like(config, is_causal),
        RANDOM: lambda: GPT(config),
        PRETRAINED: lambda: models.load(folder, dropout=dropout),
    }
