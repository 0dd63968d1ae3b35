"""Specifies the simple models that respond."""

from __future__ import annotations

from pathlib import Path

import pytest

from textmill.errors import InputError
from textmill.tasks.ensemble.baseline_files import ARRAYS
from textmill.tasks.generation import baselines as module
from textmill.tasks.generation.baselines import baselines, fit, load
from textmill.tasks.generation.examples import Example, Spec

SPEC = Spec(0.5)
TRAIN = [
    Example("Where is the lamp?", "In the cellar.", "1"),
    Example("Who lost a chair?", "Ann did.", "2"),
    Example("Who lost a table?", "Ann did.", "3"),
]


def test_the_response_of_the_nearest_prompt_and_the_commonest_one() -> None:
    test = [Example("Where is that lamp of yours?", "", "1"), Example("", "", "2")]
    (_, common, _), (_, nearest, note) = baselines(SPEC, TRAIN, test)
    assert [row["response"] for row in common] == ["Ann did."] * 2
    assert [row["response"] for row in nearest] == ["In the cellar."] * 2
    assert note == ""


def test_a_saved_model_responds_the_same(tmp_path: Path) -> None:
    model = fit(SPEC, TRAIN)
    model.save(tmp_path)
    again = load(SPEC, tmp_path)
    prompts = ["Who lost it?", "lamp", "x"]
    assert [*again.score(prompts)] == [*model.score(prompts)]
    assert again.n_parameters == model.n_parameters > 0
    (tmp_path / ARRAYS).write_bytes(b"no arrays")
    with pytest.raises(InputError):
        load(SPEC, tmp_path)


def test_more_prompts_than_memory_allows_are_thinned_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PROMPTS", 2)
    assert fit(SPEC, TRAIN).note == "compared with 2 of 3 prompts to save memory"
