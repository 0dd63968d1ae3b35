"""Specifies responses to prompts, and the messages of chats."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from tests.tasks.conftest import QUICK, tune, write_rows
from textmill.config import RedactionConfig
from textmill.corpus.tokens.tokenizer import load_tokenizer
from textmill.errors import InputError
from textmill.files import read_json
from textmill.tasks.ensemble.predictor import load_predictor
from textmill.tasks.evaluate import evaluate
from textmill.tasks.generation.examples import (
    Example,
    check_examples,
    make_spec,
    read_examples,
)
from textmill.tasks.generation.network import encode
from textmill.tasks.generation.page import plot, show
from textmill.tasks.generation.settings import ResponseConfig

WORDS = ["lamp", "chair", "table", "door", "roof"]


def toy_rows(n: int, seed: int) -> list[dict[str, Any]]:
    """What is asked for is one of two forms of the same words."""
    rng = random.Random(seed)
    rows = []
    for _ in range(n):
        word, form = rng.choice(WORDS), rng.choice(["one", "many"])
        said = f"a {word}" if form == "one" else f"all {word}s"
        rows.append({"prompt": f"{form}: {word}", "response": said})
    return rows


def make_config(folder: Path, **further: Any) -> ResponseConfig:
    return ResponseConfig.model_validate(
        {
            "kind": "generation",
            "name": "reply",
            "train": str(folder / "train.jsonl"),
            "test": str(folder / "test.jsonl"),
            "finetune": QUICK | {"epochs": 20},
        }
        | further
    )


def chats(folder: Path, *rows: Any) -> list[tuple[str, str]]:
    write_rows(folder / "train.jsonl", [{"messages": row} for row in rows])
    examples = read_examples(make_config(folder, messages="messages"), "train")
    return [(example.source, example.target) for example in examples]


def message(role: str, content: Any) -> dict[str, Any]:
    return {"role": role, "content": content}


@pytest.mark.slow
def test_fine_tuning_learns_to_respond(backbone: Path, tmp_path: Path) -> None:
    write_rows(tmp_path / "train.jsonl", toy_rows(160, seed=1))
    write_rows(tmp_path / "test.jsonl", toy_rows(20, seed=2))
    config = make_config(tmp_path)
    out, work, scores = (tmp_path / name for name in ("out", "work", "scores"))
    for folder in (out, work, scores):
        folder.mkdir()
    tune(config, backbone, out, work)
    evaluate(config, {"model": out}, scores)
    metrics = read_json(scores / "metrics.json")
    assert metrics["rouge_l"] > 0.9
    assert 1 < metrics["perplexity"] < 1.3
    rows = [json.loads(line) for line in (scores / "predictions.jsonl").read_text().splitlines()]
    loss = sum(row["nll"] for row in rows) / sum(row["tokens"] for row in rows)
    assert metrics["perplexity"] == pytest.approx(math.exp(loss))
    (given,) = load_predictor(out, "cpu")(["many: lamp"])
    assert given == {"response": "all lamps", "is_cut": False}
    asked = [message("user", "many: lamp")]
    tokenizer = AutoTokenizer.from_pretrained(out)
    ids = tokenizer.apply_chat_template(asked, add_generation_prompt=True, return_dict=False)
    (encoded,) = encode(
        load_tokenizer(out), make_spec(config, []), [Example("many: lamp", "", "")], 48
    )
    assert ids == encoded.ids[: encoded.n_source]


def test_prompts_and_responses_are_read_and_redacted(tmp_path: Path) -> None:
    rows = [{"prompt": "Ask bob@example.com", "response": "I asked bob@example.com"}]
    write_rows(tmp_path / "train.jsonl", rows)
    config = make_config(tmp_path, redaction=RedactionConfig().model_dump())
    (example,) = read_examples(config, "train")
    assert (example.source, example.target) == ("Ask [EMAIL]", "I asked [EMAIL]")
    check_examples(config, make_spec(config, [example]), [example])


def test_each_message_of_the_assistant_responds_to_those_before(tmp_path: Path) -> None:
    chat = [
        message("system", "Be brief."),
        message("user", "Hello"),
        message("assistant", "Hi!"),
        message("user", "Who?"),
        message("assistant", "Me."),
    ]
    assert chats(tmp_path, chat, chat[1:3]) == [
        ("Be brief.\n\nHello", "Hi!"),
        ("Be brief.\n\nHello\n\nAssistant: Hi!\n\nUser: Who?", "Me."),
        ("Hello", "Hi!"),
    ]


def test_the_end_of_a_long_chat_is_read(backbone: Path, tmp_path: Path) -> None:
    tokenizer = load_tokenizer(backbone)
    spec = make_spec(make_config(tmp_path), [])
    (encoded,) = encode(tokenizer, spec, [Example("old " * 60 + "new?", "Yes.", "")], 48)
    assert tokenizer.decode(encoded.ids[: encoded.n_source]).endswith("old new?")
    assert encoded.is_cut


@pytest.mark.parametrize(
    ("chat", "named"),
    [
        (
            [message("user", "a"), message("bot", "b")],
            "message 1 .* has the role 'bot': use system",
        ),
        ([message("user", "a")], "a chat without a message of the assistant"),
        ([message("assistant", "a")], "the user has said nothing yet"),
        ([message("user", " "), message("assistant", "b")], "message 0 .* has no content"),
        ([message("user", 3), message("assistant", "b")], "message 0 .* has no content: 3 is"),
        ([{"content": "a"}], "has the role None"),
        ("Hello", "holds no list of messages: 'Hello'"),
        (["Hello"], "holds no list of messages"),
        ([], "a chat without"),
    ],
)
def test_a_bad_chat_is_named_with_its_line(tmp_path: Path, chat: Any, named: str) -> None:
    good = [message("user", "a"), message("assistant", "b")]
    with pytest.raises(InputError, match=rf"train.jsonl:2: .*{named}"):
        chats(tmp_path, good, chat)


def test_the_corpus_has_prompts_and_responses_but_no_chats(tmp_path: Path) -> None:
    assert make_config(tmp_path).text_columns == ("prompt", "response")
    assert make_config(tmp_path, messages="messages").text_columns == ()


def test_the_page_shows_prompt_and_both_responses(tmp_path: Path) -> None:
    row = {"prompt": "Who?", "reference": "Me.", "response": "me", "is_cut": True}
    shown = show(row)
    assert shown.is_right
    assert shown.segments[0].text == "Who?"
    assert {("reference", "Me."), ("response", "me")} <= {*shown.facts}
    plot([row, row], tmp_path)
    assert (tmp_path / "responses.png").stat().st_size > 0
