"""Resolution of relative locations in a configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import textmill_conf
from textmill.hub_models import is_hub_id

SAMPLE = "sample:"
"""Prefix of paths inside the generated sample data."""
BEHAVIOUR, BIAS = "behaviour", "bias"
TEST_FILES = (BEHAVIOUR, BIAS)
"""Settings of a file of tests of a model, and the folders of conf/ with some: of its behaviour, and
of groups of people."""
YAML_SUFFIXES = (".yaml", ".yml")
SPLITS = ("train", "test", "validation")
LOCATION_KEYS = {
    "data_root",
    "path",
    "home",
    "init_from",
    *SPLITS,
    *(f"{split}_target" for split in SPLITS),
}
LABELLING = ("labelling", "label")
"""Names of a section of tasks with texts to label."""
LABELLING_KEYS = ("source", "labels")
"""Its locations; columns of tasks may be called so too."""


def anchor(values: dict[str, Any], base: Path) -> None:
    """Make the relative locations of a configuration absolute."""
    for key, value in values.items():
        if key in LABELLING and isinstance(value, dict):
            _anchor_labelling(value, base)
        elif isinstance(value, dict):
            anchor(value, base)
        elif key == "extensions" and isinstance(value, list):
            values[key] = [_extension(entry, base) for entry in value]
        elif isinstance(value, list):
            for item in value:
                if isinstance(item, dict) and item.get("hub"):
                    # The id of a dataset may be a local folder; its files are names of splits.
                    if (folder := base / Path(item["hub"]).expanduser()).is_dir():
                        item["hub"] = str(folder)
                    for setting in TEST_FILES:
                        if isinstance(file := item.get(setting), str):
                            item[setting] = _named_file(file, base)
                    for name in LABELLING:
                        if isinstance(section := item.get(name), dict):
                            _anchor_labelling(section, base)
                elif isinstance(item, dict):
                    anchor(item, base)
        elif key == "init_from" and isinstance(value, str) and is_hub_id(value):
            values[key] = str(base / value) if (base / value).exists() else value
        elif key in TEST_FILES and isinstance(value, str):
            values[key] = _named_file(value, base)
        elif key in LOCATION_KEYS and isinstance(value, str):
            # Results are stored relative to the working directory, not to the configuration file.
            values[key] = _absolute(value, Path.cwd() if key == "home" else base)


def anchored(key: str, value: Any) -> Any:
    """Return the value of an override with its locations made absolute."""
    section, _, name = f".{key}".rpartition(".")
    values = {section.rpartition(".")[2]: {name: value}}
    anchor(values, Path.cwd())
    [anchored_values] = values.values()
    return anchored_values[name]


def find_test_file(setting: str, value: str) -> Path:
    """Return the file in one of `TEST_FILES`: a path, or the name of one in conf/."""
    is_path = value.endswith(YAML_SUFFIXES)
    return Path(value) if is_path else _conf_folder(setting) / f"{value}.yaml"


def known_test_files(setting: str) -> list[str]:
    """Return the names in conf/ for one of `TEST_FILES`."""
    return sorted(file.stem for file in _conf_folder(setting).glob("*.yaml"))


def _conf_folder(setting: str) -> Path:
    return Path(textmill_conf.__file__).resolve().parent / setting


def _anchor_labelling(section: dict[str, Any], base: Path) -> None:
    for name in LABELLING_KEYS:
        if isinstance(section.get(name), str):
            section[name] = _absolute(section[name], base)


def _named_file(value: str, base: Path) -> str:
    """Return the absolute path of a file of tests; names in conf/ are unchanged."""
    return _absolute(value, base) if value.endswith(YAML_SUFFIXES) else value


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
