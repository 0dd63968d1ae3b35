"""The copies of models that MLflow keeps: digests that go with them, wherever they are loaded.

They are served where no store can be asked, so a copy is checked by a file of its own. One damaged
file is always noticed: it differs from the digests, or the digests differ from it.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from textmill.errors import RunError
from textmill.files import DIGESTS, check_digests, write_digests

METADATA = {"digests": DIGESTS}
"""In the file MLmodel of a copy that has digests."""
MLMODEL = "MLmodel"

log = logging.getLogger(__name__)


def save_model(path: str, **given: Any) -> None:
    """Save a model as `mlflow.pyfunc.save_model` does, with the digests of its files.

    MLflow calls this for the flavor that this module is.
    """
    import mlflow.pyfunc  # not before a model is logged: it takes seconds

    mlflow.pyfunc.save_model(path=path, **given)
    write_digests(Path(path))


def check_copy(model: Path) -> None:
    """Check a copy of a model as it is loaded; one of an early version has no digests.

    Args:
        model: the folder of weights inside the copy.

    Raises:
        RunError: a file is missing or damaged.
    """
    copy = next((folder for folder in model.parents if (folder / MLMODEL).is_file()), None)
    if copy is None:
        raise RunError(f"{model} lies in no MLflow model: {MLMODEL} is missing.")
    content = (copy / MLMODEL).read_bytes()
    if (copy / DIGESTS).exists() or DIGESTS.encode() in content:
        check_digests(copy)
    else:
        log.warning("%s is not verified: it was logged without digests of its files.", copy)
