"""The KV cache of incremental decoding."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


class KVCache:
    """Keys and values of the tokens so far, for every layer of a model.

    Args:
        keys: memory for the keys of each layer, (B, n_kv_head, capacity, head_size).
        values: the same for the values.
        padding: (B,), int64, number of padding tokens at the start of each row: no token attends to
            them, and positions count from the first token after them. None: no padding.
    """

    def __init__(
        self,
        keys: Sequence[Tensor],
        values: Sequence[Tensor],
        padding: Tensor | None = None,
    ) -> None:
        self.keys = list(keys)
        self.values = list(values)
        self.padding = padding
        self.min_padding = int(padding.min()) if padding is not None else 0
        self.length = 0
        """Tokens in the cache; `GPT.hidden` advances it once all layers have written."""

    def extend(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Write the new tokens' keys and values and return those of all tokens so far.

        They have the dtype of the new ones, whatever that of the memory is.
        """
        end = self.length + k.size(2)
        self.keys[layer][:, :, self.length : end] = k
        self.values[layer][:, :, self.length : end] = v
        keys, values = self.keys[layer][:, :, :end], self.values[layer][:, :, :end]
        return keys.to(k.dtype), values.to(v.dtype)

    def keep(self, rows: Tensor) -> None:
        """Keep only the rows with the given indices, in that order; a row may be repeated."""
        self.keys = [self._rows(keys, rows) for keys in self.keys]
        self.values = [self._rows(values, rows) for values in self.values]
        if self.padding is not None:
            self.padding = self.padding[rows]
            self.min_padding = int(self.padding.min())

    def copy(self, sources: Tensor, rows: Tensor, first: int) -> None:
        """Copy the tokens from the given one on from some rows to others, all at once.

        The rows must be equal in the tokens before.
        """
        if len(rows):
            for tensor in (*self.keys, *self.values):
                tensor[rows, :, first : self.length] = tensor[sources, :, first : self.length]

    def _rows(self, tensor: Tensor, rows: Tensor) -> Tensor:
        kept = tensor.new_empty((len(rows), *tensor.shape[1:]))
        kept[:, :, : self.length] = tensor[rows, :, : self.length]  # the rest takes no memory yet
        return kept

    def attention_mask(self, n_new: int, is_causal: bool = True) -> Tensor | None:
        """Return the attention mask of new tokens, (T, S) or (B, 1, T, S); None if not needed.

        T is the number of new tokens, S that of all tokens including them. Unless it is causal, the
        new tokens also attend to those after them.
        """
        if self.padding is None and (n_new == 1 or self.length == 0 or not is_causal):
            return None  # the kernel's causal mask suffices, or all tokens are attended to
        device = self.keys[0].device
        keys = torch.arange(self.length + n_new, device=device)
        queries = keys[self.length :, None]
        is_visible = keys <= queries if is_causal else keys >= 0  # (T, S) or (S,)
        if self.padding is None:
            return is_visible
        is_token = (keys >= self.padding[:, None])[:, None, None]  # (B, 1, 1, S)
        # Padding attends to itself: the softmax of an empty row is NaN, which would spread.
        return is_visible & is_token | (keys == queries)

    def positions(self, n_new: int) -> Tensor:
        """Return the positions of new tokens, (T,) or (B, T); padding has position 0."""
        end = self.length + n_new
        positions = torch.arange(self.length, end, device=self.keys[0].device)
        if self.padding is None:
            return positions
        return (positions - self.padding[:, None]).clamp(min=0)
