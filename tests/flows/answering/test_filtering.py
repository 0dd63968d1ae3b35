"""Specifies the filters of a configuration: their models, and generation with them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from textmill.compose import compose
from textmill.config import Config, RedactionConfig
from textmill.errors import InputError
from textmill.safety.model_redaction import write_redaction
from textmill.tasks.classification.examples import Spec
from textmill.tasks.ensemble.predictor import Predictor
from textmill.tasks.filtered.filter_folder import read_filters
from textmill.training.writing import Piece
from textmill_flows.answering import filtering, inference

LABELS = ("calm", "rude", "vile")


def probabilities(prepared: Sequence[tuple[str, ...]]) -> list[Any]:
    """Rude texts are 0.3 rude and 0.3 vile."""
    rude, calm = np.array([0.4, 0.3, 0.3]), np.array([0.98, 0.01, 0.01])
    return [rude if "rude" in text else calm for (text,) in prepared]


@pytest.fixture
def classifier(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every model is a classifier; returns the names that were asked for."""
    asked: list[str] = []

    def predictor(model: str, config: Config) -> tuple[str, Predictor]:
        asked.append(model)
        return f"run-of-{model}", Predictor("classification", Spec(LABELS), [(probabilities, 1.0)])

    monkeypatch.setattr(filtering, "_predictor", predictor)
    return asked


def with_filters(*entries: str) -> Config:
    return compose("demo", [f"safety.filters=[{','.join(entries)}]"])


def test_the_labels_of_a_model_count_together(classifier: list[str]) -> None:
    together = "{category: a, model: tone, labels: [rude, vile], threshold: 0.6}"
    alone = "{category: b, model: tone, labels: [rude], threshold: 0.6, action: block}"
    content = filtering.content_filter(with_filters(together, alone))
    checked = content.check("All is well. That was rude.", "output")
    assert [(d.category, d.start, d.end) for d in checked.decisions] == [("a", 13, 27)]
    assert classifier == ["tone"]  # loaded once


def test_an_unknown_label_is_named_with_the_labels_of_the_model(classifier: list[str]) -> None:
    config = with_filters("{category: a, model: tone, labels: [angry]}")
    with pytest.raises(InputError, match="no label 'angry': choose from calm, rude, vile"):
        filtering.content_filter(config)


def test_an_unknown_task_is_named_with_the_tasks() -> None:
    config = with_filters("{category: a, model: topics, labels: [World]}")
    with pytest.raises(InputError, match="there is no task 'topics'; did you mean 'topic'"):
        filtering.content_filter(config)


def test_a_model_that_does_not_classify_texts_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = Predictor("classification", Spec(LABELS, has_pairs=True), [(probabilities, 1.0)])
    monkeypatch.setattr(filtering, "_predictor", lambda model, config: ("run", pairs))
    config = with_filters("{category: a, model: tone, labels: [rude]}")
    with pytest.raises(InputError, match="does not classify single texts"):
        filtering.content_filter(config)


def test_a_model_of_very_many_labels_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    many = Spec(tuple(f"label {n}" for n in range(101)))
    predictor = Predictor("classification", many, [(probabilities, 1.0)])
    monkeypatch.setattr(filtering, "_predictor", lambda model, config: ("run", predictor))
    config = with_filters("{category: a, model: tone, labels: [label 1]}")
    with pytest.raises(InputError, match="more than 100 labels"):
        filtering.content_filter(config)


