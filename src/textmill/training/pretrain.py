"""The step that pretrains a backbone on token shards."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from textmill import model as models
from textmill.config import GenerationConfig, PretrainConfig, PretrainStepConfig, key_values
from textmill.corpus.tokens.packing import PackedBlocks
from textmill.corpus.tokens.token_shards import read_ids, read_index, read_labels
from textmill.corpus.tokens.tokenizer import TOKENIZER_FILES, load_tokenizer
from textmill.errors import InputError
from textmill.files import digest_file, write_json
from textmill.hub_models import MODEL_FILES, local_folder
from textmill.model import GPT
from textmill.safety.model_redaction import write_redaction
from textmill.training.batches import Batches, to_tensors
from textmill.training.fit import fit
from textmill.training.initial import initial_network
from textmill.training.likelihood import document_nll, language_metrics, packed
from textmill.training.mixture import LABELS, SeenTokens, training_blocks
from textmill.training.module import FitModule
from textmill.training.objectives import (
    Batch,
    mask_tokens,
    objective_losses,
    prepare,
)
from textmill.training.parallel.devices import check_compiler
from textmill.training.parallel.ranks import launch
from textmill.training.parallel.sharding import shard, unshard
from textmill.training.writing import write_texts

if TYPE_CHECKING:
    from tokenizers import Tokenizer

MAX_NAMED_DOCUMENTS = 10
"""Maximum documents of a batch named in a message."""
SAMPLES = "training_samples.json"


@dataclass(frozen=True)
class ValidationData:
    """Validation data of a language model."""

    batches: Batches
    """Packed blocks."""
    targets_per_byte: float
    """Target tokens per byte of text."""
    n_documents: int
    """Documents of the split, including those in none of the blocks."""
    groups: Mapping[str, NDArray[np.bool_]]
    """Mask over documents, (n_documents,), of each source and language, by name."""


class PretrainModule(FitModule):
    """A GPT with its pretraining objective.

    Args:
        network: the model.
        config: the pretrain group.
        held_out: the validation data.
        seen: counter of the tokens seen in training.
        doc_ids: returns the ids of training documents from their numbers.
        write: returns a text sampled from a model; None: no samples.
    """

    settings = "pretrain"
    network: GPT

    def __init__(
        self,
        network: GPT,
        config: PretrainConfig,
        held_out: ValidationData,
        seen: SeenTokens,
        doc_ids: Callable[[Sequence[int]], list[str]],
        write: Callable[[GPT], str] | None,
    ) -> None:
        super().__init__(network, config, config.max_steps * config.accumulate, config.warmup_steps)
        self.pretraining = config
        self.held_out = held_out
        self.seen = seen
        self.doc_ids = doc_ids
        self.write = write
        self.samples: dict[str, str] = {}
        """Sampled texts by optimizer step."""
        network.activation_checkpointing = config.activation_checkpointing
        self.is_sharded = False
        """Whether the weights are sharded."""

    def configure_model(self) -> None:
        """Shard the weights over the devices, if the strategy is fsdp."""
        if self.device_mesh is None or self.is_sharded:
            return
        for network in dict.fromkeys((self.network, cast(GPT, self.kept))):
            shard(network, self.device_mesh["data_parallel"], self.config.precision == "bf16")
        self.is_sharded = True

    def result(self) -> GPT:
        """Return the model to validate and save, unsharded: a collective operation if sharded."""
        kept = cast(GPT, self.kept)
        return unshard(kept) if self.is_sharded else kept

    def _seeds(self, number: int) -> tuple[int, int]:
        """Return the seeds of a micro-batch's masks and dropout, independent of the devices."""
        seeds = np.random.SeedSequence([self.config.seed, number])
        masks, dropout = seeds.generate_state(2, np.uint64).tolist()
        return masks, dropout

    def prepare(self, batch: Batch, number: int) -> Batch:
        """Return blocks with the objective's masks and number of targets."""
        masks, _ = self._seeds(number)
        generator = torch.Generator().manual_seed(masks)
        return prepare(batch, self.pretraining, self.network.wte.num_embeddings, generator)

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Return the objective's losses, in nats per token."""
        _, dropout = self._seeds(self.micro_batch)
        # torch.manual_seed seeds every device type: 2 ms, a tenth of a small step.
        torch.default_generator.manual_seed(dropout)
        if self.device.type == "cuda":
            torch.cuda.manual_seed(dropout)
        return objective_losses(self.network, batch, self.pretraining)

    def describe(self, documents: Tensor) -> str:
        """Return the ids of the documents in a batch."""
        numbers = sorted(set(documents.flatten().tolist()) - {-1})
        more = (
            f" and {len(numbers) - MAX_NAMED_DOCUMENTS} more"
            if len(numbers) > MAX_NAMED_DOCUMENTS
            else ""
        )
        return f"the documents {', '.join(self.doc_ids(numbers[:MAX_NAMED_DOCUMENTS]))}{more}"

    def validate(self) -> dict[str, float]:
        """Return loss, perplexity and bits per byte on the validation blocks, and sample a text.

        These are causal; masked objectives add `validation/masked_loss`, with the same tokens
        masked every time. With several sources or languages, the loss of each is added, and its
        share of the training tokens so far.
        """
        held_out, model = self.held_out, self.result()
        nll, counts = self._document_nll(model, held_out.batches)
        loss = nll.sum() / counts.sum()
        metrics = language_metrics(loss, held_out.targets_per_byte, "validation/")
        for name, documents in held_out.groups.items():
            if n_targets := counts[documents].sum():
                metrics[f"validation/loss/{name}"] = nll[documents].sum() / n_targets
        metrics |= self.seen.shares(self.global_step * self.config.accumulate)
        if self.pretraining.objective != "causal":
            metrics["validation/masked_loss"] = self._masked_loss(model)
        if self.write is not None:
            self.samples[str(self.global_step)] = self.write(model)
        return metrics

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the sampled texts."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["samples"] = self.samples

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore the sampled texts."""
        super().on_load_checkpoint(checkpoint)
        self.samples = checkpoint["samples"]

    def _masked_loss(self, model: GPT) -> float:
        generator = torch.Generator().manual_seed(self.pretraining.seed)
        share, vocab_size = self.pretraining.mask_share, self.network.wte.num_embeddings
        batches = self.held_out.batches
        chosen = (mask_tokens(batch, share, vocab_size, generator) for batch in batches)
        nll, counts = self._document_nll(model, chosen, is_causal=False)
        return float(nll.sum() / max(1, counts.sum()))

    def _document_nll(
        self, model: GPT, batches: Iterable[Batch], is_causal: bool = True
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return the result of `document_nll`, with the batches split over the devices."""
        mine = itertools.islice(batches, self.global_rank, None, self.trainer.world_size)
        sums = document_nll(model, mine, self.held_out.n_documents, is_causal)
        nll, counts = (
            self.trainer.strategy.reduce(torch.from_numpy(part).to(self.device), reduce_op="sum")
            for part in sums
        )
        return nll.cpu().numpy(), counts.cpu().numpy()


