"""The files of a classical baseline in the folder of a task model: JSON and safetensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from textmill.errors import InputError, RunError
from textmill.files import parse_json, read_untrusted, write_json

VALUES = "baseline.json"
ARRAYS = "baseline.safetensors"
_NOT_AS_WRITTEN = (AttributeError, TypeError, ValueError)
"""What values or arrays of another form raise."""
MAX_VALUES_BYTES = 1 << 30
"""Above the n-grams of a corpus that still fits into memory for fitting."""

T = TypeVar("T")


def write_baseline(
    folder: Path, values: Mapping[str, Any], arrays: Mapping[str, NDArray[np.generic]]
) -> None:
    """Write the values and arrays of a baseline, as `load` of its kind reads them."""
    write_json(folder / VALUES, values)
    save_file(
        {name: np.ascontiguousarray(array) for name, array in arrays.items()}, folder / ARRAYS
    )


def load_baseline(folder: Path, build: Callable[[Any, dict[str, NDArray[Any]]], T]) -> T:
    """Return the baseline that was saved in a folder.

    Args:
        folder: the folder.
        build: makes the baseline from its values and arrays.

    Raises:
        InputError: a file is missing or damaged.
    """
    file = folder / VALUES
    try:
        values = parse_json(read_untrusted(file, MAX_VALUES_BYTES), file)
        file = folder / ARRAYS
        arrays = load_file(file)
        file = folder / VALUES
        return build(values, arrays)
    except (OSError, RunError, SafetensorError, LookupError, *_NOT_AS_WRITTEN) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"{file} is damaged ({reason}): create or download the model again."
        ) from None
