"""The base Lightning module: a network with its loss, validation, and resumable state."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import lightning.pytorch as pl
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from textmill.config import OptimizationConfig, flatten
from textmill.errors import InputError
from textmill.model import GPT
from textmill.training.batches import n_steps
from textmill.training.checkpoint import random_state, restore_random_state
from textmill.training.objectives import Batch
from textmill.training.optimization.moving_average import MovingAverage, frozen_names
from textmill.training.optimization.optimizers import learning_rate_factor, make_optimizer


class FitModule(pl.LightningModule, ABC):
    """A network with its loss, its validation, and an exactly resumable state.

    Attributes:
        settings: the section of the configuration, for messages.

    Args:
        network: the network to train.
        config: optimizer settings.
        n_batches: micro-batches of the whole training, over all devices; the last optimizer step
            has fewer if `accumulate` does not divide them.
        warmup_steps: steps of learning-rate warm-up.
    """

    settings: ClassVar[str]

    def __init__(
        self, network: nn.Module, config: OptimizationConfig, n_batches: int, warmup_steps: int
    ) -> None:
        super().__init__()
        self.network = network
        self.config = config
        decay = config.average_decay
        self.average = MovingAverage(network, decay) if decay is not None else None
        """The moving average of the weights."""
        self.n_batches = n_batches
        self.total_steps = n_steps(n_batches, config.accumulate)
        self.warmup_steps = warmup_steps
        self.gradient_norm: Tensor | None = None
        """Norm before clipping, at the last step."""
        self.learning_rate = 0.0
        """At the last step; the scheduler has already advanced when it is logged."""
        self.update_norm: Tensor | None = None
        """Norm of the parameter update at the last logged step."""
        self.spent = {"seconds": 0.0, "flops": 0.0}
        """Time and operations so far, resumed runs included."""
        self.micro_batch = 0
        """Global index of this device's next micro-batch."""
        self.identity: Mapping[str, Any] = {}
        """Everything the result depends on: checkpoints with another identity are rejected."""
        self.is_finished = False
        """Whether training stops at the validation that has set it, before the last step."""
        self._random_state: dict[str, Tensor] | None = None
        self._n_targets: Tensor | None = None
        """Targets of the step, over all devices."""

    @property
    def kept(self) -> nn.Module:
        """The network to validate and save: with the average of the weights, if there is one."""
        return self.network if self.average is None else self.average.module

    def flops_per_token(self, n_tokens: int) -> int:
        """Return the FLOPs of a training step per token, for rows of n_tokens."""
        (gpt,) = (child for child in self.network.modules() if isinstance(child, GPT))
        return gpt.flops_per_token(n_tokens)

    def prepare(self, batch: Batch, number: int) -> Batch:
        """Return a collated micro-batch ready for training, with its `n_targets`.

        Args:
            batch: the collated batch, on the CPU.
            number: global index of the micro-batch, the only source of its randomness.
        """
        return batch

    @abstractmethod
    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Return a micro-batch's contribution to the `loss` of its step, and to its parts.

        Sums are divided by the batch's `n_targets`, those of the whole step.
        """

    @abstractmethod
    def validate(self) -> dict[str, float]:
        """Return metrics on the validation data; the caller sets eval mode and precision."""

    def describe(self, documents: Tensor) -> str:
        """Return a description of a batch that identifies it in the data; empty if unknown.

        Args:
            documents: (B, T), the number of each token's document.
        """
        return ""

    def is_logged(self, step: int) -> bool:
        """Return whether to log after an optimizer step."""
        return step % self.config.log_every_steps == 0 or step == self.total_steps

    def training_step(self, batch: Batch, batch_index: int) -> dict[str, Tensor]:
        """Return the losses of a micro-batch."""
        losses = self.losses(self._with_all_targets(batch, batch_index))
        self.micro_batch += self.trainer.world_size
        # Lightning divides by the micro-batches of a device, and averages over devices.
        parts = self.trainer.accumulate_grad_batches * self.trainer.world_size
        return losses | {"loss": losses["loss"] * parts}

    def _with_all_targets(self, batch: Batch, batch_index: int) -> Batch:
        """Return a micro-batch with the number of targets of its step over all devices."""
        if self.trainer.world_size == 1:
            return batch
        if batch_index % self.trainer.accumulate_grad_batches == 0:
            mine = batch["n_targets"].clone()  # it is summed in place
            self._n_targets = self.trainer.strategy.reduce(mine, reduce_op="sum")
        assert self._n_targets is not None
        return batch | {"n_targets": self._n_targets}

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Return the optimizer and its learning-rate scheduler."""
        optimizer = make_optimizer(self.network, self.config)
        factor = learning_rate_factor(self.config, self.total_steps, self.warmup_steps)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def configure_gradient_clipping(self, *args: Any, **kwargs: Any) -> None:
        """Clip the gradient by its norm, and store the norm."""
        parameters = list(self.network.parameters())
        self.gradient_norm = _norm([p.grad for p in parameters if p.grad is not None])
        nn.utils.clip_grads_with_norm_(parameters, self.config.gradient_clip, self.gradient_norm)

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Step the optimizer, average the weights, and measure the update if it will be logged."""
        optimizer = self.optimizers(use_pl_optimizer=False)
        assert isinstance(optimizer, torch.optim.Optimizer)  # there is one
        self.learning_rate = optimizer.param_groups[0]["lr"]
        is_logged = self.is_logged(self.global_step + 1)
        trained: list[Tensor] = [p for p in self.network.parameters() if p.requires_grad]
        before = [p.detach().clone() for p in trained] if is_logged else []
        super().optimizer_step(*args, **kwargs)
        if is_logged:
            with torch.no_grad():
                changes = torch._foreach_sub(trained, before)
            self.update_norm = _norm(changes)
        if self.average is not None:
            self.average.update(self.network)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the identity, the random state, and the time and operations so far.

        Weights that are not trained are left out: the network is built with them.
        """
        for name in self._frozen():
            checkpoint["state_dict"].pop(name, None)
        checkpoint["identity"] = flatten(self.identity)
        checkpoint["random_state"] = random_state()
        checkpoint["spent"] = dict(self.spent)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore what `on_save_checkpoint` added; the random state is set in `on_train_start`.

        Lightning's batch counts are per device: they are converted to the present number of
        devices.

        Raises:
            InputError: the checkpoint is of another training; the message names the difference.
        """
        self._check_identity(checkpoint["identity"])
        here = self.state_dict()
        checkpoint["state_dict"].update({n: here[n] for n in self._frozen() if n in here})
        progress = checkpoint["loops"]["fit_loop"]["epoch_loop.batch_progress"]
        taken = checkpoint["global_step"] * self.trainer.accumulate_grad_batches
        for counts in (progress["total"], progress["current"]):
            counts.update(dict.fromkeys(counts, taken))
        self._random_state = checkpoint["random_state"]
        self.spent = dict(checkpoint["spent"])

    def _frozen(self) -> Iterator[str]:
        """Yield the names of all weights that are not trained, as in a checkpoint."""
        for name in frozen_names(self.network):
            yield from (f"network.{name}", f"average.module.{name}")

    def _check_identity(self, there: Mapping[str, Any]) -> None:
        here = flatten(self.identity)
        for name in [*here, *there]:
            if here.get(name) != there.get(name):
                raise InputError(
                    f"The checkpoint {self.trainer.ckpt_path} is of another training: {name} is "
                    f"{there.get(name)!r} there and {here.get(name)!r} here. Move it away to start "
                    "over, or train with the original settings and data."
                )

    def on_train_start(self) -> None:
        """Restore the random state of the interrupted run."""
        self.micro_batch = self.global_step * self.config.accumulate + self.global_rank
        if self._random_state is not None:
            restore_random_state(self._random_state)


def _norm(tensors: Sequence[Tensor]) -> Tensor:
    """Return the total norm of tensors, over all shards if they are sharded."""
    norm = nn.utils.get_total_norm(tensors)
    return norm.full_tensor() if isinstance(norm, DTensor) else norm
