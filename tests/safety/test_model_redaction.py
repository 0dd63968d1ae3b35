"""Specifies the settings of redaction that a backbone carries with it."""

from __future__ import annotations

from pathlib import Path

from textmill.config import RedactionConfig
from textmill.safety.model_redaction import read_redaction, write_redaction


def test_settings_are_read_back(tmp_path: Path) -> None:
    config = RedactionConfig(kinds=("email", "iban"), phone_regions=("FR",))
    write_redaction(config, tmp_path)
    assert read_redaction(tmp_path) == config


def test_a_model_without_settings_is_asked_with_texts_as_they_are(tmp_path: Path) -> None:
    assert not read_redaction(tmp_path).enabled
