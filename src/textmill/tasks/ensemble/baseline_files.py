"""The files of a classical baseline in the folder of a task model: JSON and safetensors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from textmill.errors import InputError, RunError
from textmill.files import parse_json, read_untrusted, write_json

VALUES = "baseline.json"
ARRAYS = "baseline.safetensors"
MAX_VALUES_BYTES = 1 << 30
"""Above the n-grams of a corpus that still fits into memory for fitting."""


def write_baseline(
    folder: Path, values: Mapping[str, Any], arrays: Mapping[str, NDArray[np.generic]]
) -> None:
    """Write the values and arrays of a baseline, as `load` of its kind reads them."""
    write_json(folder / VALUES, values)
    save_file(
        {name: np.ascontiguousarray(array) for name, array in arrays.items()}, folder / ARRAYS
    )


def read_baseline(folder: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return the values and arrays of a baseline.

    Raises:
        InputError: a file is missing or damaged.
    """
    file = folder / VALUES
    try:
        values = parse_json(read_untrusted(file, MAX_VALUES_BYTES), file)
        file = folder / ARRAYS
        return values, load_file(file)
    except (OSError, RunError, SafetensorError) as error:
        raise damaged(file, error) from None


def damaged(file: Path, error: Exception) -> InputError:
    """Return the error of a file that holds no baseline."""
    reason = " ".join(str(error).split())[:200]
    return InputError(f"{file} is damaged ({reason}): create or download the model again.")
