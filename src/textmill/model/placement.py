"""The device on which models are evaluated and used."""

from __future__ import annotations

import torch

from textmill.config import Accelerator
from textmill.errors import InputError


def choose_device(accelerator: Accelerator = "auto", section: str = "finetune") -> torch.device:
    """Return the CPU or the current CUDA GPU; auto: the GPU if torch finds one.

    Args:
        accelerator: the setting, or auto for uses that no configuration describes.
        section: section of the configuration with that setting, for messages.

    Raises:
        InputError: cuda, and torch finds no GPU.
    """
    if accelerator != "cpu" and torch.cuda.is_available():
        return torch.device("cuda")
    if accelerator == "cuda":
        raise InputError(f"{section}.accelerator=cuda: torch finds no CUDA GPU; set it to cpu.")
    return torch.device("cpu")
