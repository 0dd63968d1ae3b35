"""Specifies tags that refer to a word of the text, such as the roles around a verb."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from tests.tasks.conftest import QUICK, tune, write_rows
from textmill.config import UNREDACTED
from textmill.corpus.tokens.tokenizer import TARGET_ID, load_tokenizer
from textmill.errors import InputError
from textmill.files import read_json
from textmill.tasks.baseline import baseline
from textmill.tasks.ensemble.predictor import load_predictor
from textmill.tasks.evaluate import evaluate
from textmill.tasks.finetune import split_examples
from textmill.tasks.kinds import examples_of
from textmill.tasks.tagging.answers import columns, prepare, targets
from textmill.tasks.tagging.examples import (
    Example,
    Spec,
    check_examples,
    make_spec,
    read_examples,
    reference,
)
from textmill.tasks.tagging.network import encode
from textmill.tasks.tagging.page import show
from textmill.tasks.tagging.settings import TaggingConfig

NAMES = ["Ann", "Bob", "Cid", "Dora", "Eve"]
VERBS = ["helps", "sees", "calls"]
SPEC = Spec(("O", "B-A", "I-A"), False, has_predicate=True)


def rows_of(n: int, seed: int) -> list[dict[str, Any]]:
    """Two clauses, each with a row of its verb: a name is an argument of one verb alone."""
    rng = random.Random(seed)
    rows = []
    for _ in range(n):
        one, two, three, four = rng.sample(NAMES, 4)
        words = [one, rng.choice(VERBS), two, "and", three, rng.choice(VERBS), four, "."]
        first = ["B-AGENT", "B-V", "B-PATIENT", *["O"] * 5]
        second = [*["O"] * 4, "B-AGENT", "B-V", "B-PATIENT", "O"]
        rows.append({"tokens": words, "ner_tags": first, "verb": 1})
        rows.append({"tokens": words, "ner_tags": second, "verb": 5})
    return rows


def make_config(folder: Path) -> TaggingConfig:
    return TaggingConfig.model_validate(
        {
            "kind": "tagging",
            "name": "roles",
            "train": str(folder / "train.jsonl"),
            "test": str(folder / "test.jsonl"),
            "predicate": "verb",
            "finetune": QUICK | {"epochs": 12, "micro_batch_size": 8},
        }
    )


@pytest.fixture(scope="module")
def roles(tmp_path_factory: pytest.TempPathFactory) -> TaggingConfig:
    folder = tmp_path_factory.mktemp("roles")
    write_rows(folder / "train.jsonl", rows_of(60, seed=1))
    write_rows(folder / "test.jsonl", rows_of(20, seed=2))
    return make_config(folder)


@pytest.fixture(scope="module")
def tuned_roles(
    roles: TaggingConfig, backbone: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    out = tmp_path_factory.mktemp("model")
    tune(roles, backbone, out, tmp_path_factory.mktemp("work"))
    return out


def test_roles_are_those_of_the_predicate(
    roles: TaggingConfig, tuned_roles: Path, tmp_path: Path
) -> None:
    """The same words have other tags with another predicate."""
    evaluate(roles, {"model": tuned_roles}, tmp_path)
    assert read_json(tmp_path / "metrics.json")["f1"] > 0.9
    predict = load_predictor(tuned_roles, "cpu")
    text = "Ann helps Bob and Dora calls Eve ."
    answers = predict([{"text": text, "predicate": verb} for verb in ("helps", "calls")])
    assert [[e["text"] for e in answer["entities"]] for answer in answers] == [
        ["Ann", "Bob"],
        ["Dora", "Eve"],
    ]


def test_the_regression_knows_the_predicate_too(roles: TaggingConfig, tmp_path: Path) -> None:
    baseline(roles, {}, tmp_path)
    scores = read_json(tmp_path / "metrics.json")
    assert scores["f1"] > 0.9 > scores["trivial/f1"]


def test_the_tag_of_the_predicate_is_no_answer(tmp_path: Path) -> None:
    write_rows(
        tmp_path / "train.jsonl",
        [{"tokens": list("abc"), "ner_tags": ["B-X", "B-V", "I-V"], "verb": 2}],
    )
    (example,) = read_examples(make_config(tmp_path), "train")
    assert example.tags == ("B-X", "O", "O")
    assert reference(example)["predicate"] == 2
    assert make_spec(make_config(tmp_path), [example]).has_predicate


@pytest.mark.parametrize("verb", [3, -1, "1", None, True, 1.0])
def test_a_bad_predicate_is_named(tmp_path: Path, verb: object) -> None:
    row = {"tokens": list("abc"), "ner_tags": ["B-X", "O", "O"], "verb": verb}
    write_rows(tmp_path / "train.jsonl", [row])
    with pytest.raises(InputError, match=r"train.jsonl:1: .*'verb' .*from 0 to 2"):
        read_examples(make_config(tmp_path), "train")


def test_the_rows_of_a_sentence_are_on_one_side_of_the_split(roles: TaggingConfig) -> None:
    kind = examples_of("tagging")
    train, validation = split_examples(roles, kind, read_examples(roles, "train"))
    assert {e.words for e in train}.isdisjoint(e.words for e in validation)


def test_a_predicate_is_a_word_or_its_number() -> None:
    inputs = [
        {"text": "Ann sees Bob.", "predicate": "sees"},
        {"text": ["Ann", "sees", "Bob"], "predicate": 1},
        {"text": ["Ann", "sees", "Bob"], "predicate": "Bob"},
    ]
    inputs.append({"text": "She was where it was.", "predicate": "4"})
    assert [item.predicate for item in prepare(SPEC, inputs, UNREDACTED)] == [1, 1, 2, 4]
    by_character = Spec(SPEC.labels, True, has_predicate=True)
    (item,) = prepare(by_character, [{"text": "他出售书", "predicate": "出售"}], UNREDACTED)
    assert item.predicate == 1
    assert columns(SPEC) == ("text", "predicate")
    with pytest.raises(InputError, match=r"'runs' is no word of the text 'Ann sees Bob \.'"):
        prepare(SPEC, [{"text": "Ann sees Bob.", "predicate": "runs"}], UNREDACTED)


def test_the_network_reads_a_mark_before_the_predicate_alone(backbone: Path) -> None:
    example = Example(("Ann", "sees", "Bob"), ("B-A", "O", "O"), "", predicate=1)
    (encoded,) = encode(load_tokenizer(backbone), SPEC, [example], 48)
    ((ids, owners),) = encoded.windows
    assert [owner for token, owner in zip(ids, owners, strict=True) if token == TARGET_ID] == [1]


def test_the_page_names_the_predicate() -> None:
    row = {"tokens": ["Ann", "sees"], "reference": ["B-A", "O"], "tags": ["O", "O"]}
    assert show(row | {"predicate": 1, "is_cut": False}).facts == (("predicate", "sees (word 1)"),)


def test_a_very_rare_type_that_training_lacks_counts_as_missed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    known = Example(("a", "b"), ("B-A", "O"), "f:1")
    unknown = Example(("a", "b"), ("B-X", "I-X"), "f:2")
    config = make_config(tmp_path)
    check_examples(config, SPEC, [*[known] * 1000, unknown])
    assert "f:2: the entity type 'X'" in caplog.text
    assert "(1 of 1001 entities have such types, and count as missed)" in caplog.text
    assert targets(SPEC, unknown) == [0, 0]
    with pytest.raises(InputError, match="f:2: the entity type 'X'"):
        check_examples(config, SPEC, [*[known] * 900, unknown])