def test_the_digest_is_that_of_settings_lists_and_models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, classifier: list[str]
) -> None:
    def digest(action: str = "mask") -> str:
        words = f"{{category: birds, path: {tmp_path / 'birds.txt'}, action: {action}}}"
        model = "{category: tone, model: tone, labels: [rude]}"
        return filtering.load_filters(with_filters(words, model)).digest

    (tmp_path / "birds.txt").write_text("duck\n")
    first = digest()
    assert digest() == first
    assert digest("block") != first
    (tmp_path / "birds.txt").write_text("duck\ngoose\n")
    assert digest() != first
    (tmp_path / "birds.txt").write_text("duck\n")
    retrained = "another run", Predictor("classification", Spec(LABELS), [(probabilities, 1.0)])
    monkeypatch.setattr(filtering, "_predictor", lambda model, config: retrained)
    assert digest() != first


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A backbone that writes the same text after every prompt; returns the prompts."""
    prompts: list[str] = []

    def stream_text(network: Any, tokenizer: Any, prompt: str, config: Any) -> Any:
        prompts.append(prompt)
        texts = (" and then", " bob@exa", "mple.org", " saw a w", "ild goose", " fly")
        for number, text in enumerate(texts, 1):
            yield Piece(text, 0, number, "stop" if number == len(texts) else None)

    write_redaction(RedactionConfig(), tmp_path)
    network = SimpleNamespace(config=SimpleNamespace(vocab_size=9), to=lambda device: network)
    monkeypatch.setattr("textmill.model.generation.prepare", lambda network, precision: network)
    monkeypatch.setattr(inference, "current_model", lambda *_: SimpleNamespace(folder=tmp_path))
    monkeypatch.setattr("textmill.model.load", lambda folder: network)
    monkeypatch.setattr("textmill.corpus.tokens.tokenizer.load_tokenizer", lambda *_: None)
    monkeypatch.setattr("textmill.training.writing.stream_text", stream_text)
    return prompts


def test_prompt_and_completion_are_redacted_and_masked(
    asked: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    config = with_filters("{category: birds, patterns: [wild goose, duck], action: mask}")
    text = "".join(inference.write("ann@example.org has a duck,", config))
    assert asked == ["[EMAIL] has a [BIRDS],"]
    assert text == "[EMAIL] has a [BIRDS], and then [EMAIL] saw a [BIRDS] fly"
    assert caplog.messages[-1] == (
        "Filtered: personal_data (mask, prompt), birds (mask, prompt), "
        "personal_data (mask, output), birds (mask, output)."
    )
    assert caplog.records[-1].levelno == logging.WARNING


def test_a_blocked_completion_ends_before_what_blocks_it(asked: list[str]) -> None:
    config = with_filters("{category: birds, patterns: [wild goose], action: block}")
    assert "".join(inference.write("Look", config)) == "Look and then [EMAIL] saw a "


def test_a_blocked_prompt_is_not_completed(asked: list[str]) -> None:
    config = with_filters("{category: birds, patterns: [duck], action: block}")
    with pytest.raises(InputError, match=r"The prompt is blocked: birds \(block, prompt\)"):
        list(inference.write("a duck", config))
    assert asked == []


def test_a_filter_that_cannot_be_used_yet_is_left_out_of_a_model_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def missing(model: str, config: Config) -> tuple[str, Path]:
        raise InputError(f"There is no model {model}.")

    monkeypatch.setattr(filtering, "_model_folder", missing)
    config = with_filters(
        "{category: birds, patterns: [duck], action: block}",
        "{category: a, model: tone, labels: [rude]}",
        f"{{category: b, path: {tmp_path / 'gone.txt'}}}",
    )
    filtering.write_model_filters(config, tmp_path)
    read = read_filters(tmp_path).check("a rude duck", "prompt")
    assert [one.category for one in read.decisions] == ["birds"]
    assert [message.split(".")[0] for message in caplog.messages] == [
        "The copy of the model that MLflow serves has no filter a",
        "The copy of the model that MLflow serves has no filter b",
    ]


def test_a_filter_that_its_model_has_no_label_for_is_left_out_of_a_model_with_a_warning(
    tmp_path: Path,
    model_folder: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    folder = model_folder("classification")
    monkeypatch.setattr(filtering, "_model_folder", lambda model, config: ("run", folder))
    filtering.write_model_filters(
        with_filters("{category: a, model: tone, labels: [nope]}"), tmp_path
    )
    assert not read_filters(tmp_path).check("a text", "prompt").decisions
    assert "has no label 'nope': choose from" in caplog.text
