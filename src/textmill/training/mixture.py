"""The data mixture of pretraining: blocks, their order, and tokens seen by source and language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from textmill.config import TASK_SOURCE, PretrainStepConfig
from textmill.corpus.tokens.packing import PackedBlocks
from textmill.corpus.tokens.token_shards import Labels, read_labels, read_shards
from textmill.errors import InputError, listed
from textmill.training.batches import Order, mixed, shuffled

LABELS = ("source", "language")


def training_blocks(tokens: Path, config: PretrainStepConfig) -> tuple[PackedBlocks, Order]:
    """Return the blocks of the training split, and the order in which they are sampled.

    Without weights and language_alpha every block is sampled once per epoch. With them, sources or
    languages share no block, and are sampled in proportion to their shares of the tokens.

    Args:
        tokens: folder of the tokens step.
        config: configuration of the pretrain step.

    Raises:
        InputError: a source with a weight has no documents.
    """
    settings, folder = config.pretrain, tokens / "train"
    size, packing, overlap = config.model.block_size, settings.packing, settings.overlap
    if not config.weights and settings.language_alpha is None:
        blocks = PackedBlocks(folder, size, packing, overlap)
        return blocks, shuffled(len(blocks), settings.micro_batch_size, settings.seed)
    n_targets = np.concatenate([shard.lengths for shard in read_shards(folder)])
    nothing = Labels([""], np.zeros(len(n_targets), np.int64))
    sources = read_labels(folder, "source") if config.weights else nothing
    languages = nothing if settings.language_alpha is None else read_labels(folder, "language")
    cells, groups = np.unique(
        sources.numbers * len(languages.names) + languages.numbers, return_inverse=True
    )
    counts = np.zeros((len(sources.names), len(languages.names)))
    counts.flat[cells] = np.bincount(groups, n_targets)
    _check_sources(config.weights, sources)
    weights = source_weights(config.weights, sources.names, counts.sum(axis=1))
    shares = token_shares(counts, weights, settings.language_alpha).flat[cells]
    blocks = PackedBlocks(folder, size, packing, overlap, groups)
    ends = np.array(blocks.group_ends)
    n_blocks = np.diff(ends, prepend=0)
    # Blocks of one group may have more tokens than those of another: fewer of them are needed.
    drawn = shares * n_blocks / counts.flat[cells]
    ranges = [range(end - n, end) for end, n in zip(ends.tolist(), n_blocks.tolist(), strict=True)]
    order = mixed(ranges, drawn / drawn.sum(), settings.micro_batch_size, settings.seed)
    return blocks, order


def source_weights(
    weights: Mapping[str, float], names: Sequence[str], sizes: NDArray[np.float64]
) -> list[float | None]:
    """Return the weight of each source; None if it has none.

    Args:
        weights: by source; that of `TASK_SOURCE` is split among the tasks' texts in proportion to
            their sizes.
        names: (n_sources,).
        sizes: (n_sources,), tokens in the corpus.
    """
    of_tasks = np.array([name.startswith(TASK_SOURCE) for name in names])
    weight = weights.get(TASK_SOURCE)
    if weight is None:
        return [weights.get(name) for name in names]
    parts = (weight * sizes / max(1, sizes[of_tasks].sum())).tolist()
    return [
        part if is_task else weights.get(name)
        for name, part, is_task in zip(names, parts, of_tasks, strict=True)
    ]


def token_shares(
    counts: NDArray[np.float64], weights: list[float | None], alpha: float | None
) -> NDArray[np.float64]:
    """Return the share of the training tokens of each source in each language.

    Args:
        counts: (n_sources, n_languages), tokens in the corpus; every source has some.
        weights: shares of the sources; sources with None split the rest in proportion to their
            tokens. If no source has None, the weights are normalised to sum to 1.
        alpha: exponent of language sampling, applied to the shares that the weights give the
            languages (Conneau et al. 2020, XLM-R: p ∝ n^alpha); None: the shares are unchanged.

    Returns:
        (n_sources, n_languages), summing to 1.
    """
    shares: NDArray[np.float64] = counts / counts.sum()
    is_rest = np.array([weight is None for weight in weights])
    if not is_rest.all():
        wanted = np.array([weight or 0.0 for weight in weights])
        sizes = shares.sum(axis=1)
        if is_rest.any():
            wanted[is_rest] = (1 - wanted.sum()) * sizes[is_rest] / sizes[is_rest].sum()
        shares *= (wanted / wanted.sum() / sizes)[:, None]
    if alpha is not None:
        sizes = shares.sum(axis=0)
        wanted = np.where(sizes > 0, sizes**alpha, 0)
        shares *= wanted / wanted.sum() / np.where(sizes > 0, sizes, 1)
    return shares


def _check_sources(weights: Mapping[str, float], sources: Labels) -> None:
    """Raise InputError if weights cannot be met, which is only known after cleaning."""
    names = {TASK_SOURCE if name.startswith(TASK_SOURCE) else name for name in sources.names}
    for name, weight in weights.items():
        if weight and name not in names:
            where = f"corpus.sources: {name!r} has"
            where = "corpus.task_texts has" if name == TASK_SOURCE else where
            raise InputError(
                f"{where} weight={weight:g}, and none of its documents are left after cleaning: "
                "remove the weight, or add text to the source."
            )
    if not any(weights.get(name, 1) for name in names):
        raise InputError(
            "corpus.sources: only sources of weight 0 have documents to train on: set a weight for "
            f"one of them ({listed(sources.names)})."
        )


class SeenTokens:
    """Counts the tokens seen in training, by source and language.

    They are derived from the order of batches, so they do not depend on the number of devices, and
    survive a resume.
    """

    def __init__(self, tokens: Path, blocks: PackedBlocks, order: Order) -> None:
        self._blocks = blocks
        self._order = order
        self._labels = {name: read_labels(tokens / "train", name) for name in LABELS}
        self._times = np.zeros(len(blocks), np.int64)
        self._per_epoch = len(order(0))
        self._n_batches = 0

    def shares(self, n_batches: int) -> dict[str, float]:
        """Return the share of each source and language in the tokens of the first n_batches.

        Args:
            n_batches: micro-batches over all devices; at least as many as in the previous call.
        """
        return {
            f"train/share/{label}/{name}": n / sum(counts.values())
            for label, counts in self._counts(n_batches).items()
            for name, n in counts.items()
        }

    def totals(self, n_batches: int) -> dict[str, float]:
        """Return the tokens seen in the first n_batches, in total and by label, and the epochs.

        Args:
            n_batches: micro-batches over all devices; at least as many as in the previous call.
        """
        metrics: dict[str, float] = {}
        once = np.ones_like(self._times)
        for label, counts in self._counts(n_batches).items():
            there = self._blocks.targets(once, self._labels[label].numbers).tolist()
            for (name, n), n_there in zip(counts.items(), there, strict=True):
                metrics[f"tokens_seen/{label}/{name}"] = n
                metrics[f"epochs/{label}/{name}"] = n / n_there
        one = np.zeros(self._blocks.n_documents, np.int64)
        return {"tokens_seen": int(self._blocks.targets(self._times, one)[0]), **metrics}

    def _counts(self, n_batches: int) -> dict[str, dict[str, int]]:
        """Return the tokens of the first n_batches by label and name."""
        while self._n_batches < n_batches:
            epoch, at = divmod(self._n_batches, self._per_epoch)
            batches = self._order(epoch)[at : at + n_batches - self._n_batches]
            self._times += np.bincount(np.ravel(batches), minlength=len(self._times))
            self._n_batches += len(batches)
        return {
            label: dict(
                zip(
                    about.names,
                    self._blocks.targets(self._times, about.numbers).tolist(),
                    strict=True,
                )
            )
            for label, about in self._labels.items()
            if len(about.names) > 1
        }
