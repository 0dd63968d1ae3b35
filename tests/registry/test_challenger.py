"""Specifies challengers: their language, and the recipe that seeds are no part of."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from textmill.config import Config
from textmill.files import MANIFEST, write_json
from textmill.registry.challenger import _language, recipe_of
from textmill.tracking.results import Result


@pytest.mark.parametrize(
    ("of_sources", "kept", "language"),
    [
        (("en", "de"), (), "und"),
        (("auto",), (), "und"),
        (("auto", "en"), ("en", "de"), "und"),
        (("auto", "en"), ("en",), "en"),
        (("zh-Hans", "zh-Hant", "de"), ("zh",), "zh"),
        (("en-GB",), ("en",), "en-GB"),
    ],
)
def test_a_corpus_has_a_language_if_no_other_is_in_it(
    config: Config, of_sources: tuple[str, ...], kept: tuple[str, ...], language: str
) -> None:
    sources = [{"name": name, "path": "a.txt", "language": name} for name in of_sources]
    values = config.model_dump() | {"corpus": {"sources": sources, "languages": kept}}
    assert _language(Config.model_validate(values)) == language


@pytest.mark.parametrize(
    ("settings", "language"),
    [
        ({"kind": "translation", "target_language": "de"}, "de"),
        ({"kind": "translation"}, "und"),
        ({"kind": "classification"}, "en"),
        (None, "en"),
    ],
)
def test_floors_of_a_language_apply_to_its_tasks(
    config: Config, settings: dict[str, str] | None, language: str
) -> None:
    task = {"name": "t", "train": "a.csv", "test": "b.csv"} | (settings or {"kind": "tagging"})
    sources = [{"name": name, "path": "a.txt", "language": "en"} for name in ("one", "two")]
    values = config.model_dump() | {"corpus": {"sources": sources}, "tasks": [task]}
    changed = Config.model_validate(values)
    assert _language(changed, changed.tasks[0] if settings else None) == language


def test_a_recipe_is_all_but_seeds(tmp_path: Path) -> None:
    numbers = itertools.count()

    def made(name: str, seed: int = 0, source: str = "s", **further: Any) -> Result:
        folder = tmp_path / f"{name} {next(numbers)}"
        folder.mkdir()
        manifest = {
            "step": name,
            "config": {"finetune": {"seed": seed, "epochs": 3}, "list": [{"seed": seed}]},
            "code": {"textmill": "c"},
            "packages": {"numpy": "2"},
            "sources": {"train": {"place": str(folder), "digest": source}},
            "inputs": {},
        }
        write_json(folder / MANIFEST, manifest | further)
        return Result(name, f"{folder}", "run", "url", folder, f"digest of {folder}", False)

    def tuned(backbone: Result, seed: int = 0, **further: Any) -> str:
        made_from = {"backbone": {"key": backbone.key, "digest": backbone.digest}}
        model = made("finetune", seed, inputs=made_from, **further)
        return recipe_of(model, {"pretrain": backbone, "finetune": model})

    recipe = tuned(made("pretrain"))
    assert tuned(made("pretrain", seed=5), seed=7) == recipe
    assert tuned(made("pretrain", source="t")) != recipe
    assert tuned(made("pretrain"), code={"textmill": "d"}) != recipe
    assert tuned(made("pretrain"), config={"finetune": {"epochs": 4}}) != recipe


def test_a_recipe_is_the_same_whichever_files_gave_the_texts_of_tasks(tmp_path: Path) -> None:
    def made(name: str, source: str, inputs: dict[str, Any] | None = None) -> Result:
        folder = tmp_path / f"{name} {source}"
        folder.mkdir()
        values = {"step": name, "config": {}, "code": {}, "packages": {}, "inputs": inputs or {}}
        write_json(folder / MANIFEST, values | {"sources": {"train": {"digest": source}}})
        return Result(name, f"key of {source}", "run", "url", folder, "digest", False)

    first, relabelled = made("task-texts", "a"), made("task-texts", "b")
    entry = {"task_texts": {"key": first.key, "digest": first.digest}}
    clean = made("clean", "own", entry)
    recipes = {recipe_of(clean, {"task-texts": texts}) for texts in (first, relabelled)}
    assert len(recipes) == 1
