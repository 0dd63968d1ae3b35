"""The picture of the lengths of documents.

It is no part of the step's output: another label of an axis trains no model again.
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
    """Log the picture to the run that made a tokens folder.

    Raises:
        StoreError: the store does not take it.
    """
    with best_effort("the picture of the lengths"), store.as_store_errors():
        store.client.log_figure(run_id, token_lengths(tokens), "plots/token_lengths.png")


def token_lengths(tokens: Path) -> Figure:
    """Return the histogram of the tokens in the training documents of a tokens folder.

    Raises:
        InputError: there are none.
    """
    from matplotlib.figure import Figure

    lengths = np.concatenate([shard.lengths for shard in read_shards(tokens / "train")]) - 1  # END
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    axes.hist(lengths, bins=np.geomspace(1, lengths.max() + 1, 40).tolist())
    axes.set(xscale="log", xlabel="tokens in a document", ylabel="documents")
    return figure
