"""Specifies the settings of filters, and the messages for wrong ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from textmill.compose import compose
from textmill.config import FilterConfig
from textmill.errors import InputError


def test_the_default_flags_the_shipped_categories_of_lists() -> None:
    rules = compose("demo").safety.filters
    assert [rule.category for rule in rules] == [
        "insults",
        "sexual",
        "violence",
        "self_harm",
        "dangerous_instructions",
    ]
    assert {rule.action for rule in rules} == {"flag"}
    assert all(rule.checks("prompt") and rule.checks("output") for rule in rules)


@pytest.mark.parametrize(
    ("entry", "named"),
    [
        ("{category: insult}", "there is no list for the category 'insult': choose one of insults"),
        ("{category: Bad}", "category"),
        ("{category: insults, languages: [fr]}", "'en', 'de' or 'zh'"),
        ("{category: insults, languages: []}", "languages"),
        ("{category: insults, action: delete}", "'block', 'mask' or 'flag'"),
        ("{category: insults, applies_to: input}", "'prompt', 'output' or 'both'"),
        ("{category: mine, model: toxicity}", "needs both model and labels"),
        ("{category: mine, labels: [bad]}", "needs both model and labels"),
        ("{category: x, model: m, labels: [b], patterns: [y]}", "has a model and patterns"),
        ("{category: x, model: m, labels: [b], threshold: 0}", "threshold"),
        ("{category: insults, word: x}", "word is not a setting"),
    ],
)
def test_a_wrong_entry_is_named_with_what_is_valid(entry: str, named: str) -> None:
    with pytest.raises(InputError) as error:
        compose("demo", [f"safety.filters=[{entry}]"])
    assert named in str(error.value)
    assert "safety.filters" in str(error.value)


def test_own_patterns_may_have_any_category() -> None:
    assert FilterConfig(category="rivals", patterns=("acme",)).category == "rivals"


def test_the_path_of_a_list_is_relative_to_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (rule,) = compose("demo", ["safety.filters=[{category: x, path: x.txt}]"]).safety.filters
    assert rule.path == str(tmp_path / "x.txt")
