"""Checkpoints as folders: tensors in safetensors, other state in JSON, digests of both.

Nothing is pickled: a checkpoint from an untrusted source cannot execute code.
"""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import CheckpointIO
from safetensors.torch import load_file, save_file
from torch import Tensor

from textmill.errors import RunError
from textmill.files import digest_file, read_json, sync_folder, write_json

TENSORS = "tensors.safetensors"
STATE = "state.json"
DIGESTS = "digests.json"

log = logging.getLogger(__name__)


class FolderCheckpointIO(CheckpointIO):
    """Lightning's checkpoint I/O: writes to a temporary folder, flushes it, and renames it."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Write the checkpoint as a folder, atomically."""
        folder = Path(path)
        beside = folder.with_name(f".{folder.name}")
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(parents=True)
        tensors: dict[str, Tensor] = {}
        state = pack_state(checkpoint, tensors)
        # safetensors rejects tied and transposed weights: store a copy of each tensor.
        apart = {
            name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
            for name, tensor in tensors.items()
        }
        save_file(apart, beside / TENSORS)
        write_json(beside / STATE, state)
        write_json(beside / DIGESTS, {n: digest_file(beside / n) for n in (TENSORS, STATE)})
        sync_folder(beside)
        shutil.rmtree(folder, ignore_errors=True)
        beside.rename(folder)

    def load_checkpoint(
        self, path: str | Path, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Return the checkpoint of a folder."""
        folder = Path(path)
        state = unpack_state(read_json(folder / STATE), load_file(folder / TENSORS))
        assert isinstance(state, dict)
        return state

    def remove_checkpoint(self, path: str | Path) -> None:
        """Delete a checkpoint folder."""
        shutil.rmtree(path)


def checkpoint_folder(work: Path, step: int) -> Path:
    """Return the folder of the checkpoint after an optimizer step."""
    return work / "checkpoints" / f"step-{step:08}"


def newest_checkpoint(work: Path) -> Path | None:
    """Return the newest intact checkpoint; damaged ones are logged and skipped."""
    for folder in sorted((work / "checkpoints").glob("step-*"), reverse=True):
        if is_intact(folder):
            return folder
        log.warning("The checkpoint %s is damaged; using the one before it.", folder)
    return None


def is_intact(folder: Path) -> bool:
    """Return whether all files of a checkpoint match their digests."""
    try:
        digests = {name: digest_file(folder / name) for name in (TENSORS, STATE)}
        return bool(read_json(folder / DIGESTS) == digests)
    except (OSError, RunError):
        return False


def keep_newest(work: Path, number: int) -> None:
    """Delete all but the newest checkpoints."""
    for folder in sorted((work / "checkpoints").glob("step-*"))[:-number]:
        shutil.rmtree(folder)


def pack_state(value: Any, tensors: dict[str, Tensor]) -> Any:
    """Return nested state as JSON values, with tensors moved to `tensors` and replaced by a name.

    Raises:
        TypeError: a value cannot be represented.
    """
    match value:
        case Tensor():
            name = str(len(tensors))
            tensors[name] = value
            return {"tensor": name}
        case dict():
            # JSON has string keys only, and optimizers number their parameters.
            return {
                "dict": [[pack_state(k, tensors), pack_state(v, tensors)] for k, v in value.items()]
            }
        case tuple():
            return {"tuple": [pack_state(item, tensors) for item in value]}
        case list():
            return [pack_state(item, tensors) for item in value]
        case None | bool() | int() | float() | str():
            return value
    raise TypeError(f"a checkpoint cannot hold {type(value).__name__}: {value!r}")


def unpack_state(value: Any, tensors: dict[str, Tensor]) -> Any:
    """Return the nested state that `pack_state` packed."""
    match value:
        case {"tensor": name}:
            return tensors[name]
        case {"dict": items}:
            return {unpack_state(k, tensors): unpack_state(v, tensors) for k, v in items}
        case {"tuple": items}:
            return tuple(unpack_state(item, tensors) for item in items)
        case list():
            return [unpack_state(item, tensors) for item in value]
    return value


def random_state() -> dict[str, Tensor]:
    """Return the states of torch's random number generators, which dropout uses."""
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state()
    return states


def restore_random_state(states: dict[str, Tensor]) -> None:
    """Restore the states of torch's random number generators."""
    torch.set_rng_state(states["cpu"].cpu())
    if "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"].cpu())
