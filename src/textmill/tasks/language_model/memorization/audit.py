"""The step `audit`: what a backbone has memorized of canaries, and of its training text.

Sources: Carlini et al. 2019, "The Secret Sharer" (exposure); Carlini et al. 2021, "Extracting
Training Data from Large Language Models"; Carlini et al. 2023, "Quantifying Memorization Across
Neural Language Models" (excerpts).
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from textmill import model as models
from textmill.config import VERBATIM_SCORES, AuditStepConfig, GenerationConfig
from textmill.corpus.tokens.encoding import Encoder, fast_encoder
from textmill.corpus.tokens.pieces import cut
from textmill.corpus.tokens.token_shards import read_index, read_shards
from textmill.corpus.tokens.tokenizer import END_ID, load_tokenizer
from textmill.evaluation.exposure import exposure
from textmill.files import read_json, write_json
from textmill.model import GPT
from textmill.tasks.language_model.continuations import Window, score_ends
from textmill.tasks.language_model.memorization.canaries import Canary, alternatives, read_canaries
from textmill.tasks.language_model.memorization.memorized import (
    FILE,
    TRAIN,
    VALIDATION,
    Audit,
    AuditedCanary,
)
from textmill.training.writing import write_texts

if TYPE_CHECKING:
    from tokenizers import Tokenizer

log = logging.getLogger(__name__)


def audit(config: AuditStepConfig, inputs: Mapping[str, Path], out: Path) -> None:
    """Write the exposure of every canary, and the shares of reproduced canaries and excerpts.

    Args:
        config: how the canaries were drawn, and what is measured.
        inputs: `backbone`, `tokens` and `canaries`, folders of these steps.
        out: an empty folder.

    Raises:
        InputError: the machine lacks the device.
    """
    device = models.choose_device(config.accelerator, "pretrain")
    network = models.load(inputs["backbone"]).to(device)
    tokenizer = load_tokenizer(inputs["backbone"])
    canaries = read_canaries(inputs["canaries"])
    counts = read_index(inputs["tokens"])[TRAIN]
    n_targets = counts["tokens"] + counts["documents"]
    n_copies = sum(canary.repetitions for canary in canaries)
    excerpts = {}
    for split, n_canaries in ((TRAIN, n_copies), (VALIDATION, 0)):
        folder, size = inputs["tokens"] / split, network.config.block_size
        drawn = draw_excerpts(folder, config, size, n_canaries)
        if not drawn:
            log.warning(
                "No piece of the %s text has %d tokens, so there are no %s and %s: lower "
                "audit.prompt_tokens or audit.continuation_tokens.",
                *(split, config.prompt_tokens + config.continuation_tokens),
                *(f"{VERBATIM_SCORES}{name}" for name in (split, "excess")),
            )
        excerpts[split] = tuple(is_greedy for _, is_greedy in score_ends(network, drawn))
    found = Audit(
        canaries=tuple(audit_canaries(network, tokenizer, canaries, config)),
        alternatives=config.alternatives,
        max_exposure=config.digits * math.log2(10),
        epochs=read_json(inputs["backbone"] / "metrics.json")["tokens_seen"] / n_targets,
        prompt_tokens=config.prompt_tokens,
        continuation_tokens=config.continuation_tokens,
        excerpts=excerpts,
    )
    write_json(out / FILE, found.model_dump())
    numbers = {"canaries": len(canaries), "epochs": found.epochs}
    numbers |= {f"{split}_excerpts": len(of_split) for split, of_split in excerpts.items()}
    write_json(out / "metrics.json", found.metrics() | numbers)


def audit_canaries(
    network: GPT, tokenizer: Tokenizer, canaries: Sequence[Canary], config: AuditStepConfig
) -> Iterator[AuditedCanary]:
    """Yield the exposure and the continuation of every canary.

    Args:
        network: in eval mode.
        tokenizer: that of the network.
        canaries: all that are in the training text.
        config: number of alternatives, digits of a secret, and seed.
    """
    encoder = fast_encoder(tokenizer)
    others = alternatives(canaries, config.digits, config.alternatives, config.seed)
    for canary, secrets in zip(canaries, others, strict=True):
        texts = [canary.text(), *map(canary.text, secrets)]
        loss, *losses = text_losses(network, encoder, texts)
        n_bytes = len(canary.text().encode()) - len(canary.prompt.encode())
        greedy = GenerationConfig(temperature=0, max_new_tokens=n_bytes)  # a token has a byte
        yield AuditedCanary(
            prompt=canary.prompt,
            secret=canary.secret,
            repetitions=canary.repetitions,
            loss=loss,
            exposure=exposure(loss, np.array(losses), 10**config.digits),
            continuation=write_texts(network, tokenizer, canary.prompt, greedy)[0],
        )


def text_losses(network: GPT, encoder: Encoder, texts: list[str]) -> NDArray[np.float64]:
    """Return the negative log-likelihood of each text as a document, with its end, in nats."""
    windows = [([END_ID, *ids, END_ID], len(ids) + 1) for ids in encoder(texts)]
    return -np.array([log_likelihood for log_likelihood, _ in score_ends(network, windows)])


def draw_excerpts(
    folder: Path, config: AuditStepConfig, block_size: int, n_canaries: int
) -> list[Window]:
    """Return random pieces of documents, as training reads them, up to the end of an excerpt.

    Greedy decoding reproduces an excerpt if each of its last tokens is the likeliest after those
    before it, which one pass over the excerpt tells.

    Args:
        folder: one split of a tokens folder.
        config: number and length of excerpts, and the seed.
        block_size: the context, in which the pieces begin.
        n_canaries: how many of the last documents are canaries.

    Returns:
        Fewer, if fewer pieces are long enough.
    """
    shards = read_shards(folder)
    firsts = np.cumsum([0, *(len(shard.starts) for shard in shards)])
    pieces, n_tokens = cut(shards, block_size), config.prompt_tokens + config.continuation_tokens
    is_usable = (pieces.length >= n_tokens) & (pieces.document < firsts[-1] - n_canaries)
    usable = np.flatnonzero(is_usable)
    rng = np.random.default_rng(config.seed)
    chosen = rng.choice(usable, min(config.excerpts, len(usable)), replace=False)
    excerpts = []
    for document, start, _, _ in pieces.take(np.sort(chosen)).rows():
        shard = shards[int(np.searchsorted(firsts, document, side="right")) - 1]
        ids = shard.ids[start - 1 : start + n_tokens].tolist()  # from the token before the piece
        excerpts.append((ids, config.continuation_tokens))
    return excerpts
