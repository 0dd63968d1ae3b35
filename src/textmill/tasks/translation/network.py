"""The network of translation: the backbone, which continues the source with its translation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from textmill.corpus.tokens.tokenizer import END_ID, PAD_ID, SOURCE_ID, TARGET_ID
from textmill.model import GPT, Head, complete
from textmill.training.batches import pad
from textmill.training.objectives import Batch, mean_cross_entropy

if TYPE_CHECKING:
    from tokenizers import Tokenizer
from textmill.tasks.translation.copied import (
    Copied,
    Parts,
    encode_texts,
    exchange,
    find_copied,
    lower_words,
)
from textmill.tasks.translation.copied import collate as collate_copied
from textmill.tasks.translation.examples import Example, Spec
from textmill.tasks.translation.pointer import Pointer, log_probabilities, target_log_probability

CAN_BE_RECURRENT = False
"""Whether an LSTM can take the place of the backbone: generation needs its cache."""
MAX_TRAINING_WINDOWS = 1
"""Maximum windows of a training example: longer ones are truncated."""
SEEN_EXAMPLES = 240_000
"""Examples, counted as often as they are seen, of a training without a number of epochs."""
EPOCHS_WITHOUT_DROPOUT = 8
"""Maximum passes without dropout, unless it is set; overfitting starts later than with labels, as
every token of a target is learned from."""
likelihood = save_tokenizer = None
"""Its metrics need no likelihoods, and its tokenizer is that of the backbone."""

Copying = tuple[Tensor, Tensor, Tensor]
"""Attention to the source, (N, S), log-odds of copying, (N,), and tokens of the source, (N, S)."""


@dataclass(frozen=True)
class Encoded:
    """A tokenized example."""

    ids: list[int]
    """SOURCE, source tokens, TARGET, target tokens, END."""
    n_source: int
    """Number of tokens before the target, including both special tokens."""
    is_cut: bool
    """Whether the source or the target was truncated."""
    copied: list[Copied]
    """Tokens of names and numbers in both; positions in ids."""


class Translator(nn.Module):
    """A backbone that continues the source with its translation.

    Older models have no pointer to the source, and read it from left to right.

    Args:
        backbone: the model.
        has_pointer: whether tokens of the source may be copied.
        is_causal: whether a token of the source attends only to itself and the tokens before it.
    """

    def __init__(self, backbone: GPT, has_pointer: bool = False, is_causal: bool = True) -> None:
        super().__init__()
        self.backbone = backbone
        self.is_causal = is_causal
        self.pointer = Pointer(backbone.config.n_embd) if has_pointer else None

    def forward(self, input_ids: Tensor, is_target: Tensor) -> tuple[Tensor, Copying | None]:
        """Return the logits at the positions kept by the mask, (N, vocab_size), row by row.

        Args:
            input_ids: (B, T), padded at the end, where causal attention ignores it.
            is_target: (B, T), bool, True where the next token belongs to the target.
        """
        is_source = is_target.cumsum(dim=1) == 0
        # The last token of the prompt, TARGET, is the first whose next token is a target.
        prefix = None if self.is_causal else is_source.sum(dim=1) + 1
        hidden = self.backbone.hidden(input_ids, prefix=prefix)
        logits = self.backbone.lm_head(hidden[is_target]).float()  # the output layer is expensive
        if self.pointer is None:
            return logits, None
        weights, gate = self.pointer.attend(hidden, self.pointer.keys(hidden, is_source), is_source)
        source = input_ids[:, None].expand_as(weights)
        return logits, (weights[is_target], gate[is_target], source[is_target])


def build(backbone: GPT, spec: Spec, dropout: float, is_causal: bool) -> Translator:
    """Return the task's network on top of a backbone."""
    assert is_causal  # enforced by the configuration
    return Translator(backbone, spec.has_pointer, not spec.reads_both_ways)


def encode(
    tokenizer: Tokenizer, spec: Spec, examples: Sequence[Example], block_size: int
) -> list[Encoded]:
    """Return the tokenized examples; long sources and targets are truncated.

    A truncated target is not followed by END: the model would learn to stop in mid-sentence.
    """
    prompts = encode_sources(tokenizer, spec, [e.source for e in examples], block_size)
    targets = _encode(tokenizer, spec, [example.target for example in examples])
    lower = lower_words(text for e in examples for text in (e.source, e.target))
    encoded = []
    for (prompt, source, is_source_cut), target in zip(prompts, targets, strict=True):
        # One more than the context, as the last token is only a target.
        whole = [*prompt, *_ids(target), END_ID]
        ids = whole[: block_size + 1]
        is_cut = is_source_cut or len(ids) < len(whole)
        copied = [] if is_cut else find_copied(source, target, (1, len(prompt)), lower)
        encoded.append(Encoded(ids, len(prompt), is_cut, copied))
    return encoded


def collate(examples: Sequence[Encoded]) -> Batch:
    """Return a batch: input_ids, documents, targets and loss_mask (B, T), padded.

    targets are the next tokens, and loss_mask is True where these belong to the translation;
    n_targets, (), is the number of such positions.
    """
    batch = pad([example.ids[:-1] for example in examples])
    targets = pad([example.ids[1:] for example in examples])["input_ids"]
    index = torch.arange(targets.size(1))
    begin = torch.tensor([example.n_source - 1 for example in examples])
    is_target = (index >= begin[:, None]) & (batch["documents"] >= 0)
    return (
        batch
        | collate_copied([example.copied for example in examples], targets.size(1) + 1)
        | {"targets": targets, "loss_mask": is_target, "n_targets": is_target.sum()}
    )


