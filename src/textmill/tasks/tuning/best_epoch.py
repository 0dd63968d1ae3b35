"""Training of a task's network: the weights of the epoch with the best validation score."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from textmill.config import FinetuneConfig, TaskConfig, flatten
from textmill.errors import RunError
from textmill.files import digest_values, read_json, sync_folder, write_json
from textmill.model import GPT
from textmill.model.layout import load_state, load_weights, save_weights
from textmill.tasks.kinds import Network, examples_of, network_of
from textmill.tasks.tuning.methods import flops_per_token, release, restrict
from textmill.training.batches import Batches, by_length, in_order, n_steps, to_device
from textmill.training.fit import fit
from textmill.training.module import FitModule
from textmill.training.objectives import Batch
from textmill.training.optimization.moving_average import frozen_names
from textmill.training.passes import default_dropout, default_epochs

if TYPE_CHECKING:
    from tokenizers import Tokenizer

VALIDATION_BATCH_SIZE = 64
FINISHED = "finished.json"
"""In the work folder of a finished training, which is not repeated if its step is interrupted."""


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

    def flops_per_token(self, n_tokens: int) -> int:
        """Return the FLOPs of a step of the backbone per token, for rows of n_tokens."""
        backbone: Any = self.network.backbone
        if isinstance(backbone, GPT):
            return flops_per_token(backbone, n_tokens)
        return int(backbone.flops_per_token(n_tokens))  # a recurrent one

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Return the contribution of a micro-batch to the task's loss."""
        return {"loss": self.kind.loss(self.network, batch, self.label_smoothing)}

    def validate(self) -> dict[str, float]:
        """Return the task's validation metrics, and save the weights if they are the best."""
        batches = (to_device(batch, self.device) for batch in self.validation)
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
            frozen = frozen_names(self.network)
            weights = self.kept.state_dict()
            save_weights({n: weights[n] for n in weights if n not in frozen}, staging)
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


@dataclass(frozen=True)
class Trained:
    """A trained network of a task."""

    network: nn.Module
    """With the weights of the best epoch, in eval mode."""
    best_score: float
    """Its validation score, by which the epoch was selected."""
    epochs: float
    """Number of epochs trained."""
    n_cut: int
    """Number of training examples that were truncated."""


def train_network(
    config: TaskConfig,
    spec: Any,
    make_backbone: Callable[[float], nn.Module],
    tokenizer: Tokenizer,
    splits: tuple[Sequence[Any], Sequence[Any]],
    identity: Mapping[str, Any],
    work: Path,
) -> Trained:
    """Return a network that was trained for a task, with the weights of its best epoch.

    Args:
        config: the task.
        spec: the kind's settings of the model.
        make_backbone: returns the backbone to build on, with this dropout; called once the seed is
            set, and once more after training if the backbone is frozen.
        tokenizer: that of the backbone.
        splits: the training examples, and those that select the best epoch.
        identity: everything that the result depends on: checkpoints with another are rejected.
        work: a folder with the checkpoints of an interrupted training, or its result, if any.

    Raises:
        InputError: the machine lacks the device, or the checkpoints are of another training.
        RunError: the training diverged, or was stopped at a checkpoint.
    """
    settings = config.finetune
    torch.manual_seed(settings.seed)
    trained = network_of(config.kind)
    n_examples = len(splits[0])
    n_epochs = settings.epochs or default_epochs(n_examples, trained.SEEN_EXAMPLES)
    per_epoch = math.ceil(n_examples / settings.micro_batch_size)
    n_batches = n_epochs * per_epoch
    if settings.max_steps is not None:
        n_batches = min(n_batches, settings.max_steps * settings.accumulate)
    dropout = settings.dropout
    if dropout is None:
        dropout = default_dropout(n_batches / per_epoch, trained.EPOCHS_WITHOUT_DROPOUT)
    # The features of a frozen backbone are those that it has at prediction.
    inner_dropout = 0.0 if settings.method == "head" else dropout
    backbone: Any = make_backbone(inner_dropout)
    network = trained.build(backbone, spec, dropout, settings.attention == "causal")
    restrict(network, settings)
    network.train()
    encoded, held_out = (
        trained.encode(tokenizer, spec, examples, backbone.config.block_size) for examples in splits
    )
    held_out.sort(key=lambda example: len(example.ids))

    order = by_length(
        [len(example.ids) for example in encoded], settings.micro_batch_size, settings.seed
    )
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
    module.identity = identity

    def collate(rows: Sequence[int]) -> Batch:
        return trained.collate([encoded[row] for row in rows])

    result = finished_training(work, identity)
    if result is None:
        fit(module, order, collate, ends_of_epochs(n_epochs, per_epoch, settings.accumulate), work)
        epochs = min(n_batches, module.global_step * settings.accumulate) / per_epoch
        result = {"best_score": module.best_score[0], "epochs": epochs}
        finish_training(work, identity, **result)
    best = load_weights(work / "best")
    state = network.state_dict()
    load_state(network, {n: state[n] for n in frozen_names(network)} | best, work / "best")
    if settings.method != "full":
        release(network, make_backbone(inner_dropout), settings)
    n_cut = sum(example.is_cut for example in encoded)
    return Trained(network.eval(), n_cut=n_cut, **result)


def finished_training(work: Path, identity: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what `finish_training` wrote, unless it was another training, or none has finished."""
    try:
        found = read_json(work / FINISHED)
    except (OSError, RunError):
        return None
    is_same = isinstance(found, dict) and found.pop("identity", None) == _digest(identity)
    return found if is_same else None


def finish_training(work: Path, identity: Mapping[str, Any], **values: float) -> None:
    """Write that the training in a work folder is finished, once its best weights are on disk."""
    sync_folder(work / "best")
    write_json(work / FINISHED, values | {"identity": _digest(identity)})


def _digest(identity: Mapping[str, Any]) -> str:
    return digest_values(flatten(identity))


def ends_of_epochs(n_epochs: int, per_epoch: int, accumulate: int) -> set[int]:
    """Return the optimizer steps, counted from 1, that contain the last batch of an epoch.

    A step may also contain the first batches of the next epoch, or several short epochs.

    Args:
        n_epochs: number of epochs.
        per_epoch: micro-batches per epoch.
        accumulate: micro-batches per optimizer step.
    """
    return {n_steps(epoch * per_epoch, accumulate) for epoch in range(1, n_epochs + 1)}
