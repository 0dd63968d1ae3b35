"""How the text that a backbone was trained on was redacted, kept beside it.

A model that knows placeholders alone is not to be asked with what they stand for.
"""

from __future__ import annotations

from pathlib import Path

from textmill.config import UNREDACTED, RedactionConfig
from textmill.files import read_json, write_json

FILE = "redaction.json"


def write_redaction(config: RedactionConfig, folder: Path) -> None:
    """Keep the settings in a model's folder."""
    write_json(folder / FILE, config.model_dump(mode="json"))


def read_redaction(folder: Path) -> RedactionConfig:
    """Return the settings of a model's folder; of an older model, that nothing is redacted."""
    if not (folder / FILE).exists():
        return UNREDACTED
    return RedactionConfig.model_validate(read_json(folder / FILE))
