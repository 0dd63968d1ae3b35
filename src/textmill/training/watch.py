"""What happens at the steps that are due: logging, validation, checkpoints, and the end."""

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
from textmill.model import GPT
from textmill.training.batches import n_steps
from textmill.training.checkpoint import checkpoint_folder, keep_newest, newest_checkpoint
from textmill.training.metrics_file import MetricsFile
from textmill.training.module import FitModule
from textmill.training.objectives import Batch
from textmill.training.planning.speed import peak_flops, peak_memory_bytes


@dataclass
class _Line:
    """What the next line of the log is about: the micro-batches since the one before."""

    losses: list[dict[str, Tensor]] = field(default_factory=list)
    documents: list[Tensor] = field(default_factory=list)
    """Of the newest micro-batches the number of each token's document, (B, T); -1 on padding. Those
    before training was resumed are not kept."""
    n_tokens: int = 0
    """Counted so far, of all devices, without padding."""
    n_positions: int = 0
    """The same with padding."""


@dataclass
class _Stretch:
    """The micro-batches since a line of the log, a validation or a checkpoint: what is timed."""

    documents: list[Tensor] = field(default_factory=list)
    started_s: float = field(default_factory=time.perf_counter)


class Watch(pl.Callback):
    """Logs, validates and saves, in this order, at the steps that are due.

    Validation runs here and not in Lightning's own loop: so a checkpoint always comes after the
    validation of its step, and a resumed run neither repeats nor misses one.
    """

    def __init__(self, config: OptimizationConfig, work: Path, validate_at: Container[int]) -> None:
        self.config = config
        self.work = work
        self.validate_at = validate_at
        self.is_ending = False
        self.line = _Line()
        self._restored: dict[str, Any] = {}

    def state_dict(self) -> dict[str, Any]:
        """Return the losses since the last line, so that the next one is as if nothing had been."""
        line = self.line
        names = line.losses[0] if line.losses else ()
        return {
            "losses": {name: self._losses_in_order(name) for name in names},
            "n_tokens": line.n_tokens,
            "n_positions": line.n_positions,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take them; they are split when the devices are known."""
        self._restored = state_dict

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Open the metrics, and take SIGTERM for a request to save and end."""
        assert isinstance(pl_module, FitModule)
        self.trainer = trainer
        self.metrics = MetricsFile(self.work, pl_module.total_steps, trainer.is_global_zero)
        self.last_step = trainer.global_step
        (self.gpt,) = (child for child in pl_module.network.modules() if isinstance(child, GPT))
        is_bf16 = self.config.precision == "bf16"
        self.peak_flops = trainer.world_size * peak_flops(pl_module.device.type, is_bf16)
        if threading.current_thread() is threading.main_thread():
            # In place of Lightning's own, which breaks off between the micro-batches of a step;
            # Lightning puts back the one before both.
            signal.signal(signal.SIGTERM, self._end)
        if self._restored:
            self._take_up(pl_module.device)
        self.stretch = _Stretch()

    def _take_up(self, device: torch.device) -> None:
        """Go on with the line that was begun when the checkpoint was saved."""
        saved = self._restored
        mine = slice(self.trainer.global_rank, None, self.trainer.world_size)
        names = list(saved["losses"])
        values = [losses[mine].to(device) for losses in saved["losses"].values()]
        losses = [dict(zip(names, parts, strict=True)) for parts in zip(*values, strict=True)]
        self.line = _Line(losses, [], saved["n_tokens"], saved["n_positions"])

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
        """Do what is due after a micro-batch, where it is the last of its step."""
        assert isinstance(pl_module, FitModule)
        # Lightning hands back the loss divided by the micro-batches of a device.
        outputs = outputs | {"loss": outputs["loss"].detach() / trainer.world_size}
        self.line.losses.append(outputs)
        self.line.documents.append(batch["documents"])
        self.stretch.documents.append(batch["documents"])
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
            self._restart(pl_module)
        if is_last:
            self.metrics.write(step, self._costs(pl_module))
            return
        end = self._why_to_end(pl_module)
        # All devices end with the same step: one alone would wait for the others for ever.
        if trainer.strategy.reduce_boolean_decision(end is not None, all=False):
            end = end or "another device has to; run again to go on"
        if step % self.config.checkpoint_every_steps == 0 or end:
            self._check_numbers(pl_module, step)
            self._restart(pl_module)  # so that it is saved what was spent
            trainer.save_checkpoint(checkpoint_folder(self.work, step))
            if trainer.is_global_zero:
                keep_newest(self.work, self.config.keep_checkpoints)
        if end:
            raise RunError(f"Training was ended at step {step}, which is saved: {end}.")

    def _check_numbers(self, module: FitModule, step: int) -> None:
        """Stop before a model is saved whose loss or gradient has left the numbers, or has leapt.

        Raises:
            RunError: one of them is infinite or not a number, or the loss has risen too far.
        """
        assert module.gradient_norm is not None
        if not self.line.losses:
            return
        losses = self._losses_in_order("loss").tolist()
        loss = sum(losses) / n_steps(len(losses), self.config.accumulate)
        lowest = self.metrics.lowest.get("train/loss", math.inf)
        rise = self.config.max_loss_rise
        if not math.isfinite(sum(losses) + module.gradient_norm.item()):
            problem = "The loss or the gradient is not a finite number"
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
            f"{module.settings}.learning_rate, or warm up for longer. The newest checkpoint is "
            f"{newest_checkpoint(self.work)}."
        )

    def _log(self, module: FitModule, step: int) -> None:
        line = self.line
        per_step = self.trainer.accumulate_grad_batches
        n_timed = n_steps(len(self.stretch.documents), per_step)
        n_logged = n_steps(len(line.losses), per_step)
        losses = {
            f"train/{name}": self._losses_in_order(name).sum().item() / n_logged
            for name in line.losses[0]
        }
        seconds, n_tokens, flops = self._restart(module)
        self.line = _Line()
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
                "train/padding_share": 1 - line.n_tokens / line.n_positions,
                "train/peak_memory_mib": peak_memory_bytes(module.device) / 2**20,
                "train/seconds_left": (module.total_steps - step) * seconds / n_timed,
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

    def _restart(self, module: FitModule) -> tuple[float, int, int]:
        """Begin a new stretch; return the seconds, tokens and operations of the one that ends.

        Padding counts as neither; tokens and operations are those of all devices. What was spent
        grows by both.
        """
        seconds = time.perf_counter() - self.stretch.started_s
        counts = [int((numbers >= 0).sum()) for numbers in self.stretch.documents]
        widths = [numbers.size(1) for numbers in self.stretch.documents]
        per_token = {width: self.gpt.flops_per_token(width) for width in set(widths)}
        flops = sum(n * per_token[width] for n, width in zip(counts, widths, strict=True))
        mine = torch.tensor([sum(counts), flops], dtype=torch.int64, device=module.device)
        n_tokens, flops = self._of_all(mine).sum(0).tolist()
        module.spent["seconds"] += seconds
        module.spent["flops"] += flops
        self.line.n_tokens += n_tokens
        n_positions = sum(numbers.numel() for numbers in self.stretch.documents)
        self.line.n_positions += n_positions * self.trainer.world_size
        self.stretch = _Stretch()
        return seconds, n_tokens, flops

    def _losses_in_order(self, name: str) -> Tensor:
        """Return what each micro-batch of the line added to a loss of its step, in their order."""
        mine = torch.stack([losses[name] for losses in self.line.losses])
        return self._of_all(mine).T.flatten()

    def _documents_of(self, micro_batch: int) -> Tensor | None:
        """Return the documents of a micro-batch of the line, if they are kept."""
        its_turn, device = divmod(micro_batch, self.trainer.world_size)
        kept = its_turn - (len(self.line.losses) - len(self.line.documents))
        return self._of_all(self.line.documents[kept])[device] if kept >= 0 else None

    def _of_all(self, mine: Tensor) -> Tensor:
        """Return what each device has, one after the other; all have to ask for it."""
        if self.trainer.world_size == 1:
            return mine[None]
        gathered: Tensor = self.trainer.strategy.all_gather(mine)
        return gathered


@contextmanager
def _evaluating(trainer: pl.Trainer, module: FitModule) -> Iterator[None]:
    """Switch to eval mode, without gradients, in the precision of training."""
    module.eval()
    with torch.inference_mode(), trainer.precision_plugin.val_step_context():
        yield
    module.train()
