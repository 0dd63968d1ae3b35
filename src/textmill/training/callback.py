"""The training callback: logging, validation, checkpoints, and stopping."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Container, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor

from textmill.config import OptimizationConfig
from textmill.errors import RunError
from textmill.training.batches import n_steps
from textmill.training.checkpoint import checkpoint_folder, keep_newest, newest_checkpoint
from textmill.training.metrics_file import MetricsFile
from textmill.training.module import FitModule
from textmill.training.objectives import Batch
from textmill.training.planning.speed import peak_flops, peak_memory_bytes


@dataclass
class _LogWindow:
    """The micro-batches since the last logged step."""

    losses: list[dict[str, Tensor]] = field(default_factory=list)
    documents: list[Tensor] = field(default_factory=list)
    """Document of each token, (B, T), -1 on padding, by micro-batch; without those before a
    resume."""
    n_tokens: int = 0
    """Tokens so far, over all devices, without padding."""
    n_positions: int = 0
    """Positions so far, over all devices, padding included."""


@dataclass
class _TimedWindow:
    """The micro-batches that are timed: those since a logged step, a validation or a checkpoint."""

    documents: list[Tensor] = field(default_factory=list)
    started_s: float = field(default_factory=time.perf_counter)


class TrainingCallback(pl.Callback):
    """Logs, validates and saves, in this order, at the configured steps.

    Validation runs here rather than in Lightning's own loop: a checkpoint always follows the
    validation of its step, so that a resumed run neither repeats nor misses one.
    """

    def __init__(self, config: OptimizationConfig, work: Path, validate_at: Container[int]) -> None:
        self.config = config
        self.work = work
        self.validate_at = validate_at
        self.stop_requested = False
        self.pending = _LogWindow()
        self._restored: dict[str, Any] = {}

    def state_dict(self) -> dict[str, Any]:
        """Return the losses since the last logged step: a resume does not change the log."""
        pending = self.pending
        names = pending.losses[0] if pending.losses else ()
        return {
            "losses": {name: self._losses_in_order(name) for name in names},
            "n_tokens": pending.n_tokens,
            "n_positions": pending.n_positions,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the losses; they are split over the devices in `on_train_start`."""
        self._restored = state_dict

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Open the metrics file, and handle SIGTERM as a request to save and stop."""
        assert isinstance(pl_module, FitModule)
        self.trainer = trainer
        self.metrics = MetricsFile(self.work, pl_module.total_steps, trainer.is_global_zero)
        self.last_step = trainer.global_step
        self.flops_per_token = pl_module.flops_per_token
        is_bf16 = self.config.precision == "bf16"
        self.peak_flops = trainer.world_size * peak_flops(pl_module.device.type, is_bf16)
        if threading.current_thread() is threading.main_thread():
            # Replaces Lightning's handler, which stops between the micro-batches of a step;
            # Lightning restores the original one.
            signal.signal(signal.SIGTERM, self._request_stop)
        if self._restored:
            self._restore_window(pl_module.device)
        self.window = _TimedWindow()

    def _restore_window(self, device: torch.device) -> None:
        """Restore the losses since the last logged step from the checkpoint."""
        saved = self._restored
        mine = slice(self.trainer.global_rank, None, self.trainer.world_size)
        names = list(saved["losses"])
        values = [losses[mine].to(device) for losses in saved["losses"].values()]
        losses = [dict(zip(names, parts, strict=True)) for parts in zip(*values, strict=True)]
        self.pending = _LogWindow(losses, [], saved["n_tokens"], saved["n_positions"])

    def _request_stop(self, *_: object) -> None:
        self.stop_requested = True

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
    ) -> None:
        """Log, validate, save and stop as due, after the last micro-batch of a step."""
        assert isinstance(pl_module, FitModule)
        # Lightning returns the loss divided by the micro-batches per device.
        outputs = outputs | {"loss": outputs["loss"].detach() / trainer.world_size}
        self.pending.losses.append(outputs)
        self.pending.documents.append(batch["documents"])
        self.window.documents.append(batch["documents"])
        step = trainer.global_step
        if step == self.last_step:
            return  # gradients are still being accumulated
        self.last_step = step
        is_last = step == pl_module.total_steps
        if pl_module.is_logged(step):
            self._check_numbers(pl_module, step)
            self._log(pl_module, step)
        if step in self.validate_at or is_last:
            with _evaluating(trainer, pl_module):
                self.metrics.write(step, pl_module.validate())
            self._close_window(pl_module)
        if is_last or pl_module.is_finished:
            self.metrics.write(step, self._costs(pl_module))
            trainer.should_stop = True
            return
        end = self._stop_reason(pl_module)
        # All devices stop at the same step: a single one would wait for the others forever.
        if trainer.strategy.reduce_boolean_decision(end is not None, all=False):
            end = end or "another device requested it; run again to resume"
        if step % self.config.checkpoint_every_steps == 0 or end:
            self._check_numbers(pl_module, step)
            self._close_window(pl_module)  # updates the time and operations to save
            trainer.save_checkpoint(checkpoint_folder(self.work, step))
            if trainer.is_global_zero:
                keep_newest(self.work, self.config.keep_checkpoints)
        if end:
            raise RunError(f"Training stopped at step {step}, after saving a checkpoint: {end}.")

    def _check_numbers(self, module: FitModule, step: int) -> None:
        """Raise RunError if the loss or gradient is not finite, or the loss has risen too far."""
        assert module.gradient_norm is not None
        if not self.pending.losses:
            return
        losses = self._losses_in_order("loss").tolist()
        loss = sum(losses) / n_steps(len(losses), self.config.accumulate)
        lowest = self.metrics.lowest.get("train/loss", math.inf)
        rise = self.config.max_loss_rise
        if not math.isfinite(sum(losses) + module.gradient_norm.item()):
            problem = "The loss or the gradient is not finite"
            newest = len(losses) - 1
            culprit = next((i for i, loss in enumerate(losses) if not math.isfinite(loss)), newest)
        elif rise is not None and loss > lowest + rise:
            problem = f"The loss has risen from {lowest:.3f} to {loss:.3f}"
            culprit = losses.index(max(losses))
        else:
            return
        first = step - (len(losses) - 1) // self.config.accumulate
        at = first + culprit // self.config.accumulate
        documents = self._documents_of(culprit)
        batch = module.describe(documents) if documents is not None else ""
        raise RunError(
            f"{problem} at step {at}{f', in a batch of {batch}' if batch else ''}: lower "
            f"{module.settings}.learning_rate, or use a longer warm-up. The newest checkpoint is "
            f"{newest_checkpoint(self.work)}."
        )

    def _log(self, module: FitModule, step: int) -> None:
        pending = self.pending
        per_step = self.trainer.accumulate_grad_batches
        n_timed = n_steps(len(self.window.documents), per_step)
        n_logged = n_steps(len(pending.losses), per_step)
        losses = {
            f"train/{name}": self._losses_in_order(name).sum().item() / n_logged
            for name in pending.losses[0]
        }
        seconds, n_tokens, flops = self._close_window(module)
        self.pending = _LogWindow()
        assert module.gradient_norm is not None
        assert module.update_norm is not None
        self.metrics.write(
            step,
            {
                **losses,
                "train/learning_rate": module.learning_rate,
                "train/gradient_norm": module.gradient_norm.item(),
                "train/update_norm": module.update_norm.item(),
                "train/tokens_per_s": n_tokens / seconds,
                "train/flops_per_s": flops / seconds,
                "train/mfu": flops / seconds / self.peak_flops,
                "train/padding_share": 1 - pending.n_tokens / pending.n_positions,
                "train/peak_memory_mib": peak_memory_bytes(module.device) / 2**20,
                "train/seconds_left": (module.total_steps - step) * seconds / n_timed,
            },
        )

    def _stop_reason(self, module: FitModule) -> str | None:
        """Return why training must stop before its last step, or None."""
        if self.stop_requested:
            return "it received SIGTERM; run again to resume"
        running_s = time.perf_counter() - self.window.started_s
        hours = (module.spent["seconds"] + running_s) / 3600
        limit, price = self.config.max_hours, self.config.price_per_hour
        if limit is not None and hours > limit:
            spent = f"max_hours={limit}"
        elif self.config.max_cost is not None and price and hours * price > self.config.max_cost:
            spent = f"max_cost={self.config.max_cost}"
        else:
            return None
        return f"{module.settings}.{spent} is reached; raise it to continue"

    def _costs(self, module: FitModule) -> dict[str, float]:
        """Return the cost of the whole training."""
        self._close_window(module)
        hours = module.spent["seconds"] / 3600
        costs = {"cost/hours": hours, "cost/flops": module.spent["flops"]}
        if self.config.watts is not None:
            costs["cost/energy_kwh"] = hours * self.config.watts / 1000
        if self.config.price_per_hour is not None:
            costs["cost/money"] = hours * self.config.price_per_hour
        return costs

    def _close_window(self, module: FitModule) -> tuple[float, int, int]:
        """Close the timed window; return its seconds, and its tokens and FLOPs over all devices.

        Padding does not count. The totals are added to `spent`.
        """
        seconds = time.perf_counter() - self.window.started_s
        counts = [int((numbers >= 0).sum()) for numbers in self.window.documents]
        widths = [numbers.size(1) for numbers in self.window.documents]
        per_token = {width: self.flops_per_token(width) for width in set(widths)}
        flops = sum(n * per_token[width] for n, width in zip(counts, widths, strict=True))
        mine = torch.tensor([sum(counts), flops], dtype=torch.int64, device=module.device)
        n_tokens, flops = self._all_gather(mine).sum(0).tolist()
        module.spent["seconds"] += seconds
        module.spent["flops"] += flops
        self.pending.n_tokens += n_tokens
        n_positions = sum(numbers.numel() for numbers in self.window.documents)
        self.pending.n_positions += n_positions * self.trainer.world_size
        self.window = _TimedWindow()
        return seconds, n_tokens, flops

    def _losses_in_order(self, name: str) -> Tensor:
        """Return each micro-batch's contribution to a loss, over all devices, in order."""
        mine = torch.stack([losses[name] for losses in self.pending.losses])
        return self._all_gather(mine).T.flatten()

    def _documents_of(self, micro_batch: int) -> Tensor | None:
        """Return the documents of a micro-batch since the last logged step, if available."""
        its_turn, device = divmod(micro_batch, self.trainer.world_size)
        kept = its_turn - (len(self.pending.losses) - len(self.pending.documents))
        return self._all_gather(self.pending.documents[kept])[device] if kept >= 0 else None

    def _all_gather(self, mine: Tensor) -> Tensor:
        """Return the tensors of all devices, stacked: a collective operation."""
        if self.trainer.world_size == 1:
            return mine[None]
        gathered: Tensor = self.trainer.strategy.all_gather(mine)
        return gathered


@contextmanager
def _evaluating(trainer: pl.Trainer, module: FitModule) -> Iterator[None]:
    """Use eval mode, without gradients, in the precision of training."""
    module.eval()
    with torch.inference_mode(), trainer.precision_plugin.val_step_context():
        yield
    module.train()
