"""The training loop on Lightning: what pretraining and fine-tuning have in common."""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn

from textmill.config import OptimizationConfig
from textmill.errors import RunError
from textmill.training.batches import BatchStream, Collate, Order
from textmill.training.checkpoint import (
    FolderCheckpointIO,
    checkpoint_folder,
    keep_newest,
    newest_checkpoint,
    random_state,
    restore_random_state,
)
from textmill.training.metrics_file import MetricsFile
from textmill.training.objectives import Batch
from textmill.training.optimizers import learning_rate_factor, make_optimizer

log = logging.getLogger(__name__)


class FitModule(pl.LightningModule, ABC):
    """A network with its loss, its validation, and an exactly resumable state.

    Args:
        network: what is trained.
        config: optimizer settings.
        total_steps: optimizer steps.
        warmup_steps: steps in which the learning rate rises.
    """

    def __init__(
        self, network: nn.Module, config: OptimizationConfig, total_steps: int, warmup_steps: int
    ) -> None:
        super().__init__()
        self.network = network
        self.config = config
        self.total_steps = total_steps
        self.warmup_steps = warmup_steps
        self.gradient_norm: Tensor | None = None
        """Norm before clipping at the newest step."""
        self._random_state: dict[str, Tensor] | None = None

    @abstractmethod
    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Return the `loss` of a batch, and its parts, if any, to be logged."""

    @abstractmethod
    def validate(self) -> dict[str, float]:
        """Return metrics on the validation data; the caller has set eval mode and precision."""

    def training_step(self, batch: Batch, batch_index: int) -> dict[str, Tensor]:
        """Return the losses: Lightning's name for it."""
        return self.losses(batch)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Return the optimizer and its schedule."""
        optimizer = make_optimizer(self.network, self.config)
        factor = learning_rate_factor(self.config, self.total_steps, self.warmup_steps)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def configure_gradient_clipping(self, *args: Any, **kwargs: Any) -> None:
        """Clip the gradient by its norm, and keep the norm."""
        self.gradient_norm = nn.utils.clip_grad_norm_(
            self.network.parameters(), self.config.gradient_clip
        )

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the random state, which Lightning leaves out."""
        checkpoint["random_state"] = random_state()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take the random state; it is set when everything else has been set up."""
        self._random_state = checkpoint["random_state"]

    def on_train_start(self) -> None:
        """Go on with the random numbers of the interrupted run."""
        if self._random_state is not None:
            restore_random_state(self._random_state)


class _Stream(pl.LightningDataModule):
    """Batches from where the restored trainer stands."""

    def __init__(self, order: Order, collate: Collate, accumulate: int) -> None:
        super().__init__()
        self.order, self.collate, self.accumulate = order, collate, accumulate

    def train_dataloader(self) -> BatchStream:
        assert self.trainer is not None
        return BatchStream(self.order, self.collate, self.trainer.global_step * self.accumulate)


class _Watch(pl.Callback):
    """Logs, validates and saves, in this order, at the steps that are due.

    Validation runs here and not in Lightning's own loop: so a checkpoint always comes after the
    validation of its step, and a resumed run neither repeats nor misses one.
    """

    def __init__(self, config: OptimizationConfig, work: Path, validate_every_steps: int) -> None:
        self.config = config
        self.work = work
        self.validate_every_steps = validate_every_steps

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, FitModule)
        self.metrics = MetricsFile(self.work, pl_module.total_steps)
        self.last_step = trainer.global_step
        self._restart()

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
    ) -> None:
        assert isinstance(pl_module, FitModule)
        # Lightning hands back the loss divided by the micro-batches of a step.
        outputs = outputs | {"loss": outputs["loss"].detach() * self.config.accumulate}
        self.losses.append(outputs)
        self.n_tokens.append((batch["documents"] >= 0).sum())
        step = trainer.global_step
        if step == self.last_step:
            return  # gradients are still being accumulated
        self.last_step = step
        is_last = step == pl_module.total_steps
        if step % self.config.log_every_steps == 0 or is_last:
            self._check_numbers(pl_module, step)
            self._log(trainer, pl_module, step)
        if step % self.validate_every_steps == 0 or is_last:
            with _evaluating(trainer, pl_module):
                self.metrics.write(step, pl_module.validate())
            self._restart()
        if step % self.config.checkpoint_every_steps == 0 and not is_last:
            self._check_numbers(pl_module, step)
            trainer.save_checkpoint(checkpoint_folder(self.work, step))
            keep_newest(self.work, self.config.keep_checkpoints)
            self._restart()

    def _check_numbers(self, module: FitModule, step: int) -> None:
        """Stop before a model is saved whose loss or gradient has left the numbers.

        Raises:
            RunError: one of them is infinite or not a number.
        """
        assert module.gradient_norm is not None
        newest = [losses["loss"] for losses in self.losses[-1:]]
        if not torch.stack([*newest, module.gradient_norm]).isfinite().all():
            raise RunError(
                f"The loss or the gradient is not a finite number at step {step}: lower "
                "learning_rate, or raise warmup_steps. The newest checkpoint is "
                f"{newest_checkpoint(self.work)}."
            )

    def _log(self, trainer: pl.Trainer, module: FitModule, step: int) -> None:
        seconds = time.perf_counter() - self.started_s
        n_steps = len(self.losses) / self.config.accumulate
        assert module.gradient_norm is not None
        self.metrics.write(
            step,
            {
                **{f"train/{name}": self._mean(name) for name in self.losses[0]},
                "train/learning_rate": trainer.optimizers[0].param_groups[0]["lr"],
                "train/gradient_norm": module.gradient_norm.item(),
                "train/tokens_per_s": int(torch.stack(self.n_tokens).sum()) / seconds,
                "train/seconds_left": (module.total_steps - step) * seconds / n_steps,
            },
        )
        self._restart()

    def _mean(self, name: str) -> float:
        return torch.stack([losses[name] for losses in self.losses]).mean().item()

    def _restart(self) -> None:
        """Begin a new stretch for the averages."""
        self.losses: list[dict[str, Tensor]] = []
        self.n_tokens: list[Tensor] = []
        self.started_s = time.perf_counter()


def fit(
    module: FitModule,
    order: Order,
    collate: Collate,
    validate_every_steps: int,
    work: Path,
) -> None:
    """Train a module to its last step, from the newest checkpoint in the work folder if any.

    Args:
        module: what to train.
        order: the batches of every epoch.
        collate: makes a batch.
        validate_every_steps: optimizer steps between validations; the last step has one too.
        work: where checkpoints and metrics.jsonl are kept.

    Raises:
        RunError: the accelerator is not there, or the loss or gradient is not a finite number.
    """
    config = module.config
    if config.accelerator == "cuda" and not torch.cuda.is_available():
        raise RunError("accelerator=cuda: torch finds no CUDA GPU here; set accelerator=cpu.")
    trainer = pl.Trainer(
        accelerator="gpu" if config.accelerator == "cuda" else "cpu",
        devices=1,
        precision="bf16-mixed" if config.precision == "bf16" else "32-true",
        max_steps=module.total_steps,
        accumulate_grad_batches=config.accumulate,
        callbacks=[_Watch(config, work, validate_every_steps)],
        plugins=[FolderCheckpointIO()],
        default_root_dir=work,
        logger=False,
        enable_checkpointing=False,  # the callback saves, after validation
        enable_progress_bar=False,  # whoever follows metrics.jsonl shows progress
        enable_model_summary=False,
        num_sanity_val_steps=0,
        limit_val_batches=0,
        use_distributed_sampler=False,
    )
    checkpoint = newest_checkpoint(work)
    data = _Stream(order, collate, config.accumulate)
    trainer.fit(module, datamodule=data, ckpt_path=checkpoint)
    if trainer.global_step < module.total_steps:
        # Lightning returns as if all were well after SIGTERM.
        raise RunError(f"Training was ended at step {trainer.global_step}; run again to go on.")


@contextmanager
def _evaluating(trainer: pl.Trainer, module: FitModule) -> Iterator[None]:
    """Switch to eval mode, without gradients, in the precision of training."""
    module.eval()
    with torch.inference_mode(), trainer.precision_plugin.val_step_context():
        yield
    module.train()
