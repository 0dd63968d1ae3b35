"""Digests inside MLflow's copies of models, verified wherever a copy is loaded.

Copies are served without access to the store, so each contains a file with its digests. Any single
damaged file is detected, including the file of digests.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from textmill.errors import RunError
from textmill.files import DIGESTS, check_digests, digest_file, link_or_copy, write_digests
from textmill.model.layout import WEIGHTS
from textmill.tasks.ensemble.adapters import BACKBONE_FOLDER

METADATA = {"digests": DIGESTS}
"""Entry in the MLmodel file of a copy with digests."""
MLMODEL = "MLmodel"
FILTERS = "filters"
"""The artifact with content filters, beside that of the model."""

log = logging.getLogger(__name__)


def save_model(path: str, **given: Any) -> None:
    """Save a model like `mlflow.pyfunc.save_model`, with the digests of its files.

    MLflow calls this function, as this module serves as a flavor.
    """
    import mlflow.pyfunc  # takes seconds to import

    mlflow.pyfunc.save_model(path=path, **given)
    write_digests(Path(path))


def share_backbone(folder: Path, copy: Path) -> None:
    """Replace the weights of an adapter's backbone in a copy, in the same store, by a link to them.

    Args:
        folder: the model folder that was copied.
        copy: the MLflow model.
    """
    weights = Path(BACKBONE_FOLDER, WEIGHTS)
    copied = copy / "artifacts" / folder.name / weights
    if copied.is_file() and digest_file(copied) == digest_file(folder / weights):
        link_or_copy(folder / weights, copied)


def check_copy(model: Path) -> None:
    """Verify a copy of a model; a copy of an early version without digests logs a warning.

    Args:
        model: the folder of weights inside the copy.

    Raises:
        RunError: a file is missing or damaged.
    """
    copy = next((folder for folder in model.parents if (folder / MLMODEL).is_file()), None)
    if copy is None:
        raise RunError(f"{model} is not in an MLflow model: {MLMODEL} is missing.")
    content = (copy / MLMODEL).read_bytes()
    if (copy / DIGESTS).exists() or DIGESTS.encode() in content:
        check_digests(copy)
    else:
        log.warning("%s is not verified: it was logged without digests of its files.", copy)
