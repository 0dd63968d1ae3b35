"""The part of a network that becomes an ONNX graph, on padded rows of tokens."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from textmill.model import GPT
from textmill.tasks.portable.protocols import ROWS, OnnxForm


class RowGraph(nn.Module):
    """A network from tokens to logits.

    Args:
        network: of a kind of task, in eval mode.
        form: of the kind.
    """

    def __init__(self, network: Any, form: OnnxForm) -> None:
        super().__init__()
        self.network, self.form = network, form
        self.axes = {"input_ids": ROWS, "attention_mask": ROWS, **form.AXES}
        """The names of the axes of variable length, by input."""

    @property
    def backbone(self) -> GPT:
        """The backbone of the network."""
        backbone: GPT = self.network.backbone
        return backbone

    def forward(self, inputs: list[Tensor]) -> Tensor:
        """Return the logits, from the inputs in the order of `axes`.

        These are input_ids, (B, T), padded at the end; attention_mask, (B, T), int64, 1 for tokens
        and 0 for padding; and further ones of the kind.
        """
        named = dict(zip(self.axes, inputs, strict=True))
        # No token attends to the padding after it. A prefix, unlike document ids, needs no running
        # maximum for the positions, which ONNX does not have; an empty one is causal attention.
        lengths = named["attention_mask"].sum(dim=1)
        prefix = torch.zeros_like(lengths) if self.network.is_causal else lengths
        hidden = self.backbone.hidden(named["input_ids"], prefix=prefix)
        return self.form.logits(self.network, hidden, named)

    def inputs(self, n_rows: int, n_tokens: int) -> dict[str, Tensor]:
        """Return random inputs by name; the first row has that many tokens, the others up to it."""
        size = self.backbone.config.vocab_size
        assert size is not None
        lengths = torch.randint(1, n_tokens + 1, (n_rows,))
        lengths[0] = n_tokens
        mask = torch.arange(n_tokens) < lengths[:, None]
        ids = torch.randint(size, (n_rows, n_tokens))
        rows = {"input_ids": ids, "attention_mask": mask.long()}
        return rows | self.form.further_inputs(self.network, rows)
