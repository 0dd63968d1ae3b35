"""The plot of document lengths.

It is not in the step's output, so that a changed axis label recomputes nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from textmill.corpus.tokens.token_shards import read_shards
from textmill.errors import best_effort
from textmill.tracking.store import Store

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def log_token_lengths(store: Store, run_id: str, tokens: Path) -> None:
    """Log the plot of a tokens folder to the run of its step.

    Raises:
        StoreError: the store failed.
    """
    with best_effort("the plot of document lengths"), store.as_store_errors():
        store.client.log_figure(run_id, token_lengths(tokens), "plots/token_lengths.png")


def token_lengths(tokens: Path) -> Figure:
    """Return a histogram of tokens per training document.

    Raises:
        InputError: there are no training documents.
    """
    from matplotlib.figure import Figure

    lengths = np.concatenate([shard.lengths for shard in read_shards(tokens / "train")]) - 1  # END
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    axes.hist(lengths, bins=np.geomspace(1, lengths.max() + 1, 40).tolist())
    axes.set(xscale="log", xlabel="tokens per document", ylabel="documents")
    return figure
