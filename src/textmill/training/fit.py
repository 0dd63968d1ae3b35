"""The training loop on Lightning: what pretraining and fine-tuning have in common."""

from __future__ import annotations

import logging
import math
import resource
import signal
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import lightning.pytorch as pl
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn

from textmill.config import OptimizationConfig
from textmill.errors import RunError
from textmill.model import GPT
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
from textmill.training.speed import peak_flops

log = logging.getLogger(__name__)


class FitModule(pl.LightningModule, ABC):
    """A network with its loss, its validation, and an exactly resumable state.

    Attributes:
        settings: the section of the configuration, for messages.

    Args:
        network: what is trained.
        config: optimizer settings.
        total_steps: optimizer steps.
        warmup_steps: steps in which the learning rate rises.
    """

    settings: ClassVar[str]

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
        self.learning_rate = 0.0
        """Of the newest step: the schedule has gone on to the next when it is logged."""
        self.update_norm: Tensor | None = None
        """Norm of the change of all parameters at the newest step that was logged."""
        self.spent = {"seconds": 0.0, "flops": 0.0}
        """On training so far, resumed runs included."""
        self._random_state: dict[str, Tensor] | None = None

    @abstractmethod
    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Return the `loss` of a batch, and its parts, if any, to be logged."""

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
        self.update_norm = nn.utils.get_total_norm(changes)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what was spent, and the random state, which Lightning leaves out."""
        checkpoint["random_state"] = random_state()
        checkpoint["spent"] = dict(self.spent)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take both; the random state is set when everything else has been set up."""
        self._random_state = checkpoint["random_state"]
        self.spent = dict(checkpoint["spent"])

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


@dataclass
class _Stretch:
    """The micro-batches since the last line of the log."""

    losses: list[dict[str, Tensor]] = field(default_factory=list)
    documents: list[Tensor] = field(default_factory=list)
    """Of every micro-batch the number of each token's document, (B, T); -1 on padding."""
    started_s: float = field(default_factory=time.perf_counter)

    def mean(self, name: str) -> float:
        """Return the mean of a loss."""
        return torch.stack([losses[name] for losses in self.losses]).mean().item()


