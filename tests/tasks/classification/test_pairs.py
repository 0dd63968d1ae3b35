"""Specifies the classification of pairs of texts, such as entailment."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from tests.tasks.conftest import QUICK, tune, write_rows
from textmill.corpus.tokens.tokenizer import SOURCE_ID, TARGET_ID, load_tokenizer
from textmill.errors import InputError
from textmill.files import read_json
from textmill.tasks.baseline import baseline
from textmill.tasks.classification.answers import columns
from textmill.tasks.classification.examples import Example, Spec, make_spec, read_examples
from textmill.tasks.classification.network import MAX_TRAINING_WINDOWS, encode
from textmill.tasks.classification.page import show
from textmill.tasks.classification.settings import ClassificationConfig
from textmill.tasks.ensemble.predictor import load_predictor
from textmill.tasks.evaluate import evaluate

THINGS = ["lamp", "chair", "table"]
SPEC = Spec(("no", "yes"), has_pairs=True)


def rows_of(n: int, seed: int) -> list[dict[str, str]]:
    """Whether the second text is about the thing of the first: neither tells by itself."""
    rng = random.Random(seed)
    rows = []
    for _ in range(n):
        one, other = rng.choice(THINGS), rng.choice(THINGS)
        label = "yes" if one == other else "no"
        rows.append({"premise": f"a {one}", "hypothesis": f"the {other}", "label": label})
    return rows


def make_config(folder: Path, **further: Any) -> ClassificationConfig:
    return ClassificationConfig.model_validate(
        {
            "kind": "classification",
            "name": "same",
            "train": str(folder / "train.jsonl"),
            "test": str(folder / "test.jsonl"),
            "text": "premise",
            "text_pair": "hypothesis",
            "finetune": QUICK | {"epochs": 12},
        }
        | further
    )


@pytest.fixture(scope="module")
def same(tmp_path_factory: pytest.TempPathFactory) -> ClassificationConfig:
    folder = tmp_path_factory.mktemp("same")
    write_rows(folder / "train.jsonl", rows_of(240, seed=1))
    write_rows(folder / "test.jsonl", rows_of(40, seed=2))
    return make_config(folder)


@pytest.mark.slow
def test_a_label_depends_on_both_texts_together(
    same: ClassificationConfig, backbone: Path, tmp_path: Path
) -> None:
    out, work, scores = (tmp_path / name for name in ("out", "work", "scores"))
    for folder in (out, work, scores):
        folder.mkdir()
    tune(same, backbone, out, work)
    evaluate(same, {"model": out}, scores)
    assert read_json(scores / "metrics.json")["accuracy"] > 0.9
    predict = load_predictor(out, "cpu")
    assert predict.columns == ("text", "text_pair")
    given = [{"text": "a lamp", "text_pair": f"the {thing}"} for thing in ("lamp", "chair")]
    assert [answer["label"] for answer in predict(given)] == ["yes", "no"]


def test_the_baseline_sees_which_words_of_the_second_text_are_new(
    same: ClassificationConfig, tmp_path: Path
) -> None:
    baseline(same, {}, tmp_path)
    assert read_json(tmp_path / "metrics.json")["accuracy"] > 0.9


def test_both_columns_are_read_and_needed(tmp_path: Path) -> None:
    write_rows(tmp_path / "train.jsonl", [{"premise": "a b", "hypothesis": "c", "label": "x"}])
    config = make_config(tmp_path)
    (example,) = read_examples(config, "train")
    assert (example.text, example.text_pair, example.label) == ("a b", "c", "x")
    two = Example("d", "y", "", "e")
    assert make_spec(config, [example, two]).has_pairs
    with pytest.raises(InputError, match=r"no column 'second', which tasks\.same\.text_pair"):
        read_examples(make_config(tmp_path, text_pair="second"), "train")
    write_rows(tmp_path / "train.jsonl", [{"premise": "a b", "hypothesis": "", "label": "x"}])
    with pytest.raises(InputError, match=r"train.jsonl:1: column 'hypothesis' holds no text"):
        read_examples(config, "train")


def test_texts_of_both_columns_are_part_of_the_corpus(tmp_path: Path) -> None:
    assert make_config(tmp_path).text_columns == ("premise", "hypothesis")
    assert make_config(tmp_path, text_pair=None).text_columns == ("premise",)
    assert columns(Spec(("a", "b"))) == ("text",)


@pytest.mark.parametrize(("n_first", "n_second"), [(3, 2), (100, 2), (2, 100), (70, 90)])
def test_each_window_has_a_part_of_both_texts(backbone: Path, n_first: int, n_second: int) -> None:
    tokenizer = load_tokenizer(backbone)
    texts = " ".join(["room"] * n_first), " ".join(["meal"] * n_second)
    (encoded,) = encode(tokenizer, SPEC, [Example(texts[0], "no", "", texts[1])], 48)
    expected = [tokenizer.encode(text, add_special_tokens=False).ids for text in texts]
    assert len(encoded.windows) <= MAX_TRAINING_WINDOWS
    found: tuple[list[int], list[int]] = ([], [])
    for window in encoded.windows:
        assert len(window) <= 48
        assert window[0] == SOURCE_ID
        middle = window.index(TARGET_ID)
        found[0].extend(window[1:middle])
        found[1].extend(window[middle + 1 :])
    if encoded.is_cut:
        return
    n = len(encoded.windows)
    for ids, whole, other in zip(found, expected, expected[::-1], strict=True):
        is_repeated = len(whole) <= 23 and len(whole) <= len(other)
        assert ids == (whole * n if is_repeated else whole)


def test_the_page_shows_both_texts() -> None:
    row = {"text": "a", "text_pair": "b", "reference": "x", "label": "x", "is_cut": False}
    assert ("second text", "b") in show(row).facts
