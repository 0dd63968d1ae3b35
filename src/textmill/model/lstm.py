"""A recurrent network that takes the place of the GPT below the head of a task, to compare them."""

from __future__ import annotations

import bisect

import torch
from torch import Tensor, nn

from textmill.config import ModelConfig
from textmill.model.gpt import GPT

N_LAYERS = 2
EMBEDDING_STD = 0.1
MAX_WIDTH_RATIO = 64
"""Maximum width of a direction, in widths of the GPT."""


class LSTM(nn.Module):
    """Long short-term memory (Hochreiter & Schmidhuber 1997) on token embeddings.

    Without causal attention, it is bidirectional (Graves & Schmidhuber 2005). A linear layer maps
    its states to the GPT's width, so that the same head fits. The forget gates start open, with a
    bias of 1 (Jozefowicz et al. 2015).

    Args:
        config: sizes of the GPT that it replaces; its layers, heads and kind of attention are not
            used.
        width: of the state, per direction.
        is_causal: whether a state depends only on the tokens up to its own.
    """

    def __init__(self, config: ModelConfig, width: int, is_causal: bool) -> None:
        super().__init__()
        assert config.vocab_size is not None
        self.config = config
        self.is_causal = is_causal
        self.wte = nn.Embedding(config.vocab_size, config.n_embd)
        self.drop = nn.Dropout(config.dropout)
        self.lstm = nn.LSTM(
            config.n_embd,
            width,
            N_LAYERS,
            batch_first=True,
            dropout=config.dropout,
            bidirectional=not is_causal,
        )
        self.proj = nn.Linear(width if is_causal else 2 * width, config.n_embd)
        self.lm_head: nn.Module = nn.Identity()
        nn.init.normal_(self.wte.weight, std=EMBEDDING_STD)
        for name, parameter in self.lstm.named_parameters():
            if name.startswith("bias_ih"):
                nn.init.ones_(parameter[width : 2 * width].detach())

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return self.wte.weight.device

    def hidden(
        self, input_ids: Tensor, documents: Tensor | None = None, is_causal: bool = True
    ) -> Tensor:
        """Return the final hidden states, (B, T, n_embd).

        Args:
            input_ids: (B, T), int64.
            documents: (B, T), -1 on padding, which is at the end of rows of one document each;
                None: there is no padding.
            is_causal: as the network was built.
        """
        assert is_causal == self.is_causal
        B, T = input_ids.shape
        lengths = torch.full((B,), T) if documents is None else (documents >= 0).sum(dim=1).cpu()
        embedded = self.drop(self.wte(input_ids))
        # Packed, so that the backward direction does not begin with padding.
        packed = nn.utils.rnn.pack_padded_sequence(
            embedded, lengths, batch_first=True, enforce_sorted=False
        )
        states, _ = nn.utils.rnn.pad_packed_sequence(
            self.lstm(packed)[0], batch_first=True, total_length=T
        )
        projected: Tensor = self.proj(states)
        return projected

    def flops_per_token(self, n_tokens: int) -> int:
        """Return the FLOPs of a training step per token, for rows of any number of tokens."""
        layers = (self.lstm, self.proj)
        matrices = (p for layer in layers for p in layer.parameters() if p.dim() == 2)
        return 6 * sum(p.numel() for p in matrices)


def lstm_like(config: ModelConfig, is_causal: bool) -> LSTM:
    """Return an LSTM with as many parameters as the GPT without its output layer.

    They differ by at most half of those that one more channel of the state has.
    """
    with torch.device("meta"):
        gpt = GPT(config)
        gpt.lm_head = nn.Identity()
        wanted = n_parameters(gpt)

        def size(width: int) -> int:
            return n_parameters(LSTM(config, width, is_causal))

        widths = range(1, MAX_WIDTH_RATIO * config.n_embd)
        at = bisect.bisect_left(widths, wanted, key=size)
        width = min(widths[max(0, at - 1) : at + 1], key=lambda width: abs(size(width) - wanted))
    return LSTM(config, width, is_causal)


def n_parameters(network: nn.Module) -> int:
    """Return the number of parameters of a network; shared ones count once."""
    return sum(parameter.numel() for parameter in network.parameters())
