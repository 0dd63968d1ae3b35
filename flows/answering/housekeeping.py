"""What `textmill prune` says and does."""

from __future__ import annotations

from collections import defaultdict
from contextlib import nullcontext
from typing import TextIO

from humanize import naturalsize

from textmill.config import Config
from textmill.registry.prune import Waste, find_waste, remove
from textmill.tracking.liveness import no_pipeline_starts
from textmill.tracking.store import Store


def prune_store(config: Config, n_kept: int, confirmed: bool, output: TextIO) -> None:
    """List what is not needed, with sizes, and remove it if that is meant.

    Raises:
        RunError: a pipeline is running, or something cannot be removed.
    """
    store = Store(config.tracking)
    # A pipeline that starts meanwhile could reuse what is about to go.
    with no_pipeline_starts(store) if confirmed else nullcontext():
        found = find_waste(store, n_kept)
        _list_and_remove(store, found, confirmed, output)
    total = _size(sum(waste.n_bytes for waste in found))
    if not found:
        output.write(
            f"Nothing to remove: the newest {n_kept} runs and the registered models stay.\n"
        )
    elif confirmed:
        output.write(f"Removed: {total}.\n")
    else:
        output.write(f"To be removed: {total}. Nothing was removed yet: add --yes.\n")


def _list_and_remove(store: Store, found: list[Waste], confirmed: bool, output: TextIO) -> None:
    by_step: dict[str, int] = defaultdict(int)
    for waste in found:
        where = waste.run_id or waste.folder
        output.write(f"{_size(waste.n_bytes):>8}  {waste.what:6}  {waste.label}  {where}\n")
        by_step[f"{waste.what} {waste.label.split()[0]}" if waste.run_id else waste.what] += (
            waste.n_bytes
        )
        if confirmed:
            remove(store, waste)
    for name, n_bytes in sorted(by_step.items(), key=lambda item: -item[1]):
        output.write(f"{_size(n_bytes):>8}  in all: {name}\n")


def _size(n_bytes: float) -> str:
    return naturalsize(n_bytes, format="%.3g")
