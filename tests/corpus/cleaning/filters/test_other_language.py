"""Specifies the filter of languages."""

from __future__ import annotations

import pytest

from textmill.config import CleanConfig
from textmill.corpus.cleaning.filters import Document, Rejection
from textmill.corpus.cleaning.filters.other_language import OtherLanguage


def config_of(*languages: str) -> CleanConfig:
    source = {"name": "a", "path": "a"}
    return CleanConfig.model_validate({"sources": [source], "languages": languages})


@pytest.mark.parametrize(
    ("tag", "is_kept"),
    [("de", True), ("de-AT", True), ("zh-Hans", True), ("zh", False), ("den", False)],
)
def test_a_language_includes_its_regions(tag: str, is_kept: bool) -> None:
    (verdict,) = (
        OtherLanguage().configured(config_of("de", "zh-Hans")).judge([Document("text", tag)])
    )
    assert verdict == (None if is_kept else Rejection("language", tag))


def test_it_is_enabled_if_languages_are_configured() -> None:
    assert not OtherLanguage().is_enabled(config_of())
    assert OtherLanguage().is_enabled(config_of("de"))
    assert OtherLanguage().describe(config_of("de", "en")) == "languages other than de, en"
