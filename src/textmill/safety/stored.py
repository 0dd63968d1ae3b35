"""How the text that a backbone was trained on was redacted, kept beside it.

A model that knows placeholders alone is not to be asked with what they stand for.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from textmill.config import UNREDACTED, RedactionConfig
from textmill.errors import InputError, RunError
from textmill.files import parse_json, read_foreign, write_json

FILE = "redaction.json"
MAX_BYTES = 1 << 20


def write_redaction(config: RedactionConfig, folder: Path) -> None:
    """Keep the settings in a model's folder."""
    write_json(folder / FILE, config.model_dump(mode="json"))


def read_redaction(folder: Path) -> RedactionConfig:
    """Return the settings of a model's folder; of an older model, that nothing is redacted.

    Raises:
        InputError: the file is damaged.
    """
    file = folder / FILE
    if not file.exists():
        return UNREDACTED
    try:
        return RedactionConfig.model_validate(parse_json(read_foreign(file, MAX_BYTES), file))
    except (OSError, RunError, ValidationError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{file} is damaged ({reason}): make or fetch it again.") from None
