"""The step that trains a backbone on token shards."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from textmill import model as models
from textmill.config import PretrainConfig, PretrainStepConfig
from textmill.corpus.packing import PackedBlocks
from textmill.corpus.tokenizer import TOKENIZER_FILES
from textmill.corpus.tokens import read_index
from textmill.errors import InputError
from textmill.files import write_json
from textmill.model import GPT
from textmill.training.batches import Batches, in_order, shuffled, to_tensors
from textmill.training.fit import FitModule, fit
from textmill.training.objectives import Batch, mask_tokens, objective_losses, token_nll


class PretrainModule(FitModule):
    """A GPT with its objective.

    Args:
        network: the model.
        config: the pretrain group.
        validation: packed blocks to measure the loss on.
        targets_per_byte: tokens to predict in a byte of validation text.
    """

    network: GPT

    def __init__(
        self, network: GPT, config: PretrainConfig, validation: Batches, targets_per_byte: float
    ) -> None:
        super().__init__(network, config, config.max_steps, config.warmup_steps)
        self.pretraining = config
        self.validation = validation
        self.targets_per_byte = targets_per_byte

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Return the objective's losses, in nats per token."""
        return objective_losses(self.network, batch, self.pretraining)

    def validate(self) -> dict[str, float]:
        """Return loss, perplexity and bits per byte on the validation blocks.

        These are the causal ones; an objective that masks adds `validation/masked_loss`, with the
        same tokens hidden every time.
        """
        nll, n_targets = sum_nll(self.network, self.validation)
        metrics = language_metrics(nll / n_targets, self.targets_per_byte, "validation/")
        if self.pretraining.objective != "causal":
            metrics["validation/masked_loss"] = self._masked_loss()
        return metrics

    def _masked_loss(self) -> float:
        generator = torch.Generator().manual_seed(self.pretraining.seed)
        share, vocab_size = self.pretraining.mask_share, self.network.wte.num_embeddings
        chosen = (mask_tokens(b, share, vocab_size, generator) for b in self.validation)
        nll, n_targets = sum_nll(self.network, chosen, is_causal=False)
        return nll / max(1, n_targets)


def pretrain(config: PretrainStepConfig, inputs: Mapping[str, Path], out: Path, work: Path) -> None:
    """Train a backbone and write it in the Hugging Face layout, with its tokenizer.

    Args:
        config: model and training.
        inputs: `tokens` and `tokenizer`, folders of those steps.
        out: an empty folder.
        work: a folder with the checkpoints of an interrupted run, if any.

    Raises:
        InputError: the data are too few, or the vocabulary does not fit.
    """
    settings = config.pretrain
    torch.manual_seed(settings.seed)
    index = read_index(inputs["tokens"])
    vocab_size = config.model.vocab_size or index["vocab_size"]
    if vocab_size < index["vocab_size"]:
        raise InputError(
            f"model.vocab_size={vocab_size} is smaller than the tokenizer's "
            f"{index['vocab_size']} entries: leave it out, or set it to at least that."
        )
    network = GPT(config.model.model_copy(update={"vocab_size": vocab_size}))
    train = PackedBlocks(inputs["tokens"] / "train", config.model.block_size)
    held_out = PackedBlocks(inputs["tokens"] / "validation", config.model.block_size)
    if len(train) < settings.micro_batch_size:
        raise InputError(
            f"pretrain.micro_batch_size={settings.micro_batch_size}: the corpus fills only "
            f"{len(train)} blocks of {config.model.block_size} tokens; set it to that or less, "
            "or give more text."
        )
    chosen = np.random.default_rng(settings.seed).permutation(len(held_out))
    batches = in_order(min(settings.validation_blocks, len(held_out)), settings.micro_batch_size)
    validation = Batches(
        [chosen[rows].tolist() for rows in batches], lambda rows: to_tensors(held_out.rows(rows))
    )
    counts = index["validation"]
    targets_per_byte = (counts["tokens"] + counts["documents"]) / counts["bytes"]
    module = PretrainModule(network, settings, validation, targets_per_byte)

    def collate(rows: Sequence[int]) -> Batch:
        return to_tensors(train.rows(rows))

    order = shuffled(len(train), settings.micro_batch_size, settings.seed)
    fit(module, order, collate, settings.validate_every_steps, work)
    models.save(network, out)
    for name in TOKENIZER_FILES:
        shutil.copy(inputs["tokenizer"] / name, out / name)
    write_json(
        out / "metrics.json",
        {
            "parameters": sum(p.numel() for p in network.parameters()),
            "blocks": len(train),
            "padding_share": train.padding_share,
            "tokens_seen": settings.max_steps
            * settings.accumulate
            * settings.micro_batch_size
            * config.model.block_size,
        },
    )


def sum_nll(network: GPT, batches: Iterable[Batch], is_causal: bool = True) -> tuple[float, int]:
    """Return the summed negative log-likelihood (nats) of all targets, and their number."""
    device = network.wte.weight.device
    nll, n_targets = 0.0, 0
    for cpu_batch in batches:
        batch = {name: tensor.to(device) for name, tensor in cpu_batch.items()}
        logits = network(batch["input_ids"], batch["documents"], is_causal)
        losses = token_nll(logits, batch["targets"])
        nll += losses[batch["loss_mask"]].double().sum().item()
        n_targets += int(batch["loss_mask"].sum())
    return nll, n_targets


def language_metrics(loss: float, targets_per_byte: float, prefix: str = "") -> dict[str, float]:
    """Return loss (nats per token), perplexity, and bits per byte of text.

    Bits per byte do not depend on the tokenizer, so they compare models with different ones.
    """
    return {
        f"{prefix}loss": loss,
        f"{prefix}perplexity": math.exp(min(loss, 700.0)),
        f"{prefix}bits_per_byte": loss * targets_per_byte / math.log(2),
    }