def pretrain(config: PretrainStepConfig, inputs: Mapping[str, Path], out: Path, work: Path) -> None:
    """Train a backbone and write it in the Hugging Face layout, with its tokenizer.

    Args:
        config: model and training; with several devices, each has a process.
        inputs: `tokens` and `tokenizer`, folders of those steps.
        out: an empty folder.
        work: a folder with the checkpoints of an interrupted run, if any.

    Raises:
        InputError: there is too little data, or the vocabulary does not fit.
        RunError: training was stopped.
    """
    if config.pretrain.devices > 1 and config.pretrain.max_steps:
        launch(f"{__name__}:{train.__name__}", config, inputs, out, work)
    else:
        train(config, inputs, out, work)


def train(config: PretrainStepConfig, inputs: Mapping[str, Path], out: Path, work: Path) -> None:
    """Run `pretrain` in this process, which may be one of several ranks."""
    settings = config.pretrain
    if settings.compile:
        check_compiler("pretrain", settings.accelerator)
    torch.manual_seed(settings.seed)
    index = read_index(inputs["tokens"])
    vocab_size = config.model.vocab_size or index["vocab_size"]
    if vocab_size < index["vocab_size"]:
        raise InputError(
            f"model.vocab_size={vocab_size} is smaller than the tokenizer's "
            f"{index['vocab_size']} entries: remove the setting, or raise it to at least that."
        )
    tokenizer = load_tokenizer(inputs["tokenizer"])
    init_from = None
    if settings.init_from is not None:
        init_from = local_folder(settings.init_from, MODEL_FILES)
    shape = config.model.model_copy(update={"vocab_size": vocab_size})
    network = initial_network(shape, init_from, tokenizer).train()
    train, draw = training_blocks(inputs["tokens"], config)
    order = lru_cache(maxsize=1)(draw)  # `SeenTokens` reads the same epoch
    if settings.max_steps and len(train) < settings.micro_batch_size:
        raise InputError(
            f"pretrain.micro_batch_size={settings.micro_batch_size}: the corpus has only "
            f"{len(train)} blocks of {config.model.block_size} tokens; set it to that or less, "
            "or add text."
        )
    module = PretrainModule(
        network,
        settings,
        validation_data(inputs["tokens"], config),
        SeenTokens(inputs["tokens"], train, order),
        partial(read_ids, inputs["tokens"] / "train"),
        _writer(tokenizer, settings) if settings.sample_tokens else None,
    )

    def collate(rows: Sequence[int]) -> Batch:
        return to_tensors(train.rows(rows))

    module.identity = {
        "model": key_values(shape),
        "pretrain": key_values(settings),
        "weights": config.weights,
        "tokenizer": digest_file(inputs["tokenizer"] / "tokenizer.json"),
        "tokens": digest_file(inputs["tokens"] / "index.json"),
    }
    every = settings.validate_every_steps
    validate_at = range(every, settings.max_steps + 1, every)
    if settings.max_steps:
        fit(module, order, collate, validate_at, work, settings.devices, settings.strategy)
    result = module.result()
    if not settings.max_steps or module.trainer.is_global_zero:
        _write(module, result, train, inputs["tokenizer"], out)
        write_redaction(config.redaction, out)


