"""What the training loop trains: a network with its loss, its validation, and its state."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import lightning.pytorch as pl
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from textmill.config import OptimizationConfig, flatten
from textmill.errors import InputError
from textmill.training.batches import n_steps
from textmill.training.checkpoint import random_state, restore_random_state
from textmill.training.objectives import Batch
from textmill.training.optimizers import learning_rate_factor, make_optimizer


class FitModule(pl.LightningModule, ABC):
    """A network with its loss, its validation, and an exactly resumable state.

    Attributes:
        settings: the section of the configuration, for messages.

    Args:
        network: what is trained.
        config: optimizer settings.
        n_batches: micro-batches of the whole training, of all devices; the last optimizer step has
            fewer than the others where `accumulate` does not divide them.
        warmup_steps: steps in which the learning rate rises.
    """

    settings: ClassVar[str]

    def __init__(
        self, network: nn.Module, config: OptimizationConfig, n_batches: int, warmup_steps: int
    ) -> None:
        super().__init__()
        self.network = network
        self.config = config
        self.n_batches = n_batches
        self.total_steps = n_steps(n_batches, config.accumulate)
        self.warmup_steps = warmup_steps
        self.gradient_norm: Tensor | None = None
        """Norm before clipping at the newest step."""
        self.learning_rate = 0.0
        """Of the newest step: the schedule has gone on to the next when it is logged."""
        self.update_norm: Tensor | None = None
        """Norm of the change of all parameters at the newest step that was logged."""
        self.spent = {"seconds": 0.0, "flops": 0.0}
        """On training so far, resumed runs included."""
        self.micro_batch = 0
        """Number of the next micro-batch of this device among those of all devices."""
        self.identity: Mapping[str, Any] = {}
        """What the result depends on: a checkpoint of another one is refused."""
        self._random_state: dict[str, Tensor] | None = None
        self._n_targets: Tensor | None = None
        """Of the step, on all devices."""

    def prepare(self, batch: Batch, number: int) -> Batch:
        """Return a collated micro-batch as it is trained on, with its `n_targets`.

        Args:
            batch: as it was collated, on the CPU.
            number: of the micro-batch in the whole training: what chance decides hangs on it alone.
        """
        return batch

    @abstractmethod
    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Return what a micro-batch adds to the `loss` of its step, and to the parts that it has.

        Sums are divided by the batch's `n_targets`, which are those of the whole step.
        """

    @abstractmethod
    def validate(self) -> dict[str, float]:
        """Return metrics on the validation data; the caller has set eval mode and precision."""

    def describe(self, documents: Tensor) -> str:
        """Return what a batch consists of, in words that find it in the data; empty if unknown.

        Args:
            documents: (B, T), the number of each token's document.
        """
        return ""

    def is_logged(self, step: int) -> bool:
        """Return whether a line of the log is due after so many optimizer steps."""
        return step % self.config.log_every_steps == 0 or step == self.total_steps

    def training_step(self, batch: Batch, batch_index: int) -> dict[str, Tensor]:
        """Return the losses: Lightning's name for it."""
        losses = self.losses(self._with_all_targets(batch, batch_index))
        self.micro_batch += self.trainer.world_size
        # Lightning divides by the micro-batches of a device, and averages over devices.
        parts = self.trainer.accumulate_grad_batches * self.trainer.world_size
        return losses | {"loss": losses["loss"] * parts}

    def _with_all_targets(self, batch: Batch, batch_index: int) -> Batch:
        """Return a micro-batch with the targets that all devices have in its step."""
        if self.trainer.world_size == 1:
            return batch
        if batch_index % self.trainer.accumulate_grad_batches == 0:
            mine = batch["n_targets"].clone()  # it is summed in place
            self._n_targets = self.trainer.strategy.reduce(mine, reduce_op="sum")
        assert self._n_targets is not None
        return batch | {"n_targets": self._n_targets}

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Return the optimizer and its schedule."""
        optimizer = make_optimizer(self.network, self.config)
        factor = learning_rate_factor(self.config, self.total_steps, self.warmup_steps)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def configure_gradient_clipping(self, *args: Any, **kwargs: Any) -> None:
        """Clip the gradient by its norm, and keep the norm."""
        parameters = list(self.network.parameters())
        self.gradient_norm = _norm([p.grad for p in parameters if p.grad is not None])
        nn.utils.clip_grads_with_norm_(parameters, self.config.gradient_clip, self.gradient_norm)

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Step the optimizer, and measure the change where it will be logged."""
        optimizer = self.optimizers(use_pl_optimizer=False)
        assert isinstance(optimizer, torch.optim.Optimizer)  # there is one
        self.learning_rate = optimizer.param_groups[0]["lr"]
        if not self.is_logged(self.global_step + 1):
            super().optimizer_step(*args, **kwargs)
            return
        before = [parameter.detach().clone() for parameter in self.network.parameters()]
        super().optimizer_step(*args, **kwargs)
        with torch.no_grad():
            changes = torch._foreach_sub(list(self.network.parameters()), before)
        self.update_norm = _norm(changes)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what Lightning leaves out: which training it is, random state, and what was spent."""
        checkpoint["identity"] = flatten(self.identity)
        checkpoint["random_state"] = random_state()
        checkpoint["spent"] = dict(self.spent)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take what was added; the random state is set when everything else has been set up.

        Lightning counts the micro-batches of one device: of how many there were says nothing here.

        Raises:
            InputError: the checkpoint is of another training; the first difference is named.
        """
        self._check_identity(checkpoint["identity"])
        progress = checkpoint["loops"]["fit_loop"]["epoch_loop.batch_progress"]
        taken = checkpoint["global_step"] * self.trainer.accumulate_grad_batches
        for counts in (progress["total"], progress["current"]):
            counts.update(dict.fromkeys(counts, taken))
        self._random_state = checkpoint["random_state"]
        self.spent = dict(checkpoint["spent"])

    def _check_identity(self, there: Mapping[str, Any]) -> None:
        here = flatten(self.identity)
        for name in [*here, *there]:
            if here.get(name) != there.get(name):
                raise InputError(
                    f"The checkpoint {self.trainer.ckpt_path} is of another training: {name} is "
                    f"{there.get(name)!r} there and {here.get(name)!r} here. Move it away to begin "
                    "anew, or train with what it was made with."
                )

    def on_train_start(self) -> None:
        """Go on with the random numbers of the interrupted run."""
        self.micro_batch = self.global_step * self.config.accumulate + self.global_rank
        if self._random_state is not None:
            restore_random_state(self._random_state)


def _norm(tensors: Sequence[Tensor]) -> Tensor:
    """Return the norm of all tensors together; of those that devices split, of all parts."""
    norm = nn.utils.get_total_norm(tensors)
    return norm.full_tensor() if isinstance(norm, DTensor) else norm
