"""Specifies the scores of slices of a test set."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.tasks.conftest import make_config, toy_rows, write_rows
from textmill.errors import InputError
from textmill.files import read_json
from textmill.steps.graph import BASELINE, EVALUATE, FINETUNE, GRAPH
from textmill.tasks.classification.examples import read_examples
from textmill.tasks.classification.settings import ClassificationConfig
from textmill.tasks.evaluate import evaluate
from textmill.tasks.rows import MAX_SLICE_CHARS
from textmill.tasks.slices import (
    MAX_VALUES,
    OTHERS,
    QUARTERS,
    rows_by_slice,
    slice_metrics,
    slices_of,
)


def with_column(folder: Path, values: list[Any], **further: Any) -> ClassificationConfig:
    rows = toy_rows(len(values), seed=1)
    rows = [row | {"from": {"site": value}} for row, value in zip(rows, values, strict=True)]
    for split in ("train", "test"):
        write_rows(folder / f"{split}.jsonl", rows)
    return make_config(folder, slices=("from.site",), **further)


def found(config: ClassificationConfig) -> list[dict[str, str]]:
    return slices_of(config, read_examples(config, "test"))


def test_an_example_belongs_to_the_slice_of_its_value(tmp_path: Path) -> None:
    values = ["web", " web ", None, 3, True, "", "x" * 99, "bob@example.com"]
    names = ["web", "web", "none", "3", "True", "none", "x" * MAX_SLICE_CHARS, "[EMAIL]"]
    config = with_column(tmp_path, values)
    assert found(config) == [{"from.site": name} for name in names]
    assert read_examples(config, "train").slices == {}


def test_a_column_that_is_missing_is_named(tmp_path: Path) -> None:
    config = with_column(tmp_path, ["web"] * 4).model_copy(update={"slices": ("site",)})
    with pytest.raises(InputError, match=r"no column 'site', which tasks\.mood\.slices names"):
        read_examples(config, "test")
    read_examples(config, "train")


def test_rare_values_are_one_slice(tmp_path: Path) -> None:
    values = [f"{number:02}" for number in range(MAX_VALUES) for _ in range(2)]
    config = with_column(tmp_path, values)
    assert OTHERS not in {row["from.site"] for row in found(config)}
    config = with_column(tmp_path, [*values, "rare"])
    kept = {row["from.site"] for row in found(config)}
    assert len(kept) == MAX_VALUES
    assert OTHERS in kept
    assert "rare" not in kept


def test_examples_are_in_quarters_by_length_if_they_are_many(tmp_path: Path) -> None:
    rows = [{"text": "good " * (number + 1), "label": "ab"[number % 2]} for number in range(100)]
    for n, lengths in ((99, 0), (100, 25)):
        write_rows(tmp_path / "test.jsonl", rows[:n][::-1])
        config = make_config(tmp_path)
        groups = rows_by_slice([{"slices": row} for row in found(config)])
        assert [len(part) for part in groups.values()] == [lengths] * (4 if lengths else 0)
    assert [value for _, value in groups] == [*QUARTERS]
    assert found(config)[0] == {"length": "longest quarter"}
    assert found(config)[-1] == {"length": "shortest quarter"}


def test_a_test_set_in_several_languages_has_a_slice_of_each(tmp_path: Path) -> None:
    texts = {
        "en": "The old woman walked slowly through the quiet streets of the town, number {}.",
        "de": "Die alte Frau ging langsam durch die stillen Straßen der Stadt, Nummer {}.",
        "fr": "La vieille dame marchait lentement dans les rues calmes de la ville, numéro {}.",
    }

    def slices(**numbers: int) -> list[str | None]:
        lines = [texts[tag].format(i) for tag, n in numbers.items() for i in range(n)]
        rows = [{"text": text, "label": "a"} for text in [*lines, "short"]]
        write_rows(tmp_path / "test.jsonl", rows)
        return [row.get("language") for row in found(make_config(tmp_path))]

    assert slices(en=20, de=10) == ["en"] * 20 + ["de"] * 10 + [None]
    assert slices(en=20, de=10, fr=2) == ["en"] * 20 + ["de"] * 10 + [OTHERS] * 2 + [None]
    assert slices(en=30, fr=2) == [None] * 33


def test_a_column_of_languages_is_preferred_to_those_identified(tmp_path: Path) -> None:
    texts = [
        "The old woman walked slowly home again today.",
        "Die alte Frau ging heute langsam nach Hause.",
    ]
    rows = [{"text": texts[i % 2], "label": "a", "language": "own"} for i in range(40)]
    write_rows(tmp_path / "test.jsonl", rows)
    assert {row["language"] for row in found(make_config(tmp_path))} <= {"en", "de"}
    assert found(make_config(tmp_path, slices=("language",))) == [{"language": "own"}] * 40


def test_metrics_of_a_slice_are_those_of_its_rows(tmp_path: Path) -> None:
    rows = [
        {"text": "t", "label": guess, "reference": "a", "slices": {"site": site}}
        for site, guess in (("web", "a"), ("web", "b"), ("a/b", "a"))
    ]
    assert slice_metrics(make_config(tmp_path), rows) == {
        "slice/site/a/b/accuracy": 1.0,
        "slice/site/a/b/f1_macro": 1.0,
        "slice/site/a/b/examples": 1,
        "slice/site/web/accuracy": 0.5,
        "slice/site/web/f1_macro": pytest.approx(1 / 3),
        "slice/site/web/examples": 2,
    }
    assert slice_metrics(make_config(tmp_path), [{"label": "a", "reference": "a"}]) == {}


def test_an_evaluation_has_the_scores_of_slices(tuned: tuple[Path, Path], tmp_path: Path) -> None:
    config = with_column(tmp_path, ["web", "mail"] * 20)
    evaluate(config, {"model": tuned[0]}, tmp_path)
    metrics = read_json(tmp_path / "metrics.json")
    assert metrics["slice/from.site/web/examples"] == 20
    sites = [metrics[f"slice/from.site/{site}/accuracy"] for site in ("web", "mail")]
    assert metrics["accuracy"] == pytest.approx(sum(sites) / 2)
    rows = [json.loads(line) for line in (tmp_path / "predictions.jsonl").read_text().splitlines()]
    assert [row["slices"]["from.site"] for row in rows] == ["web", "mail"] * 20


def test_slices_change_the_key_of_the_evaluation_alone(tmp_path: Path) -> None:
    plain = make_config(tmp_path)
    sliced = plain.model_copy(update={"slices": ("site",)})
    for step in (BASELINE, FINETUNE, EVALUATE):
        (node,) = [node for node in GRAPH.nodes if node.step == step]
        is_same = node.configure(plain) == node.configure(sliced)  # type: ignore[arg-type]
        assert is_same == (step != EVALUATE), step.name
