"""Resolution of relative locations in a configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from textmill.hub_models import is_hub_id

SAMPLE = "sample:"
"""Prefix of paths inside the generated sample data."""
SPLITS = ("train", "test", "validation")
LOCATION_KEYS = {
    "data_root",
    "path",
    "home",
    "init_from",
    *SPLITS,
    *(f"{split}_target" for split in SPLITS),
}


def anchor(values: dict[str, Any], base: Path) -> None:
    """Make the relative locations of a configuration absolute."""
    for key, value in values.items():
        if isinstance(value, dict):
            anchor(value, base)
        elif key == "extensions" and isinstance(value, list):
            values[key] = [_extension(entry, base) for entry in value]
        elif isinstance(value, list):
            for item in value:
                if isinstance(item, dict) and item.get("hub"):
                    # The id of a dataset may be a local folder; its files are names of splits.
                    if (folder := base / Path(item["hub"]).expanduser()).is_dir():
                        item["hub"] = str(folder)
                elif isinstance(item, dict):
                    anchor(item, base)
        elif key == "init_from" and isinstance(value, str) and is_hub_id(value):
            values[key] = str(base / value) if (base / value).exists() else value
        elif key in LOCATION_KEYS and isinstance(value, str):
            # Results are stored relative to the working directory, not to the configuration file.
            values[key] = _absolute(value, Path.cwd() if key == "home" else base)


def anchored(key: str, value: Any) -> Any:
    """Return the value of an override with its locations made absolute."""
    values = {key.rsplit(".", 1)[-1]: value}
    anchor(values, Path.cwd())
    return values.popitem()[1]


def _extension(entry: Any, base: Path) -> Any:
    """Return the absolute path of a file or folder; names of installed modules are unchanged."""
    if not isinstance(entry, str):
        return entry
    is_path = entry.endswith(".py") or "/" in entry or (base / entry).is_dir()
    return _absolute(entry, base) if is_path else entry


def _absolute(value: str, base: Path) -> str:
    """Return an absolute location; `sample:` paths and interpolations are unchanged."""
    if not value or value.startswith(SAMPLE) or "${" in value:
        return value
    return str(base / Path(value).expanduser())