class _Watch(pl.Callback):
    """Logs, validates and saves, in this order, at the steps that are due.

    Validation runs here and not in Lightning's own loop: so a checkpoint always comes after the
    validation of its step, and a resumed run neither repeats nor misses one.
    """

    def __init__(self, config: OptimizationConfig, work: Path, validate_every_steps: int) -> None:
        self.config = config
        self.work = work
        self.validate_every_steps = validate_every_steps
        self.is_ending = False

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, FitModule)
        self.metrics = MetricsFile(self.work, pl_module.total_steps)
        self.last_step = trainer.global_step
        (self.gpt,) = (child for child in pl_module.network.modules() if isinstance(child, GPT))
        is_bf16 = self.config.precision == "bf16"
        self.peak_flops = peak_flops(pl_module.device.type, is_bf16)
        if threading.current_thread() is threading.main_thread():
            # In place of Lightning's own, which breaks off between the micro-batches of a step;
            # Lightning puts back the one before both.
            signal.signal(signal.SIGTERM, self._end)
        self.stretch = _Stretch()

    def _end(self, *_: object) -> None:
        self.is_ending = True

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
        self.stretch.losses.append(outputs)
        self.stretch.documents.append(batch["documents"])
        step = trainer.global_step
        if step == self.last_step:
            return  # gradients are still being accumulated
        self.last_step = step
        is_last = step == pl_module.total_steps
        if pl_module.is_logged(step):
            self._check_numbers(pl_module, step)
            self._log(pl_module, step)
        if step % self.validate_every_steps == 0 or is_last:
            with _evaluating(trainer, pl_module):
                self.metrics.write(step, pl_module.validate())
            self._restart(pl_module)
        if is_last:
            self.metrics.write(step, self._costs(pl_module))
            return
        end = self._why_to_end(pl_module)
        if step % self.config.checkpoint_every_steps == 0 or end:
            self._check_numbers(pl_module, step)
            self._restart(pl_module)  # so that it is saved what was spent
            trainer.save_checkpoint(checkpoint_folder(self.work, step))
            keep_newest(self.work, self.config.keep_checkpoints)
        if end:
            raise RunError(f"Training was ended at step {step}, which is saved: {end}.")

    def _check_numbers(self, module: FitModule, step: int) -> None:
        """Stop before a model is saved whose loss or gradient has left the numbers, or has leapt.

        Raises:
            RunError: one of them is infinite or not a number, or the loss has risen too far.
        """
        assert module.gradient_norm is not None
        if not self.stretch.losses:
            return
        losses = torch.stack([losses["loss"] for losses in self.stretch.losses]).tolist()
        lowest = self.metrics.lowest.get("train/loss", math.inf)
        rise = self.config.max_loss_rise
        if not math.isfinite(sum(losses) + module.gradient_norm.item()):
            problem = "The loss or the gradient is not a finite number"
            culprit = next((i for i, loss in enumerate(losses) if not math.isfinite(loss)), -1)
        elif rise is not None and sum(losses) / len(losses) > lowest + rise:
            problem = f"The loss has risen from {lowest:.3f} to {sum(losses) / len(losses):.3f}"
            culprit = losses.index(max(losses))
        else:
            return
        first = step - (len(losses) - 1) // self.config.accumulate
        at = first + culprit // self.config.accumulate if culprit >= 0 else step
        batch = module.describe(self.stretch.documents[culprit])
        raise RunError(
            f"{problem} at step {at}{f', in a batch of {batch}' if batch else ''}: lower "
            f"{module.settings}.learning_rate, or warm up for longer. The newest checkpoint is "
            f"{newest_checkpoint(self.work)}."
        )

    def _log(self, module: FitModule, step: int) -> None:
        stretch = self.stretch
        seconds, n_tokens, flops = self._restart(module)
        n_steps = len(stretch.losses) / self.config.accumulate
        assert module.gradient_norm is not None
        assert module.update_norm is not None
        self.metrics.write(
            step,
            {
                **{f"train/{name}": stretch.mean(name) for name in stretch.losses[0]},
                "train/learning_rate": module.learning_rate,
                "train/gradient_norm": module.gradient_norm.item(),
                "train/update_norm": module.update_norm.item(),
                "train/tokens_per_s": n_tokens / seconds,
                "train/flops_per_s": flops / seconds,
                "train/mfu": flops / seconds / self.peak_flops,
                "train/padding_share": 1 - n_tokens / sum(n.numel() for n in stretch.documents),
                "train/peak_memory_mib": _peak_memory_mib(module.device),
                "train/seconds_left": (module.total_steps - step) * seconds / n_steps,
            },
        )

    def _why_to_end(self, module: FitModule) -> str | None:
        """Return why training has to end before its last step, if it has."""
        if self.is_ending:
            return "its process was told to; run again to go on"
        running_s = time.perf_counter() - self.stretch.started_s
        hours = (module.spent["seconds"] + running_s) / 3600
        limit, price = self.config.max_hours, self.config.price_per_hour
        if limit is not None and hours > limit:
            spent = f"max_hours={limit}"
        elif self.config.max_cost is not None and price and hours * price > self.config.max_cost:
            spent = f"max_cost={self.config.max_cost}"
        else:
            return None
        return f"{module.settings}.{spent} is used up; raise it to go on"

    def _costs(self, module: FitModule) -> dict[str, float]:
        """Return what the whole training has cost."""
        self._restart(module)
        hours = module.spent["seconds"] / 3600
        costs = {"cost/hours": hours, "cost/flops": module.spent["flops"]}
        if self.config.watts is not None:
            costs["cost/energy_kwh"] = hours * self.config.watts / 1000
        if self.config.price_per_hour is not None:
            costs["cost/money"] = hours * self.config.price_per_hour
        return costs

    def _restart(self, module: FitModule) -> tuple[float, int, float]:
        """Begin a new stretch; return the seconds, tokens and operations of the one that ends.

        Padding counts as neither. What was spent grows by both.
        """
        seconds = time.perf_counter() - self.stretch.started_s
        counts = [int((numbers >= 0).sum()) for numbers in self.stretch.documents]
        widths = [numbers.size(1) for numbers in self.stretch.documents]
        flops = sum(n * self.gpt.flops_per_token(w) for n, w in zip(counts, widths, strict=True))
        module.spent["seconds"] += seconds
        module.spent["flops"] += flops
        self.stretch = _Stretch()
        return seconds, sum(counts), flops


def _peak_memory_mib(device: torch.device) -> float:
    """Return the most memory that this process has held, the GPU's where it computes there."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


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
        RunError: the accelerator is not there; the loss or gradient is not a finite number, or the
            loss has leapt; or training was ended by SIGTERM or its budget, at a checkpoint.
    """
    config = module.config
    if config.accelerator == "cuda" and not torch.cuda.is_available():
        raise RunError(
            f"{module.settings}.accelerator=cuda: torch finds no CUDA GPU here; set it to cpu."
        )
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


@contextmanager
def _evaluating(trainer: pl.Trainer, module: FitModule) -> Iterator[None]:
    """Switch to eval mode, without gradients, in the precision of training."""
    module.eval()
    with torch.inference_mode(), trainer.precision_plugin.val_step_context():
        yield
    module.train()
