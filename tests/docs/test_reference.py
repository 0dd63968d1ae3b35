"""Specifies that the reference shows every class of settings, and none that is not there."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

from textmill import config
from textmill.config import KINDS, Settings, settings_of

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "settings.md"


def shown() -> dict[str, list[str]]:
    """The names that are shown, by module; those that a module lacks are left out unnoticed."""
    parts = re.split(r"^::: (\S+)$", PAGE.read_text(), flags=re.M)[1:]
    return {
        module: re.findall(r"^        - (\w+)$", text, flags=re.M)
        for module, text in zip(parts[::2], parts[1::2], strict=True)
    }


def test_every_name_is_there() -> None:
    for module, names in shown().items():
        assert [name for name in names if not hasattr(importlib.import_module(module), name)] == []


def test_every_setting_is_shown() -> None:
    names = {name for names in shown().values() for name in names}
    assert {settings_of(kind).__name__ for kind in KINDS} <= names
    missing = {
        name
        for name in config.__all__
        if isinstance(one := getattr(config, name, None), type)
        and issubclass(one, Settings)
        and not name.endswith("StepConfig")
        and name not in names
    }
    sized = {"ModelConfig", "PretrainConfig", "TokenizerConfig"}
    nobodys_own = {"CleanConfig", "Settings", "SplitTextsConfig", "TokensConfig"}
    assert missing == nobodys_own | sized
