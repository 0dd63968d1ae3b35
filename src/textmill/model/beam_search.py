"""Beam search with a KV cache; greedy decoding is the search with a single beam.

Sizes in shape comments: P prompts, K beams, R rows of the model's batch, a live beam each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from textmill.model.gpt import GPT

Head = Callable[[Tensor, Tensor], Tensor]
"""Maps the hidden states of the new tokens, (R, T, n_embd), and the prompt of each row, (R,), to
the logits of the next tokens, (R, vocab_size). The first call has the left-padded prompts."""


@torch.inference_mode()
def complete(
    model: GPT,
    prompts: Sequence[Sequence[int]],
    end_id: int,
    beams: int = 1,
    head: Head | None = None,
    is_causal: bool = True,
) -> list[tuple[list[int], bool]]:
    """Return the likeliest completion found for every prompt, and whether it ended with end_id.

    The search extends the likeliest partial completions of a prompt: as many as there are beams,
    less those that have ended. Ended ones compete by their mean log-probability per token, and
    the search stops when none that goes on can win.

    A completion stops before end_id, or when the context is full and none has ended. It does not
    depend on the other prompts of the batch. Prompts of similar length are fastest.

    Args:
        model: in eval mode.
        prompts: token ids, from 1 to block_size per prompt.
        end_id: the end-of-text token.
        beams: partial completions kept per prompt; 1 is greedy decoding.
        head: the output layer; None: the model's.
        is_causal: whether a token of a prompt attends only to itself and the tokens before it.
    """
    device = model.device
    lengths = torch.tensor([len(prompt) for prompt in prompts], device=device)
    longest = int(lengths.max())
    room = model.config.block_size + 1 - lengths  # the last token is never an input
    # Left padding: all rows append to the same column.
    unread = pad_sequence(
        [torch.tensor(prompt, device=device) for prompt in prompts],
        batch_first=True,
        padding_value=end_id,
        padding_side="left",
    )
    padding = longest - lengths
    capacity = longest + int(room.max())
    cache = model.new_cache(len(prompts), capacity, padding if padding.any() else None)
    search = _Search(room, beams, end_id)
    prompt, beam = torch.arange(len(prompts), device=device), torch.zeros_like(lengths)
    row_of = torch.full((len(prompts), beams), -1, device=device)
    row_of[:, 0] = prompt
    while True:
        hidden = model.hidden(unread, is_causal=is_causal, cache=cache)
        logits = head(hidden, prompt) if head else model.lm_head(hidden[:, -1])  # (R, vocab_size)
        # A single beam is compared only with continuations of itself: it needs no normalisation.
        likely = logits if beams == 1 else logits.log_softmax(dim=-1)
        search.extend(prompt, beam, *likely.topk(min(beams, likely.size(1))))
        live = search.live()
        if not len(live[0]):
            return search.completions()
        parents, tokens = search.steps[-1]
        sources, rows = row_of[live[0], parents[live]], row_of[live]
        is_full = room[prompt] <= len(search.steps)
        # Copying whole rows is expensive: not done for every one that ends.
        if (rows < 0).any() or len(sources) <= len(prompt) // 2 or is_full.any():
            cache.keep(sources)
            prompt, beam = live
            row_of.fill_(-1)
            row_of[live] = torch.arange(len(prompt), device=device)
        else:
            is_moved = rows != sources
            cache.copy(sources[is_moved], rows[is_moved], longest)  # beams share their prompt
        unread = tokens[prompt, beam][:, None]


class _Search:
    """The partial completions of every prompt, the likeliest first, and its best ended one.

    Args:
        room: (P,), int64, maximum number of tokens of each completion.
        beams: K.
        end_id: the end-of-text token.
    """

    def __init__(self, room: Tensor, beams: int, end_id: int) -> None:
        self.room = room
        self.end_id = end_id
        self.width = torch.full_like(room, beams)
        """Beams less ended completions, (P,)."""
        size = len(room), beams
        self.scores = torch.full(size, -torch.inf, dtype=torch.float64, device=room.device)
        """Log-probabilities of the partial completions, (P, K); minus infinity: there is none."""
        self.scores[:, 0] = 0.0
        self.steps: list[tuple[Tensor, Tensor]] = []
        """Of every step, the beam that each partial completion extends, and by which token, each
        (P, K)."""
        self.best = torch.full_like(self.scores[:, 0], -torch.inf)
        """Mean log-probability per token of the best ended completion, (P,)."""
        self.last = torch.zeros((len(room), 2), dtype=torch.int64, device=room.device)
        """Number of tokens of the best completion, and the beam of its last one, (P, 2)."""

    def live(self) -> tuple[Tensor, Tensor]:
        """Return prompt and beam of every partial completion, (R,) each."""
        prompt, beam = self.scores.isfinite().nonzero(as_tuple=True)
        return prompt, beam

    def extend(self, prompt: Tensor, beam: Tensor, likely: Tensor, tokens: Tensor) -> None:
        """Extend the partial completions by a token each.

        Args:
            prompt: (R,), the prompts of the rows of the batch.
            beam: (R,), their beams; rows without a partial completion are ignored.
            likely: (R, n), the log-probabilities of the likeliest next tokens.
            tokens: (R, n), these tokens.
        """
        n_tokens = len(self.steps) + 1
        n = likely.size(1)
        totals = self.scores.new_full((*self.scores.shape, n), -torch.inf)
        totals[prompt, beam] = likely.double()
        totals += self.scores[..., None]
        ids = tokens.new_zeros(totals.shape)
        ids[prompt, beam] = tokens
        scores, index = totals.flatten(1).topk(self.scores.size(1))  # (P, K)
        chosen, parents = ids.flatten(1).gather(1, index), index // n
        rank = torch.arange(scores.size(1), device=tokens.device)
        is_kept = (rank < self.width[:, None]) & scores.isfinite()
        has_ended = is_kept & (chosen == self.end_id)
        normalised = scores.masked_fill(~has_ended, -torch.inf) / n_tokens
        self._end(*normalised.max(dim=1), parents, n_tokens - 1)
        self.width -= has_ended.sum(dim=1)

        goes_on = is_kept & ~has_ended
        order = (~goes_on).byte().argsort(dim=1, stable=True)
        self.steps.append((parents.gather(1, order), chosen.gather(1, order)))
        self.scores = scores.masked_fill(~goes_on, -torch.inf).gather(1, order)
        is_full = self.room == n_tokens
        is_unended = is_full & self.best.isinf()
        self.last[is_unended] = torch.tensor((n_tokens, 0), device=self.last.device)
        # Log-probabilities only fall; a full context has the most tokens to divide them by.
        can_win = self.scores[:, 0] / self.room > self.best
        self.scores.masked_fill_((is_full | ~can_win)[:, None], -torch.inf)

    def _end(self, normalised: Tensor, rank: Tensor, parents: Tensor, n_tokens: int) -> None:
        """Record the best of the completions that have ended at this step, where it is better."""
        is_better = normalised > self.best
        self.best = torch.where(is_better, normalised, self.best)
        ended = parents.gather(1, rank[:, None])[:, 0]
        last = torch.stack((torch.full_like(ended, n_tokens), ended), dim=1)
        self.last = torch.where(is_better[:, None], last, self.last)

    def completions(self) -> list[tuple[list[int], bool]]:
        """Return the tokens of every prompt's best completion, and whether it has ended."""
        steps = [(parents.tolist(), tokens.tolist()) for parents, tokens in self.steps]
        answers = []
        for prompt, (n_tokens, beam) in enumerate(self.last.tolist()):
            ids = []
            for parents, tokens in reversed(steps[:n_tokens]):
                ids.append(tokens[prompt][beam])
                beam = parents[prompt][beam]
            answers.append((ids[::-1], bool(self.best[prompt].isfinite())))
        return answers
