"""Specifies the drift step: the measures of new text beside those of the validation split."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.tasks.conftest import QUICK, toy_rows, tune, write_rows
from tests.tasks.multilabel import conftest as labelling
from textmill.config import DriftStepConfig, LanguageModelStepConfig, TokensConfig
from textmill.corpus.tokens.corpus_tokens import tokenize
from textmill.files import read_json
from textmill.tasks.classification.settings import ClassificationConfig
from textmill.tasks.drift import measure_drift
from textmill.tasks.evaluate import evaluate
from textmill.tasks.language_model.evaluate import evaluate_lm

VALIDATION = sorted({row["text"] for row in toy_rows(150, seed=5)})


@pytest.fixture(scope="module")
def inputs(
    backbone: Path,
    toy: ClassificationConfig,
    tuned: tuple[Path, Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Path]:
    base = tmp_path_factory.mktemp("drift")
    folders = {name: base / name for name in ("corpus", "tokens", "language", "evaluation")}
    for folder in folders.values():
        folder.mkdir()
    texts = {"train": [row["text"] for row in toy_rows(200, seed=9)], "validation": VALIDATION}
    for split, rows in texts.items():
        (folders["corpus"] / split).mkdir()
        about = {name: ["x"] * len(rows) for name in ("source", "language", "doc_id")}
        pq.write_table(
            pa.table({"text": rows, **about}), folders["corpus"] / split / "00000.parquet"
        )
    tokenize(TokensConfig(), {**folders, "tokenizer": backbone}, folders["tokens"])
    evaluate_lm(
        LanguageModelStepConfig(accelerator="cpu"),
        {"backbone": backbone, "tokens": folders["tokens"]},
        folders["language"],
    )
    evaluate(toy, {"model": tuned[0]}, folders["evaluation"])
    return {
        "backbone": backbone,
        "tokens": folders["tokens"],
        "language": folders["language"],
        "model mood": tuned[0],
        "evaluation mood": folders["evaluation"],
    }


def measure(inputs: dict[str, Path], folder: Path, lines: list[str], **drift: Any) -> Any:
    (folder / "new.txt").write_text("".join(f"{line}\n" for line in lines))
    out = folder / "out"
    out.mkdir()
    settings = {"path": str(folder / "new.txt"), "documents": "line", "tasks": ["mood"], **drift}
    corpus = {"sources": [{"name": "own", "path": "x"}], "min_chars": 1}
    config = DriftStepConfig.model_validate({"drift": settings, "corpus": corpus})
    measure_drift(config, inputs, out)
    return read_json(out / "metrics.json")


def test_the_validation_split_itself_has_not_drifted(
    inputs: dict[str, Path], tmp_path: Path
) -> None:
    metrics = measure(inputs, tmp_path, VALIDATION)
    assert metrics["documents"] == len(VALIDATION)
    assert metrics["bits_ratio"] == pytest.approx(1, rel=1e-4)
    assert metrics["rare_increase"] == pytest.approx(0, abs=1e-9)
    assert metrics["rare_share"] == metrics["validation_rare_share"]


def test_labels_shift_when_one_of_two_is_gone(inputs: dict[str, Path], tmp_path: Path) -> None:
    good = sorted({row["text"] for row in toy_rows(300, seed=7) if row["label"] == "good"})
    assert measure(inputs, tmp_path, good)["label_shift/mood"] > 0.3


def test_shares_of_labels_shift_where_a_text_may_have_several(
    inputs: dict[str, Path], backbone: Path, tmp_path: Path
) -> None:
    write_rows(tmp_path / "train.jsonl", labelling.toy_rows(200, seed=1))
    write_rows(tmp_path / "test.jsonl", labelling.toy_rows(60, seed=2))
    things = labelling.make_config(tmp_path, finetune=QUICK | {"candidates": ("baseline",)})
    folders = {name: tmp_path / name for name in ("model", "work", "tested", "all", "lit")}
    for folder in folders.values():
        folder.mkdir()
    tune(things, backbone, folders["model"], folders["work"])
    evaluate(things, {"model": folders["model"]}, folders["tested"])
    further = inputs | {"model things": folders["model"], "evaluation things": folders["tested"]}
    texts = sorted({row["text"] for row in labelling.toy_rows(200, seed=7)})
    lit = [text for text in texts if "lamp" in text or "candle" in text]
    alike, shifted = (
        measure(further, folders[name], new, tasks=["things"])["label_shift/things"]
        for name, new in (("all", texts), ("lit", lit))
    )
    assert alike < 0.2
    assert shifted == pytest.approx(0.5, abs=0.15)  # half of the test examples are lit


@pytest.mark.parametrize("mark", ["\u2028", "\x85", "\x0c", "\r"])
def test_marks_in_a_text_end_no_line_of_the_predictions(
    inputs: dict[str, Path], tmp_path: Path, mark: str
) -> None:
    lines = (
        (inputs["evaluation mood"] / "predictions.jsonl")
        .read_text()
        .replace('{"text": "', '{"text": ' + json.dumps(mark, ensure_ascii=False)[:-1])
    )
    (tmp_path / "predictions.jsonl").write_text(lines)
    marked = inputs | {"evaluation mood": tmp_path}
    assert measure(marked, tmp_path, VALIDATION)["label_shift/mood"] < 0.3


def test_foreign_text_is_dearer_and_full_of_rare_tokens(
    inputs: dict[str, Path], tmp_path: Path
) -> None:
    metrics = measure(inputs, tmp_path, [f"ЖЗ{chr(1040 + i % 32)}Я {i}" for i in range(60)])
    assert metrics["bits_ratio"] > 1.2
    assert metrics["rare_increase"] > 0.5


def test_too_few_documents_are_not_measured(inputs: dict[str, Path], tmp_path: Path) -> None:
    found = measure(
        inputs, tmp_path, [*VALIDATION[:9], " ", "<br>", VALIDATION[0]], min_documents=10
    )
    assert found == {"documents": 9, "documents_dropped": 1}  # blank lines are no documents