def _write(
    module: PretrainModule, result: GPT, train: PackedBlocks, tokenizer: Path, out: Path
) -> None:
    """Write the model, its tokenizer, samples and metrics."""
    models.save(result, out)
    for name in TOKENIZER_FILES:
        shutil.copy(tokenizer / name, out / name)
    write_json(out / SAMPLES, module.samples)
    write_json(
        out / "metrics.json",
        {
            "parameters": sum(p.numel() for p in module.network.parameters()),
            "blocks": len(train),
            "padding_share": train.padding_share,
            "cuts": train.n_cuts,
            **module.seen.totals(module.n_batches),
        },
    )


def validation_data(tokens: Path, config: PretrainStepConfig) -> ValidationData:
    """Return the validation data: a random sample of the validation split's blocks."""
    settings = config.pretrain
    blocks = PackedBlocks(tokens / "validation", config.model.block_size)
    order = np.random.default_rng(settings.seed).permutation(len(blocks))
    chosen = order[: settings.validation_blocks].tolist()
    counts = read_index(tokens)["validation"]
    labels = {column: read_labels(tokens / "validation", column) for column in LABELS}
    groups = {
        f"{column}/{name}": about.numbers == number
        for column, about in labels.items()
        for number, name in enumerate(about.names)
        if len(about.names) > 1
    }
    return ValidationData(
        batches=packed(blocks, settings.micro_batch_size, chosen),
        targets_per_byte=(counts["tokens"] + counts["documents"]) / counts["bytes"],
        n_documents=blocks.n_documents,
        groups=groups,
    )


def _writer(tokenizer: Tokenizer, settings: PretrainConfig) -> Callable[[GPT], str]:
    """Return a function that samples a text from a model, with a fixed seed."""
    sampling = GenerationConfig(max_new_tokens=settings.sample_tokens, seed=settings.seed)
    return lambda model: write_texts(model, tokenizer, "", sampling)[0]
