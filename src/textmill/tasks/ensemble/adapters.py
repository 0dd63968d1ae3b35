"""Networks as adapters: the weights that were trained, beside a backbone that others share.

The model folder of an adapter contains its backbone, so that it can be copied, moved and loaded
like any other. On disk, adapters on one backbone are hard links to one file of weights; in memory,
their networks use one set of tensors.
"""

from __future__ import annotations

import copy
import shutil
import threading
from itertools import chain
from pathlib import Path
from weakref import WeakKeyDictionary, WeakValueDictionary

import torch
from pydantic import Field
from torch import Tensor, nn

from textmill import model as models
from textmill.config import LoRAConfig, Settings
from textmill.errors import InputError
from textmill.files import digest_files, link_or_copy, reject_special_file
from textmill.model import GPT
from textmill.model.layout import CONFIG, WEIGHTS, load_state
from textmill.training.optimization.moving_average import frozen_names

BACKBONE_FOLDER = "backbone"
"""Folder of the backbone, inside that of the task model."""


class Adapter(Settings):
    """What the weights of an adapter belong to."""

    lora: LoRAConfig
    backbone: str = Field(pattern="^[0-9a-f]{64}$")
    """Digest of the backbone's configuration and weights."""


def save_backbone(backbone: Path, out: Path) -> str:
    """Write the backbone of an adapter into its model folder; return its digest."""
    folder = out / BACKBONE_FOLDER
    folder.mkdir()
    shutil.copy(backbone / CONFIG, folder / CONFIG)
    link_or_copy(backbone / WEIGHTS, folder / WEIGHTS)
    return _digest(folder)


def adapter_weights(network: nn.Module) -> dict[str, Tensor]:
    """Return the weights of a fine-tuned network that are not those of its backbone."""
    frozen = frozen_names(network)
    return {name: tensor for name, tensor in network.state_dict().items() if name not in frozen}


def load_adapter_weights(network: nn.Module, weights: dict[str, Tensor], folder: Path) -> None:
    """Load the weights of an adapter into a network on a shared backbone.

    Raises:
        InputError: names or shapes do not match the network.
    """
    frozen = frozen_names(network)
    if shared := sorted(frozen & weights.keys()):  # would change the networks of other models
        raise InputError(f"{folder}: {shared[0]} is a weight of the backbone, not of an adapter.")
    state = network.state_dict()
    load_state(network, weights | {name: state[name] for name in frozen}, folder)


_loaded: WeakValueDictionary[tuple[str, str], GPT] = WeakValueDictionary()
"""Backbones in use, by digest and device."""
_used: WeakKeyDictionary[GPT, GPT] = WeakKeyDictionary()
"""The backbone in `_loaded` whose weights a copy uses: it exists as long as one of these does."""
_lock = threading.Lock()


def shared_backbone(folder: Path, digest: str, device: torch.device) -> GPT:
    """Return a copy of an adapter's backbone that shares its frozen weights with all others.

    Args:
        folder: the model folder.
        digest: the recorded one.
        device: of the weights.

    Raises:
        InputError: the backbone is missing, or is another; or one of its files is none.
    """
    place = folder / BACKBONE_FOLDER
    for name in (CONFIG, WEIGHTS):
        reject_special_file(place / name)
    with _lock:
        try:
            is_same = _digest(place) == digest
        except OSError:
            is_same = False
        if not is_same:
            raise InputError(
                f"{place} is missing or not the backbone of this adapter: create or download the "
                "model again."
            )
        return _shared(place, digest, device)


def load_backbone(folder: Path, device: torch.device) -> GPT:
    """Return a backbone for inference that shares its weights with the adapters on it.

    Args:
        folder: that of the backbone.
        device: of the weights.

    Raises:
        InputError: the folder is not a backbone.
    """
    for name in (CONFIG, WEIGHTS):
        reject_special_file(folder / name)
    with _lock:
        try:
            digest = _digest(folder)
        except OSError as error:
            raise InputError(f"{folder} is not a backbone: {error}.") from None
        return _shared(folder, digest, device)


def _shared(folder: Path, digest: str, device: torch.device) -> GPT:
    """Return a copy of a backbone that shares its weights with all others; needs the lock."""
    key = digest, str(device)
    loaded = _loaded.get(key)
    if loaded is None:
        loaded = _loaded[key] = models.load(folder).to(device)
        loaded.requires_grad_(False)
    shared = {id(t): t for t in chain(loaded.parameters(), loaded.buffers())}
    copied = copy.deepcopy(loaded, shared)
    _used[copied] = loaded
    return copied


def _digest(folder: Path) -> str:
    return digest_files([folder / CONFIG, folder / WEIGHTS])
