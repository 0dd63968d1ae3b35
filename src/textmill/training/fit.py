"""The training loop on Lightning, shared by pretraining and fine-tuning."""

from __future__ import annotations

from collections.abc import Container, Sequence
from pathlib import Path
from typing import Literal

import lightning.pytorch as pl

from textmill.training.batches import BatchStream, Collate, MakeBatch, Order, pin_memory
from textmill.training.callback import TrainingCallback
from textmill.training.checkpoint import FolderCheckpointIO, newest_checkpoint
from textmill.training.module import FitModule
from textmill.training.objectives import Batch
from textmill.training.parallel.devices import check_device, onednn_matmul
from textmill.training.parallel.sharding import ShardedStrategy


class _Stream(pl.LightningDataModule):
    """Batches from the position of the restored trainer."""

    def __init__(self, order: Order, make: MakeBatch, n_batches: int, accumulate: int) -> None:
        super().__init__()
        self.order, self.make = order, make
        self.n_batches, self.accumulate = n_batches, accumulate

    def train_dataloader(self) -> BatchStream:
        trainer = self.trainer
        assert trainer is not None
        return BatchStream(
            self.order,
            self.make,
            self.n_batches,
            self.accumulate,
            trainer.global_step,
            trainer.global_rank,
            trainer.world_size,
        )


def fit(
    module: FitModule,
    order: Order,
    collate: Collate,
    validate_at: Container[int],
    work: Path,
    devices: int = 1,
    strategy: Literal["ddp", "fsdp"] = "ddp",
) -> None:
    """Train a module to its last step, resuming from the newest checkpoint in the work folder.

    Args:
        module: the module to train.
        order: the batches of every epoch.
        collate: makes a batch.
        validate_at: optimizer steps, counted from 1, after which to validate; the last step is
            always followed by a validation.
        work: folder of checkpoints and metrics.jsonl.
        devices: number of devices that split the micro-batches of a step; with more than one, this
            process is a rank that `ranks.launch` has started.
        strategy: fsdp shards the weights too, in the module's `configure_model`.

    Raises:
        InputError: the machine lacks the devices, or a device the precision.
        RunError: the loss or gradient is not finite, or the loss rose too far; or training was
            stopped at a checkpoint by SIGTERM or its budget.
    """
    config = module.config
    check_device(module.settings, config, devices)
    several = ShardedStrategy(devices) if strategy == "fsdp" else "ddp"
    trainer = pl.Trainer(
        accelerator="gpu" if config.accelerator == "cuda" else "cpu",
        devices=devices,
        strategy=several if devices > 1 else "auto",
        precision="bf16-mixed" if config.precision == "bf16" else "32-true",
        max_steps=module.total_steps,
        accumulate_grad_batches=config.accumulate // devices,
        callbacks=[TrainingCallback(config, work, validate_at)],
        plugins=[FolderCheckpointIO()],
        default_root_dir=work,
        logger=False,
        enable_checkpointing=False,  # the callback saves, after validation
        enable_progress_bar=False,  # the reader of metrics.jsonl shows progress
        enable_model_summary=False,
        num_sanity_val_steps=0,
        limit_val_batches=0,
        use_distributed_sampler=False,
    )
    checkpoint = newest_checkpoint(work)

    def make(rows: Sequence[int], number: int) -> Batch:
        batch = module.prepare(collate(rows), number)
        return pin_memory(batch) if config.accelerator == "cuda" else batch

    data = _Stream(order, make, module.n_batches, config.accumulate)
    with onednn_matmul(config.accelerator):
        trainer.fit(module, datamodule=data, ckpt_path=checkpoint)