def loss(network: Translator, batch: Batch, label_smoothing: float) -> Tensor:
    """Return the contribution of a batch to its step's mean cross-entropy, in nats per token."""
    input_ids, targets = batch["input_ids"], batch["targets"]
    if network.training and len(batch["classes"]):
        input_ids, targets = exchange(input_ids, targets, batch["cells"], batch["classes"])
    logits, copying = network(input_ids, batch["loss_mask"])
    targets = targets[batch["loss_mask"]]
    if copying is None:
        return mean_cross_entropy(logits, targets, batch["n_targets"], label_smoothing)
    weights, gate, source = copying
    log_p = logits.log_softmax(dim=-1)
    nll = -target_log_probability(log_p, weights, gate, source, targets).sum()
    if label_smoothing:  # of the vocabulary alone
        nll = (1 - label_smoothing) * nll - label_smoothing * log_p.mean(dim=-1).sum()
    return nll / batch["n_targets"].clamp(min=1)


def target_nll(network: Translator, batch: Batch) -> Tensor:
    """Return the negative log-likelihood of every target of a batch, in nats, (N,), row by row."""
    targets = batch["targets"][batch["loss_mask"]]
    logits, copying = network(batch["input_ids"], batch["loss_mask"])
    if copying is None:
        return F.cross_entropy(logits, targets, reduction="none")
    weights, gate, source = copying
    return -target_log_probability(logits.log_softmax(dim=-1), weights, gate, source, targets)


def validate(network: Translator, batches: Iterable[Batch]) -> dict[str, float]:
    """Return accuracy and loss of the next target tokens over the batches."""
    n_right = n = 0
    nll = 0.0
    for batch in batches:
        logits, copying = network(batch["input_ids"], batch["loss_mask"])
        if copying is not None:
            logits = log_probabilities(logits, *copying)
        targets = batch["targets"][batch["loss_mask"]]
        n_right += int((logits.argmax(dim=-1) == targets).sum())
        nll += float(F.cross_entropy(logits, targets, reduction="sum"))
        n += len(targets)
    return {"token_accuracy": n_right / n, "loss": nll / n}


def score(
    network: Translator, tokenizer: Tokenizer, spec: Spec, prepared: Sequence[str]
) -> Iterator[tuple[str, bool]]:
    """Yield the translation of each text, and whether the text or its translation was truncated."""
    block_size = network.backbone.config.block_size
    prompts = encode_sources(tokenizer, spec, prepared, block_size)
    sources = [ids for ids, _, _ in prompts]
    head = None if network.pointer is None else copying_head(network, network.pointer, sources)
    answers = complete(network.backbone, sources, END_ID, spec.beams, head, network.is_causal)
    for (_, _, is_cut), (ids, has_ended) in zip(prompts, answers, strict=True):
        yield tokenizer.decode(ids), is_cut or not has_ended


def copying_head(network: Translator, pointer: Pointer, prompts: Sequence[Sequence[int]]) -> Head:
    """Return the output layer that may copy tokens of the prompts."""
    lm_head, device = network.backbone.lm_head, network.backbone.device
    source = pad_sequence(
        [torch.tensor(ids[:-1], device=device) for ids in prompts],  # without TARGET
        batch_first=True,
        padding_value=PAD_ID,
        padding_side="left",
    )
    keys: Tensor | None = None

    def head(hidden: Tensor, prompt: Tensor) -> Tensor:
        nonlocal keys
        if keys is None:
            keys = pointer.keys(hidden[:, :-1], source != PAD_ID)
        last, ids = hidden[:, -1:], source[prompt]
        weights, gate = pointer.attend(last, keys[prompt], ids != PAD_ID)
        return log_probabilities(lm_head(last[:, 0]), weights[:, 0], gate[:, 0], ids)

    return head


def encode_sources(
    tokenizer: Tokenizer, spec: Spec, texts: Sequence[str], block_size: int
) -> list[tuple[list[int], Parts, bool]]:
    """Return SOURCE, the tokens of each source and TARGET, its parts, and whether it was cut."""
    max_tokens = max(1, int(spec.source_share * block_size) - 2)
    prompts = []
    for parts in _encode(tokenizer, spec, texts):
        ids = _ids(parts)
        kept = ids[-max_tokens:] if spec.keeps_end else ids[:max_tokens]
        prompt = [SOURCE_ID, *kept, TARGET_ID]
        prompts.append((prompt, parts, len(ids) > max_tokens))
    return prompts


def _encode(tokenizer: Tokenizer, spec: Spec, texts: Sequence[str]) -> list[Parts]:
    texts = [text.strip() for text in texts]
    if spec.splits_numbers:
        return encode_texts(tokenizer, texts)
    encodings = tokenizer.encode_batch_fast(texts, add_special_tokens=False)
    return [[(text, e.ids)] for text, e in zip(texts, encodings, strict=True)]


def _ids(parts: Parts) -> list[int]:
    return [token for _, ids in parts for token in ids]
