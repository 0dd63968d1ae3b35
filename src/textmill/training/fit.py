"""The training loop on Lightning: what pretraining and fine-tuning have in common."""

from __future__ import annotations

from collections.abc import Container, Sequence
from pathlib import Path
from typing import Literal

import lightning.pytorch as pl

from textmill.training.batches import BatchStream, Collate, Make, Order, pinned
from textmill.training.checkpoint import FolderCheckpointIO, newest_checkpoint
from textmill.training.module import FitModule
from textmill.training.objectives import Batch
from textmill.training.parallel.devices import check_device, onednn_products
from textmill.training.parallel.sharding import ShardedStrategy
from textmill.training.watch import Watch


class _Stream(pl.LightningDataModule):
    """Batches from where the restored trainer stands."""

    def __init__(self, order: Order, make: Make, n_batches: int, accumulate: int) -> None:
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
    """Train a module to its last step, from the newest checkpoint in the work folder if any.

    Args:
        module: what to train.
        order: the batches of every epoch.
        collate: makes a batch.
        validate_at: the optimizer steps after which to validate, counted from 1; the last step has
            a validation in any case.
        work: where checkpoints and metrics.jsonl are kept.
        devices: how many split the micro-batches of a step; of more than one, this process is
            one of a group that `ranks.launch` has started.
        strategy: fsdp shares out the weights too; the module's `configure_model` has to do it.

    Raises:
        InputError: the machine has no such device, or the device no such precision.
        RunError: the loss or gradient is not a finite number, or the loss has leapt; or training
            was ended by SIGTERM or its budget, at a checkpoint.
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
        callbacks=[Watch(config, work, validate_at)],
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

    def make(rows: Sequence[int], number: int) -> Batch:
        batch = module.prepare(collate(rows), number)
        return pinned(batch) if config.accelerator == "cuda" else batch

    data = _Stream(order, make, module.n_batches, config.accumulate)
    with onednn_products(config.accelerator):
        trainer.fit(module, datamodule=data, ckpt_path=checkpoint)
