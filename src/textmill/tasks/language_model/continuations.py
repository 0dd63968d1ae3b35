"""The likelihoods of the ends of texts under a backbone, in batches of similar lengths."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from textmill.model import GPT
from textmill.training.batches import longest_first, pad

BATCH_TOKENS = 4096
"""Maximum tokens of a batch, padding included, unless a single text has more."""
LOGIT_ROWS = 512
"""Positions whose logits are in memory at a time."""

Window = tuple[list[int], int]
"""Tokens, at most one more than the context, and how many of the last ones are scored."""
Scored = tuple[float, bool]
"""Log-likelihood in nats, and whether each token was the likeliest, so that greedy decoding would
have written them."""
Batches = Iterable[list[int]]


@torch.inference_mode()
def score_ends(
    network: GPT, texts: Sequence[Window], track: Callable[[Batches], Batches] = iter
) -> list[Scored]:
    """Return the scores of the last tokens of texts.

    Longer texts than the context are read in windows, see `split_windows`.

    Args:
        network: in eval mode.
        texts: tokens, of any number, and how many of the last ones to score.
        track: iterates over the batches, and may show the progress.
    """
    windows = [
        (number, window)
        for number, text in enumerate(texts)
        for window in split_windows(*text, network.config.block_size)
    ]
    windows.sort(key=lambda one: one[1][0][:-1])  # equal inputs are read once, in one batch
    lengths = [len(tokens) for _, (tokens, _) in windows]
    totals, are_greedy = [0.0] * len(texts), [True] * len(texts)
    for batch in track([*longest_first(lengths, BATCH_TOKENS)]):
        found = _score_batch(network, [windows[index][1] for index in batch])
        for index, (nll, is_greedy) in zip(batch, found, strict=True):
            number, _ = windows[index]
            totals[number] -= nll
            are_greedy[number] &= is_greedy
    return list(zip(totals, are_greedy, strict=True))


def _score_batch(network: GPT, windows: Sequence[Window]) -> Iterator[Scored]:
    """Yield the negative log-likelihood of each window, and whether its tokens are likeliest.

    Windows with the same input, such as the letters of several choices, are read once.
    """
    device = network.device
    rows: dict[tuple[int, ...], int] = {}
    row_of, column_of, targets, owner = list[int](), list[int](), list[int](), list[int]()
    for number, (tokens, n) in enumerate(windows):
        row = rows.setdefault(tuple(tokens[:-1]), len(rows))
        row_of += [row] * n
        column_of += range(len(tokens) - 1 - n, len(tokens) - 1)
        targets += tokens[len(tokens) - n :]
        owner += [number] * n
    input_ids = pad([list(ids) for ids in rows])["input_ids"].to(device)
    # Causal attention ignores the padding, which follows the tokens.
    chosen = network.hidden(input_ids)[row_of, column_of]
    expected = torch.tensor(targets, device=device)
    nll, hits = list[Tensor](), list[Tensor]()
    for at in range(0, len(expected), LOGIT_ROWS):
        wanted = expected[at : at + LOGIT_ROWS]
        logits: Tensor = network.lm_head(chosen[at : at + LOGIT_ROWS]).float()
        nll.append(F.cross_entropy(logits, wanted, reduction="none").double())
        hits.append(logits.argmax(dim=-1) == wanted)
    of_window = torch.tensor(owner, device=device)
    sums = torch.zeros(len(windows), dtype=torch.float64, device=device)
    misses = torch.zeros(len(windows), dtype=torch.int64, device=device)
    sums.index_add_(0, of_window, torch.cat(nll))
    misses.index_add_(0, of_window, (~torch.cat(hits)).long())
    yield from zip(sums.tolist(), (misses == 0).tolist(), strict=True)


def split_windows(tokens: list[int], n_scored: int, block_size: int) -> Iterator[Window]:
    """Yield windows in which each of the last tokens is scored once, with the context that fits.

    Args:
        tokens: of a text, more than are scored.
        n_scored: how many of the last ones to score.
        block_size: the context; a window has one token more, which is only a target.
    """
    while n_scored > 0:
        n = min(n_scored, block_size)
        end = len(tokens) - n_scored + n
        yield tokens[max(0, end - block_size - 1) : end], n
        n_scored -= n
