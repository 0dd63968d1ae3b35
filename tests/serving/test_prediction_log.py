"""Specifies the log of predictions: labels without texts, or redacted texts, in whole lines."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from textmill.config import UNREDACTED, RedactionConfig
from textmill.registry.current import ModelId
from textmill.serving.prediction_log import PredictionLog, read_log, without_texts
from textmill.tasks.logged.traits import Traits

MODEL = ModelId("0123", "7")


def lines(folder: Path) -> list[dict[str, Any]]:
    [file] = folder.glob("*.jsonl")
    return [json.loads(line) for line in file.read_text().splitlines()]


@pytest.mark.parametrize(
    ("prediction", "expected"),
    [
        (
            {"label": "good", "score": 0.9, "is_cut": False},
            {"label": "good", "score": 0.9, "is_cut": False},
        ),
        ({"labels": ["a", "b"]}, {"labels": ["a", "b"]}),
        (
            {"entities": [{"text": "Ann", "type": "PER", "start": 0, "end": 3}]},
            {"entities": [{"type": "PER", "start": 0, "end": 3}]},
        ),
        (
            {"translation": "secret", "n_best": ["secret"], "is_cut": True},
            {"n_best": [], "is_cut": True},
        ),
        ({"answer": None, "start": None}, {"answer": None, "start": None}),
    ],
)
def test_of_a_prediction_only_numbers_and_labels_remain(prediction: Any, expected: Any) -> None:
    assert without_texts(prediction) == expected


def test_a_field_of_labels_with_texts_in_it_keeps_none_of_them() -> None:
    spans = [{"label": "PER", "text": "Jane Doe", "start": 3}]
    assert without_texts({"labels": spans}) == {"labels": [{"label": "PER", "start": 3}]}
    assert without_texts({"labels": ["a", "b"]}) == {"labels": ["a", "b"]}


def test_texts_are_redacted_like_the_texts_of_the_training(tmp_path: Path) -> None:
    log = PredictionLog(tmp_path, has_texts=True)
    inputs = ["Write to ann@example.com"]
    assert log.write("mood", MODEL, RedactionConfig(enabled=True), inputs, [{"label": "a"}]) == 0
    [line] = lines(tmp_path)
    assert "ann@example.com" not in line["text"]
    assert line["text"].startswith("Write to ")
    assert line["prediction"] == {"label": "a"}


MAIL = RedactionConfig(enabled=True)


@pytest.mark.parametrize(
    ("prediction", "expected"),
    [
        (
            {"entities": [{"text": "ann@example.com", "type": "MAIL", "start": 9, "end": 24}]},
            {"entities": [{"text": "[EMAIL]", "type": "MAIL", "start": 9, "end": 24}]},
        ),
        ({"entities": [{"text": "ann"}]}, {"entities": [{"text": "[EMAIL]"}]}),
        ({"entities": [{"text": "Rome"}]}, {"entities": [{"text": "Rome"}]}),
        ({"answer": "to ann@example"}, {"answer": "to [EMAIL]"}),
        ({"answer": "example.com or"}, {"answer": "[EMAIL] or"}),
        ({"answer": "ann@example.com or 030 901820"}, {"answer": "[EMAIL] or [PHONE]"}),
        ({"answer": None}, {"answer": None}),
        ({"response": "Ask bob@example.com."}, {"response": "Ask [EMAIL]."}),
        ({"label": "ann@example.com"}, {"label": "ann@example.com"}),
        ({"labels": ["ann"], "all": {"ann": 0.5}}, {"labels": ["ann"], "all": {"ann": 0.5}}),
        (
            {"labels": [{"label": "ann", "text": "ann"}]},
            {"labels": [{"label": "ann", "text": "[EMAIL]"}]},
        ),
    ],
)
def test_texts_of_predictions_are_redacted_too(
    tmp_path: Path, prediction: Any, expected: Any
) -> None:
    log = PredictionLog(tmp_path, has_texts=True)
    log.write("mood", MODEL, MAIL, ["Write to ann@example.com or to Rome"], [prediction])
    assert lines(tmp_path)[0]["prediction"] == expected


def test_a_quotation_that_the_redacted_text_has_too_stays(tmp_path: Path) -> None:
    log = PredictionLog(tmp_path, has_texts=True)
    log.write("places", MODEL, MAIL, ["ann@example.com: Joann"], [{"answer": "ann"}])
    assert lines(tmp_path)[0]["prediction"] == {"answer": "ann"}


def test_texts_without_redaction_are_logged_as_they_are(tmp_path: Path) -> None:
    log = PredictionLog(tmp_path, has_texts=True)
    log.write("places", MODEL, UNREDACTED, ["ann@example.com"], [{"answer": "ann"}])
    assert lines(tmp_path)[0]["prediction"] == {"answer": "ann"}


def test_a_line_that_a_full_disk_cuts_off_is_lost_and_spoils_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    log = PredictionLog(tmp_path, has_texts=False)
    inputs, found = ["x"] * 3, [{"label": "a"}, {"label": "b"}, {"label": "c"}]
    write = os.write
    with monkeypatch.context() as full:
        full.setattr(os, "write", lambda file, content: write(file, content[: len(content) // 2]))
        assert log.write("mood", MODEL, UNREDACTED, inputs, found) == 2
    assert "the disk is full" in caplog.text
    assert log.write("mood", MODEL, UNREDACTED, ["x"], [{"label": "d"}]) == 0
    content = read_log(tmp_path, {"mood": MODEL.run_id}, 10)
    assert [one.label for one in content.by_task["mood"].newest] == ["a", "d"]
    assert content.n_damaged == 1


def test_columns_keep_their_names(tmp_path: Path) -> None:
    log = PredictionLog(tmp_path, has_texts=True)
    log.write(
        "faq", MODEL, UNREDACTED, [{"question": "Who?", "context": "Ann."}], [{"answer": "Ann"}]
    )
    [line] = lines(tmp_path)
    assert (line["question"], line["context"]) == ("Who?", "Ann.")
    assert (line["run"], line["model_version"], line["task"]) == ("0123", "7", "faq")


def test_servers_append_to_the_same_file(tmp_path: Path) -> None:
    for task in ("a", "b"):
        PredictionLog(tmp_path, False).write(task, MODEL, UNREDACTED, ["x"], [{"label": "y"}])
    assert [line["task"] for line in lines(tmp_path)] == ["a", "b"]


def test_a_folder_that_cannot_be_written_loses_lines_and_no_answers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    log = PredictionLog(tmp_path / "file", False)
    for _ in range(2):
        assert log.write("mood", MODEL, UNREDACTED, ["x", "y"], [{}, {}]) == 2
    assert len(caplog.records) == 1, "the same problem is reported once"


def test_lengths_are_those_of_redacted_texts_without_white_space(tmp_path: Path) -> None:
    log = PredictionLog(tmp_path, has_texts=False)
    inputs = ["To ann.elizabeth@example.com", {"question": "Who is it?", "context": "Ann."}]
    predictions = [{"translation": "an sie", "is_cut": False}] * 2
    log.write("de", MODEL, RedactionConfig(enabled=True), inputs, predictions, "translation")
    first, second = lines(tmp_path)
    assert (first["input_length"], first["output_length"]) == (len("To[EMAIL]"), len("ansie"))
    assert second["input_length"] == len("Whoisit?Ann.")
    assert first["prediction"] == {"is_cut": False}
    assert "sie" not in json.dumps(first)


def test_a_blocked_text_has_no_length(tmp_path: Path) -> None:
    for has_texts in (False, True):
        log = PredictionLog(tmp_path, has_texts)
        log.write("de", MODEL, UNREDACTED, ["ab"], [{"translation": None}], "translation")
    assert ["output_length" in line for line in lines(tmp_path)] == [False, False]
    content = read_log(tmp_path, {"de": MODEL.run_id}, 10)
    assert [*content.by_task["de"].newest] == [Traits(input_length=2)] * 2


def write_days(folder: Path, days: dict[str, list[Any]]) -> None:
    folder.mkdir(exist_ok=True)
    for day, entries in days.items():
        written = (entry if isinstance(entry, str) else json.dumps(entry) for entry in entries)
        (folder / f"{day}.jsonl").write_text("".join(f"{line}\n" for line in written))


def entry(number: int, run: str = "0123", task: str = "mood", **changed: Any) -> dict[str, Any]:
    prediction = {"label": "good", "score": 0.5, "is_cut": False}
    values = {"time": "…", "task": task, "run": run, "model_version": "7", "input_length": number}
    return values | {"prediction": prediction} | changed


def traits(number: int | None) -> Traits:
    return Traits(input_length=number, label="good", confidence=0.5)


def test_what_was_logged_is_read(tmp_path: Path) -> None:
    for has_texts in (False, True):
        log = PredictionLog(tmp_path, has_texts)
        log.write("mood", MODEL, UNREDACTED, ["a day"], [{"label": "good", "score": 0.5}])
    content = read_log(tmp_path, {"mood": "0123"}, 10)
    assert [*content.by_task["mood"].newest] == [traits(4)] * 2
    assert content.n_damaged == 0


def test_the_newest_predictions_are_read_over_the_days(tmp_path: Path) -> None:
    days = {"2026-11-29": [entry(3), entry(4)], "2026-11-28": [entry(1), entry(2)]}
    write_days(tmp_path, days | {"2026-11-30": [entry(5)]})
    assert [*read_log(tmp_path, {"mood": "0123"}, 3).by_task["mood"].newest] == [
        *map(traits, (3, 4, 5))
    ]


def test_other_models_and_tasks_are_left_out(tmp_path: Path) -> None:
    write_days(
        tmp_path, {"2026-11-30": [entry(1), entry(2, run="old"), entry(3, task="topic"), entry(4)]}
    )
    content = read_log(tmp_path, {"mood": "0123", "faq": "9"}, 10)
    assert [*content.by_task["mood"].newest] == [traits(1), traits(4)]
    assert content.by_task["mood"].n_of_others == 1
    assert not content.by_task["faq"].newest
    assert content.n_damaged == 0


@pytest.mark.parametrize(
    "damaged",
    [
        *('{"time": "…", "task": "mo', "", "[]", '"mood"', "{}"),
        json.dumps(entry(1, prediction=None)),
        json.dumps(entry(1, input_length="long")),
        "[" * 100_000,
    ],
)
def test_damaged_lines_are_counted_and_left_out(tmp_path: Path, damaged: str) -> None:
    write_days(tmp_path, {"2026-11-30": [entry(1), damaged, entry(2)]})
    content = read_log(tmp_path, {"mood": "0123"}, 10)
    assert [*content.by_task["mood"].newest] == [traits(1), traits(2)]
    assert content.n_damaged == 1


def test_lines_of_early_versions_have_no_lengths(tmp_path: Path) -> None:
    early = entry(1)
    del early["input_length"]
    write_days(tmp_path, {"2026-11-30": [early, entry(2)]})
    content = read_log(tmp_path, {"mood": "0123"}, 10)
    assert [*content.by_task["mood"].newest] == [traits(None), traits(2)]
    assert content.n_damaged == 0


def test_files_that_are_rotated_away_meanwhile_are_no_error(tmp_path: Path) -> None:
    write_days(tmp_path, {"2026-11-30": [entry(1)]})
    (tmp_path / "2026-11-29.jsonl").symlink_to("gone.jsonl")
    assert len(read_log(tmp_path, {"mood": "0123"}, 10).by_task["mood"].newest) == 1
    assert not read_log(tmp_path / "nowhere", {"mood": "0123"}, 10).by_task["mood"].newest
