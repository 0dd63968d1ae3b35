"""Pruning of the store: `textmill prune`."""

from __future__ import annotations

from collections import defaultdict
from contextlib import nullcontext
from typing import TextIO

from humanize import naturalsize

from textmill.config import Config
from textmill.registry.prune import UnusedData, find_unused, remove
from textmill.tracking.liveness import no_pipeline_starts
from textmill.tracking.store import Store


def prune_store(config: Config, n_kept: int, confirmed: bool, output: TextIO) -> None:
    """List unused data with sizes, and remove it if confirmed.

    Raises:
        RunError: a pipeline is running, or something cannot be removed.
    """
    store = Store(config.tracking)
    # A pipeline that starts meanwhile could reuse data about to be removed.
    with no_pipeline_starts(store) if confirmed else nullcontext():
        found = find_unused(store, n_kept)
        _list_and_remove(store, found, confirmed, output)
    total = _size(sum(item.n_bytes for item in found))
    if not found:
        output.write(
            f"Nothing to remove: the newest {n_kept} runs and the registered models are kept.\n"
        )
    elif confirmed:
        output.write(f"Removed: {total}.\n")
    else:
        output.write(f"To be removed: {total}. Nothing was removed yet: add --yes.\n")


def _list_and_remove(
    store: Store, found: list[UnusedData], confirmed: bool, output: TextIO
) -> None:
    by_step: dict[str, int] = defaultdict(int)
    for item in found:
        where = item.run_id or item.folder
        output.write(f"{_size(item.n_bytes):>8}  {item.what:6}  {item.label}  {where}\n")
        by_step[f"{item.what} {item.label.split()[0]}" if item.run_id else item.what] += (
            item.n_bytes
        )
        if confirmed:
            remove(store, item)
    for name, n_bytes in sorted(by_step.items(), key=lambda item: -item[1]):
        output.write(f"{_size(n_bytes):>8}  in all: {name}\n")


def _size(n_bytes: float) -> str:
    return naturalsize(n_bytes, format="%.3g")
