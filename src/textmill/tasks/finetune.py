"""The step that fine-tunes a backbone for a task of any kind."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from textmill import model as models
from textmill.config import FinetuneConfig, TaskConfig, key_values
from textmill.corpus.tokens.tokenizer import load_tokenizer
from textmill.errors import InputError
from textmill.files import digest_file, write_json
from textmill.model.layout import load_state, load_weights, read_config, save_weights
from textmill.tasks.ensemble.candidates import choose
from textmill.tasks.ensemble.model_folder import save_task_model
from textmill.tasks.ensemble.predictor import network_scorer
from textmill.tasks.ensemble.seeds import (
    Tuned,
    finish_training,
    finished_training,
    tune_networks,
)
from textmill.tasks.epochs import default_epochs
from textmill.tasks.kinds import Examples, Network, examples_of, network_of
from textmill.tasks.leaks import find_overlap, kept_examples
from textmill.training.batches import Batches, by_length, in_order, n_steps
from textmill.training.fit import fit
from textmill.training.module import FitModule
from textmill.training.objectives import Batch

VALIDATION_BATCH_SIZE = 64


class FinetuneModule(FitModule):
    """A task's network; keeps the weights with the best validation score.

    Training stops early when `patience` validations in a row were no better (Prechelt 1998, "Early
    Stopping – But When?").

    Args:
        network: the network of the task.
        kind: the network module of its kind.
        selection: the validation metric that selects the best epoch.
        config: the task's finetune section.
        n_batches: micro-batches of the whole training.
        validation: validation batches.
        best: folder for the best weights.
    """

    settings = "finetune"

    def __init__(
        self,
        network: nn.Module,
        kind: Network,
        selection: str,
        config: FinetuneConfig,
        n_batches: int,
        validation: Batches,
        best: Path,
    ) -> None:
        warmup_steps = int(config.warmup_share * n_steps(n_batches, config.accumulate))
        super().__init__(network, config, n_batches, warmup_steps)
        self.kind = kind
        self.selection = selection
        self.label_smoothing = config.label_smoothing
        self.validation = validation
        self.best = best
        self.best_score = (float("-inf"), float("-inf"))
        self.patience = config.patience
        self.n_worse = 0
        """Validations since the best one."""

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Return the contribution of a micro-batch to the task's loss."""
        return {"loss": self.kind.loss(self.network, batch, self.label_smoothing)}

    def validate(self) -> dict[str, float]:
        """Return the task's validation metrics, and save the weights if they are the best."""
        device = self.device
        batches = ({k: v.to(device) for k, v in batch.items()} for batch in self.validation)
        metrics = self.kind.validate(self.kept, batches)
        score = (metrics[self.selection], -metrics["loss"])
        self.n_worse += 1
        self.is_finished = self.n_worse == self.patience
        if score > self.best_score:
            self.best_score = score
            self.n_worse, self.is_finished = 0, False
            staging = self.best.with_name(".best")
            shutil.rmtree(staging, ignore_errors=True)
            staging.mkdir()
            save_weights(self.kept.state_dict(), staging)
            shutil.rmtree(self.best, ignore_errors=True)
            staging.rename(self.best)
        return {f"validation/{name}": value for name, value in metrics.items()}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the best score, and the validations since, to the checkpoint."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["best_score"] = self.best_score
        checkpoint["n_worse"] = self.n_worse

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore the best score, unless the process was killed before its weights were saved."""
        super().on_load_checkpoint(checkpoint)
        if self.best.exists():
            self.best_score = checkpoint["best_score"]
            self.n_worse = checkpoint["n_worse"]


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
    kind, trained = examples_of(config.kind), network_of(config.kind)
    examples = training_examples(config, kind)
    train, validation = split_examples(config, kind, examples)
    if config.validation is None:
        spec = kind.make_spec(config, [*train, *validation])  # a label may occur only once
    else:
        spec = kind.make_spec(config, train)
        kind.check_examples(config, spec, validation)
    tokenizer = load_tokenizer(inputs["backbone"])
    block_size = read_config(inputs["backbone"]).block_size
    encoded = trained.encode(tokenizer, spec, train, block_size)
    held_out = trained.encode(tokenizer, spec, validation, block_size)
    held_out.sort(key=lambda example: len(example.ids))

    def tune(seeded: TaskConfig, place: Path) -> Tuned:
        return tune_network(seeded, spec, inputs["backbone"], (encoded, held_out), place)

    tuned, metrics = tune_networks(config, work, tune)
    networks = [one.network for one in tuned]
    accelerator = config.finetune.accelerator
    scorers = [
        network_scorer(config.kind, spec, network, tokenizer, accelerator) for network in networks
    ]
    choice = choose(config, spec, networks, scorers, (train, validation), examples)
    save_task_model(config, spec, choice, networks, inputs["backbone"], out)
    write_json(
        out / "metrics.json",
        {
            **choice.metrics,
            **metrics,
            "train_examples": len(encoded),
            "validation_examples": len(held_out),
            "cut_examples": sum(example.is_cut for example in encoded),
        },
    )


def tune_network(
    config: TaskConfig,
    spec: Any,
    backbone: Path,
    splits: tuple[Sequence[Any], Sequence[Any]],
    work: Path,
) -> Tuned:
    """Return the network with the best validation score of a training, in eval mode.

    Args:
        config: the task, with the seed of the network.
        spec: the kind's settings of the model.
        backbone: folder of the pretrain step.
        splits: encoded examples for training and validation.
        work: a folder with the checkpoints of an interrupted training, or its result, if any.
    """
    settings = config.finetune
    torch.manual_seed(settings.seed)
    trained, (encoded, held_out) = network_of(config.kind), splits
    loaded = models.load(backbone, dropout=settings.dropout)
    network = trained.build(loaded, spec, settings.dropout, settings.attention == "causal")
    network.train()
    order = by_length(
        [len(example.ids) for example in encoded], settings.micro_batch_size, settings.seed
    )
    per_epoch = len(order(0))
    n_epochs = settings.epochs or default_epochs(len(encoded))
    n_batches = n_epochs * per_epoch
    if settings.max_steps is not None:
        n_batches = min(n_batches, settings.max_steps * settings.accumulate)
    module = FinetuneModule(
        network,
        trained,
        examples_of(config.kind).SELECTION,
        settings,
        n_batches,
        Batches(
            in_order(len(held_out), VALIDATION_BATCH_SIZE),
            lambda rows: trained.collate([held_out[row] for row in rows]),
        ),
        work / "best",
    )

    module.identity = {
        f"tasks.{config.name}": key_values(config),
        "tokenizer": digest_file(backbone / "tokenizer.json"),
        "backbone": digest_file(backbone / "model.safetensors"),
    }

    def collate(rows: Sequence[int]) -> Batch:
        return trained.collate([encoded[row] for row in rows])

    result = finished_training(work, module.identity)
    if result is None:
        fit(module, order, collate, ends_of_epochs(n_epochs, per_epoch, settings.accumulate), work)
        epochs = min(n_batches, module.global_step * settings.accumulate) / per_epoch
        result = {"score": module.best_score[0], "epochs": epochs}
        finish_training(work, module.identity, **result)
    load_state(network, load_weights(work / "best"), work / "best")
    return Tuned(network.eval(), **result)


def ends_of_epochs(n_epochs: int, per_epoch: int, accumulate: int) -> set[int]:
    """Return the optimizer steps, counted from 1, that contain the last batch of an epoch.

    A step may also contain the first batches of the next epoch, or several short epochs.

    Args:
        n_epochs: number of epochs.
        per_epoch: micro-batches per epoch.
        accumulate: micro-batches per optimizer step.
    """
    return {n_steps(epoch * per_epoch, accumulate) for epoch in range(1, n_epochs + 1)}


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
    n_validation = round(len(examples) * config.validation_share)
    if not 0 < n_validation < len(examples):
        raise InputError(
            f"tasks.{config.name}: too few training examples ({len(examples)}) to split off "
            f"validation_share={config.validation_share}: add more, or set a validation file."
        )
    indices = np.random.default_rng(config.finetune.seed).permutation(len(examples))
    chosen = set(indices[:n_validation].tolist())
    return (
        [example for i, example in enumerate(examples) if i not in chosen],
        [example for i, example in enumerate(examples) if i in chosen],
    )
