"""Specifies that tasks see placeholders: in training, baselines, evaluation and prediction."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import TypeAdapter

from tests.tasks.conftest import QUICK, predictor_of, tune, write_rows
from textmill import model as models
from textmill.config import (
    UNREDACTED,
    AnyTask,
    RedactionConfig,
    TaskConfig,
)
from textmill.corpus.tokens.conversion import convert
from textmill.corpus.tokens.tokenizer import TOKENIZER_FILES, load_tokenizer
from textmill.files import read_json, write_json
from textmill.safety.placeholders import PLACEHOLDERS
from textmill.tasks.baseline import baseline
from textmill.tasks.classification.examples import Example as Labelled
from textmill.tasks.classification.settings import ClassificationConfig
from textmill.tasks.ensemble.predictor import Predictor, load_predictor
from textmill.tasks.evaluate import evaluate
from textmill.tasks.kinds import examples_of, network_of
from textmill.tasks.tagging.examples import Example as Tagged

ON = RedactionConfig()
tagging, classification = examples_of("tagging"), examples_of("classification")
SPEC = tagging.Spec(("O", "B-PER", "I-PER"), False)
ROWS: dict[str, dict[str, Any]] = {
    "classification": {"text": "write to bob@example.com", "label": "good"},
    "tagging": {
        "tokens": ["Bob", "rings", "+49", "30", "901820", "today"],
        "ner_tags": ["B-PER", "O", "B-NUM", "I-NUM", "I-NUM", "O"],
    },
    "generation": {"prompt": "Ask 4111 1111 1111 1111", "response": "I did."},
    "multilabel": {"text": "write to bob@example.com", "labels": ["good", "new"]},
    "question_answering": {
        "question": "Who is bob@example.com?",
        "context": "Ask +49 30 901820 today.",
        "answers": {"text": ["+49 30 901820"], "answer_start": [4]},
    },
    "translation": {"source": "card 4111 1111 1111 1111", "target": "Karte 4111&nbsp;1111-1111"},
}
MARKS = ("bob@", "901820", "4111 1111 1111")


def config_of(kind: str, folder: Path, redaction: RedactionConfig = ON) -> TaskConfig:
    values = {
        "kind": kind,
        "name": "mood",
        "train": str(folder / "train.jsonl"),
        "test": str(folder / "test.jsonl"),
        "finetune": QUICK | {"epochs": 1},
        "redaction": redaction.model_dump(),
    }
    task: TaskConfig = TypeAdapter(AnyTask).validate_python(values)
    return task


@pytest.fixture
def mood(tmp_path: Path) -> ClassificationConfig:
    """A task whose texts all hold personal data, of two labels."""
    rows = [
        {"text": f"{word} room, bob{i}@example.com", "label": word}
        for i, word in enumerate(["good", "bad"] * 20)
    ]
    write_rows(tmp_path / "train.jsonl", rows)
    write_rows(tmp_path / "test.jsonl", rows[:6])
    config = config_of("classification", tmp_path)
    assert isinstance(config, ClassificationConfig)
    return config


def test_examples_of_every_kind_are_redacted_and_tags_stay(tmp_path: Path) -> None:
    read: dict[str, Any] = {}
    for kind, row in ROWS.items():
        write_rows(tmp_path / "train.jsonl", [row])
        (read[kind],) = examples_of(kind).read_examples(config_of(kind, tmp_path), "train")
    assert read["classification"].text == "write to [EMAIL]"
    assert read["tagging"].words == ("Bob", "rings", *["[PHONE]"] * 3, "today")
    assert list(read["tagging"].tags) == ROWS["tagging"]["ner_tags"]
    assert read["multilabel"].text == "write to [EMAIL]"
    assert read["question_answering"].question == "Who is [EMAIL]?"
    assert read["question_answering"].context == "Ask [PHONE] today."
    assert read["question_answering"].texts == ["[PHONE]"]
    assert read["translation"].source == "card [CARD]"
    assert read["translation"].target == ROWS["translation"]["target"]  # no whole number


@pytest.mark.parametrize("kind", ROWS)
def test_examples_stay_as_they_are_where_the_switch_is_off(tmp_path: Path, kind: str) -> None:
    write_rows(tmp_path / "train.jsonl", [ROWS[kind]])
    (example,) = examples_of(kind).read_examples(config_of(kind, tmp_path, UNREDACTED), "train")
    assert any(mark in " ".join(map(str, vars(example).values())) for mark in MARKS) or (
        "901820" in getattr(example, "words", ())
    )


def test_words_of_one_character_are_so_with_placeholders_too(tmp_path: Path) -> None:
    words = list("王电13800138000")
    tags = ["B-PER", *["O"] * (len(words) - 1)]
    write_rows(tmp_path / "train.jsonl", [{"tokens": words, "ner_tags": tags}])
    config = config_of("tagging", tmp_path)
    examples = tagging.read_examples(config, "train")
    assert examples[0].words == ("王", "电", *["[PHONE]"] * 11)
    assert tagging.make_spec(config, examples).is_by_character


def test_predictions_files_hold_placeholders(
    mood: ClassificationConfig, backbone: Path, tmp_path: Path
) -> None:
    model, scores, simple = (tmp_path / name for name in ("model", "scores", "simple"))
    work = tmp_path / "work"
    for folder in (model, scores, simple, work):
        folder.mkdir()
    tune(mood, backbone, model, work)
    evaluate(mood, {"model": model}, scores)
    baseline(mood, {}, simple)
    files = [*scores.rglob("predictions.jsonl"), *simple.rglob("predictions.jsonl")]
    assert len(files) == 3
    for file in files:
        texts = [json.loads(line)["text"] for line in file.read_text().splitlines()]
        assert texts == ["good room, [EMAIL]", "bad room, [EMAIL]"] * 3


def test_a_task_model_keeps_how_its_texts_were_redacted(
    mood: ClassificationConfig, backbone: Path, tmp_path: Path
) -> None:
    out, work = tmp_path / "model", tmp_path / "work"
    out.mkdir()
    work.mkdir()
    tune(mood, backbone, out, work)
    assert load_predictor(out).redaction == mood.redaction == ON
    old = tmp_path / "old"
    shutil.copytree(out, old)
    task = read_json(old / "task.json")
    del task["redaction"]
    write_json(old / "task.json", task)
    assert load_predictor(old).redaction == UNREDACTED


def answers_with(kind: str, spec: Any, redaction: RedactionConfig, backbone: Path) -> Predictor:
    torch.manual_seed(3)
    network = network_of(kind).build(
        models.load(backbone), spec, 0.0, kind in {"translation", "generation"}
    )
    return predictor_of(kind, network, load_tokenizer(backbone), spec, redaction)


SPECS = {
    "classification": classification.Spec(("bad", "good")),
    "generation": examples_of("generation").Spec(0.5),
    "multilabel": examples_of("multilabel").Spec(("bad", "good"), False, (), (0.5, 0.5), 0.0),
    "question_answering": examples_of("question_answering").Spec((), (), (0.0,), False),
    "tagging": SPEC,
    "translation": examples_of("translation").Spec(0.5),
}


@pytest.mark.parametrize("kind", ROWS)
def test_inputs_are_redacted_before_prediction(backbone: Path, kind: str) -> None:
    secret, plain = "the room of bob@example.com was sad", "the room of [EMAIL] was sad"
    predictor = answers_with(kind, SPECS[kind], ON, backbone)
    if kind == "tagging":
        predictor.scorers[0][0].args[0].head.bias.data[1] = 1e3  # type: ignore[attr-defined]
        given: Any = [secret.split(), plain.split()]
    elif kind == "question_answering":
        given = [{"question": text, "context": "It was grim."} for text in (secret, plain)]
    else:
        given = [secret, plain]
    asked, known = predictor(given)
    assert asked.pop("score", 0) == pytest.approx(known.pop("score", 0))
    assert asked == known
    raw = answers_with(kind, SPECS[kind], UNREDACTED, backbone)
    if kind == "classification":
        first, second = raw(given)
        assert first["score"] != pytest.approx(second["score"], abs=1e-7)


def test_offsets_of_entities_are_those_of_the_text_that_was_given(backbone: Path) -> None:
    predictor = answers_with("tagging", SPEC, ON, backbone)
    predictor.scorers[0][0].args[0].head.bias.data[1] = 1e3  # type: ignore[attr-defined]
    text = "Mail bob&#64;example.com, ring +49\u202f30\u202f901820 or [EMAIL] now"
    (answer,) = predictor([text])
    entities = answer["entities"]
    assert all(text[e["start"] : e["end"]] == e["text"] for e in entities)
    assert "".join(e["text"] for e in entities) == "".join(text.split())
    assert "[EMAIL]" in [e["text"] for e in entities]


def test_placeholders_are_one_token_of_an_adopted_vocabulary_too(
    backbone: Path, tmp_path: Path
) -> None:
    foreign = json.loads((backbone / "tokenizer.json").read_text())
    foreign["added_tokens"] = []
    for placeholder in PLACEHOLDERS.values():
        foreign["model"]["vocab"].pop(placeholder, None)
    (tmp_path / "tokenizer.json").write_text(json.dumps(foreign))
    folder = tmp_path / "adopted"
    folder.mkdir()
    convert(tmp_path).save(str(folder / "tokenizer.json"))
    shutil.copy(backbone / TOKENIZER_FILES[1], folder)
    for tokenizer in (load_tokenizer(backbone), load_tokenizer(folder)):
        for placeholder in PLACEHOLDERS.values():
            example = Labelled(f"the room of {placeholder}", "good", "")
            (encoded,) = network_of("classification").encode(
                tokenizer, SPECS["classification"], [example], 48
            )
            assert encoded.ids[-1] == tokenizer.token_to_id(placeholder)
            words = Tagged(("the", placeholder), ("O", "O"), "")
            (tagged,) = network_of("tagging").encode(tokenizer, SPEC, [words], 48)
            assert tagged.ids[-1] == tokenizer.token_to_id(placeholder)
