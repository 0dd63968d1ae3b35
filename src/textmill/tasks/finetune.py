"""The step that fine-tunes a backbone for a task of any kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from textmill import model as models
from textmill.config import TaskConfig, key_values
from textmill.corpus.tokens.tokenizer import load_tokenizer
from textmill.errors import InputError
from textmill.files import digest_file, write_json
from textmill.tasks.checks.leaks import find_overlap, kept_examples
from textmill.tasks.ensemble.candidates import choose
from textmill.tasks.ensemble.model_folder import save_task_model
from textmill.tasks.ensemble.predictor import network_scorer
from textmill.tasks.ensemble.seeds import tune_networks
from textmill.tasks.kinds import Examples, examples_of
from textmill.tasks.tuning.best_epoch import Trained, train_network


def finetune(config: TaskConfig, inputs: Mapping[str, Path], out: Path, work: Path) -> None:
    """Fine-tune a backbone and write the task's model, the best of the candidates.

    Args:
        config: the task.
        inputs: `backbone`, a folder of the pretrain step.
        out: an empty folder.
        work: a folder with the checkpoints of an interrupted run, if any.

    Raises:
        InputError: the examples are invalid.
    """
    kind = examples_of(config.kind)
    examples = training_examples(config, kind)
    splits = split_examples(config, kind, examples)
    spec = checked_spec(config, kind, *splits)
    metrics = train_model(config, spec, splits, examples, inputs["backbone"], out, work)
    write_json(out / "metrics.json", metrics)


def train_model(
    config: TaskConfig,
    spec: Any,
    splits: tuple[Sequence[Any], Sequence[Any]],
    examples: Sequence[Any],
    backbone: Path,
    out: Path,
    work: Path,
) -> dict[str, float]:
    """Write a task's model, the best of the candidates; return the metrics of its training.

    Args:
        config: the task.
        spec: the kind's settings of the model.
        splits: the examples that networks are trained on, and those that select the best epoch and
            candidate.
        examples: the examples that the classical baseline is fitted on once it has been chosen.
        backbone: folder of the pretrain step.
        out: an empty folder.
        work: a folder with the checkpoints of an interrupted training, if any.

    Raises:
        InputError: the machine lacks the device.
        RunError: the training diverged, or was stopped at a checkpoint.
    """
    tokenizer = load_tokenizer(backbone)
    digests = {
        "tokenizer": digest_file(backbone / "tokenizer.json"),
        "backbone": digest_file(backbone / "model.safetensors"),
    }

    def tune(seeded: TaskConfig, place: Path) -> Trained:
        return train_network(
            seeded,
            spec,
            lambda dropout: models.load(backbone, dropout=dropout),
            tokenizer,
            splits,
            {f"tasks.{config.name}": key_values(seeded)} | digests,
            place,
        )

    tuned, metrics = tune_networks(config, work, tune)
    networks = [one.network for one in tuned]
    accelerator = config.finetune.accelerator
    scorers = [
        network_scorer(config.kind, spec, network, tokenizer, accelerator) for network in networks
    ]
    choice = choose(config, spec, networks, scorers, splits, examples)
    save_task_model(config, choice, networks, backbone, out)
    train, validation = splits
    return {
        **choice.metrics,
        **metrics,
        "train_examples": len(train),
        "validation_examples": len(validation),
        "cut_examples": tuned[0].n_cut,
    }


def checked_spec(
    config: TaskConfig, kind: Examples, train: list[Any], validation: list[Any]
) -> Any:
    """Return the kind's settings of the model, after checking the validation examples.

    Raises:
        InputError: the examples are invalid, such as a label of the validation file that training
            lacks.
    """
    if config.validation is None:
        return kind.make_spec(config, [*train, *validation])  # a label may occur only once
    spec = kind.make_spec(config, train)
    kind.check_examples(config, spec, validation)
    return spec


def spec_of_part(
    config: TaskConfig,
    kind: Examples,
    splits: tuple[list[Any], list[Any]],
    scored: list[Any],
    whole: Any,
) -> Any:
    """Return the kind's settings of a model that is trained on a part of the examples.

    They are estimated from this part alone: lengths of answers, shares of labels.

    Args:
        config: the task.
        kind: the examples module of its kind.
        splits: training and validation examples of the model.
        scored: the examples that score it.
        whole: the settings of a model of all examples, which are returned if the part lacks a
            label of the others.
    """
    try:
        spec = checked_spec(config, kind, *splits)
        kind.check_examples(config, spec, scored)
    except InputError:
        return whole
    return spec


def training_examples(config: TaskConfig, kind: Examples) -> list[Any]:
    """Return the examples of the training files, without test examples if these are dropped.

    Raises:
        InputError: the examples are invalid.
    """
    train = kind.read_examples(config, "train")
    if config.on_leak != "drop":
        return train
    test = kind.read_examples(config, "test")
    return kept_examples(config, train, find_overlap(kind, train, test))


def split_examples(
    config: TaskConfig, kind: Examples, examples: list[Any]
) -> tuple[list[Any], list[Any]]:
    """Return training and validation examples; without a validation file, a seeded random split.

    Raises:
        InputError: there are too few examples to split.
    """
    if config.validation is not None:
        return examples, kind.read_examples(config, "validation")
    return split_off(config, kind, examples)


def split_off(
    config: TaskConfig, kind: Examples, examples: list[Any]
) -> tuple[list[Any], list[Any]]:
    """Return training examples and those of validation, a seeded random split of their groups.

    Raises:
        InputError: there are too few examples, or groups, to split.
    """
    n_validation = round(len(examples) * config.validation_share)
    groups = _groups(kind, examples)
    if not 0 < n_validation < len(examples) or len(groups) < 2:
        shared = f", {len(groups)} of them different" if len(groups) < len(examples) else ""
        raise InputError(
            f"tasks.{config.name}: too few training examples ({len(examples)}{shared}) to split "
            f"off validation_share={config.validation_share}: add more, or set a validation file."
        )
    order = np.random.default_rng(config.finetune.seed).permutation(len(groups)).tolist()
    chosen: set[int] = set()
    for number in order:
        if len(chosen) + len(groups[number]) <= n_validation:
            chosen.update(groups[number])
    if not chosen:  # every group is larger than the share
        chosen.update(groups[min(order, key=lambda number: len(groups[number]))])
    return (
        [example for i, example in enumerate(examples) if i not in chosen],
        [example for i, example in enumerate(examples) if i in chosen],
    )


def _groups(kind: Examples, examples: list[Any]) -> list[list[int]]:
    """Return the indices of the examples of each group, in the order of their first."""
    if kind.group is None:
        return [[index] for index in range(len(examples))]
    groups: dict[str, list[int]] = {}
    for index, example in enumerate(examples):
        groups.setdefault(kind.group(example), []).append(index)
    return [*groups.values()]
