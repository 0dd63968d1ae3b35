"""Redaction settings of a backbone's training text, stored beside the model.

A model that was trained on placeholders gets prompts with the same placeholders.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from textmill.config import UNREDACTED, RedactionConfig
from textmill.errors import InputError, RunError
from textmill.files import parse_json, read_untrusted, write_json

FILE = "redaction.json"
MAX_BYTES = 1 << 20


def write_redaction(config: RedactionConfig, folder: Path) -> None:
    """Write the settings into a model's folder."""
    write_json(folder / FILE, config.model_dump(mode="json"))


def read_redaction(folder: Path) -> RedactionConfig:
    """Return the settings in a model's folder; without a file, as in older models, no redaction.

    Raises:
        InputError: the file is damaged.
    """
    file = folder / FILE
    if not file.exists():
        return UNREDACTED
    try:
        return RedactionConfig.model_validate(parse_json(read_untrusted(file, MAX_BYTES), file))
    except (OSError, RunError, ValidationError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{file} is damaged ({reason}): create or download it again.") from None
