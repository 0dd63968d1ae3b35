"""Plants personal data in every text that a user has, and looks for it wherever a run leaves some.

The data's own files stay as they are: they are the user's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.e2e.conftest import Product

pytestmark = pytest.mark.filterwarnings("ignore")

CONFIG = """
defaults: [base, _self_]
experiment: private
corpus:
  sources:
    - {name: notes, path: notes.jsonl}
    - {name: page, path: page.html}
  max_bad_share: 0.9
  near_duplicates: {enabled: true}
tokenizer: {vocab_size: 300}
model: {n_layer: 1, n_head: 1, n_embd: 8, block_size: 32}
pretrain: {max_steps: 2, warmup_steps: 1, micro_batch_size: 2}
finetune: {epochs: 1, accelerator: cpu, precision: "32"}
generation: {prompts: [The], max_new_tokens: 4}
tasks:
  - {name: mood, kind: classification, train: mood.jsonl, test: mood-test.jsonl}
  - {name: places, kind: tagging, train: places.jsonl, test: places-test.jsonl}
  - {name: german, kind: translation, train: german.jsonl, test: german-test.jsonl}
"""
SECRETS = ("kilimanjaro", "4539148803436467", "9018 2077", "90182077")
"""Marks inside of what is planted; the store may hold none, in whatever form."""
EMAIL = "kilimanjaro@example.com"
PHONE = "+49 30 9018 2077"
DISGUISED = [
    "kilimanjaro&#64;example.com",
    "kilimanjaro&#x40;example.com",
    "kilimanjaro%40example.com",
    "kilimanjaro [at] example [dot] com",
    "kilimanjaro\uff20example.com",
    "kili\xadmanjaro@exam\u200bple.com",
    "+49\u202f30\u202f9018\u202f2077",
    "4539\u200b1488\u200b0343\u200b6467",
    "\uff14539 1488 0343 6467",
]
TOKENS = ["Ann", "in", "Rome", "writes", "to", EMAIL, "or", "calls", *PHONE.split()]
TAGS = ["O", "O", "B-LOC", "O", "O", "O", "O", "O", *["O"] * len(PHONE.split())]


def write_lines(file: Path, rows: list[object]) -> None:
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    file.write_text("".join(f"{line}\n" for line in lines))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Product:
    """A folder in which all that can be done with planted data has been done."""
    product = Product(tmp_path_factory.mktemp("private"))
    folder = product.folder
    (folder / "my.yaml").write_text(CONFIG)
    planted = [EMAIL, PHONE, *DISGUISED]
    notes: list[object] = [
        {"text": f"The ferry leaves at noon, day {i}. Write to {planted[i % len(planted)]} first."}
        for i in range(150)
    ]
    notes += [{"text": data} for data in planted]  # too short
    notes += [
        {"text": f"{note} Bring a coat and an umbrella to the pier at seven, please."}
        for note in planted * 2
    ]  # duplicates
    notes += [json.dumps({"body": f"x\n{data}"}) for data in planted]  # no text: kept as JSON
    notes += [f'{{"text": "x\\n{data}", ' for data in planted]  # broken JSON
    notes += ['{"text": "kilimanjaro\\u0040example.com", ', "x" * 1980 + f" {EMAIL}"]
    write_lines(folder / "notes.jsonl", notes)
    (folder / "page.html").write_text(f"<html><body><nav>{DISGUISED[0]}</nav></body></html>")
    for name, n in (("mood", 40), ("mood-test", 12)):
        rows = [
            {"text": f"A {word} day, ask {planted[i % len(planted)]}.", "label": word}
            for i, word in enumerate(["fine", "grey"] * (n // 2))
        ]
        write_lines(folder / f"{name}.jsonl", list(rows))
    for name, n in (("places", 20), ("places-test", 6)):
        write_lines(folder / f"{name}.jsonl", [{"tokens": TOKENS, "ner_tags": TAGS}] * n)
    for name, n in (("german", 20), ("german-test", 6)):
        write_lines(
            folder / f"{name}.jsonl",
            [
                {"source": f"Write to {data}.", "target": f"Schreiben Sie an {data}."}
                for data in (planted * 2)[:n]
            ],
        )
    done = product.run("run", "--config", "my.yaml")
    assert done.returncode == 0, done.stderr
    product.first_err = done.stdout + done.stderr
    return product


def texts_in(folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield the content of all files, tables by their values and the others by their bytes."""
    for file in sorted(folder.rglob("*")):
        if not file.is_file():
            continue
        if file.suffix == ".parquet":
            rows = pq.read_table(file).to_pylist()
            yield file, json.dumps(rows, ensure_ascii=False, default=repr)
        else:
            yield file, file.read_bytes().decode(errors="replace")


def left_in(text: str) -> list[str]:
    """Return the secrets in a text, read as it stands and without what may stand between."""
    bare = re.sub(r"[^0-9a-z]", "", text.lower())
    marks = [mark for mark in SECRETS if mark in text]
    return marks + [mark for mark in ("kilimanjaro", "45391488", "90182077") if mark in bare]


@pytest.mark.slow
def test_no_planted_data_is_in_the_store_or_the_output(finished: Product) -> None:
    files = dict(texts_in(finished.folder / "mlruns"))
    names = {file.name for file in files}
    assert {"mlflow.db", "prefect.db", "report.html", "predictions.jsonl"} <= names
    assert any("rejected" in file.parts for file in files)
    assert {str(file): left for file, text in files.items() if (left := left_in(text))} == {}
    assert left_in(finished.first_err) == []


@pytest.mark.slow
def test_the_texts_are_there_with_placeholders(finished: Product) -> None:
    store = finished.folder / "mlruns"
    rows = [
        json.loads(line)
        for file in store.rglob("predictions.jsonl")
        for line in file.read_text().splitlines()
    ]
    assert any("ask [EMAIL]." in row["text"] for row in rows if "label" in row)
    assert any(row["reference"] == "Schreiben Sie an [PHONE]." for row in rows)
    tagged = next(row for row in rows if "tokens" in row)
    assert tagged["tokens"] == [
        *("Ann", "in", "Rome", "writes", "to", "[EMAIL]", "or", "calls"),
        *["[PHONE]"] * 4,
    ]
    assert tagged["reference"] == TAGS
    reports = [file.read_text() for file in store.rglob("report.html")]
    assert any("[EMAIL]" in report for report in reports)


@pytest.mark.slow
def test_a_prediction_leaves_nothing_of_what_was_asked(finished: Product) -> None:
    text = f"Ann in Rome writes to {EMAIL}."
    done = finished.run("predict", "places", text, "--config", "my.yaml")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["text"] == text  # the caller's own
    for entity in answer["entities"]:
        assert text[entity["start"] : entity["end"]] == entity["text"]
    assert done.stderr == ""
    files = texts_in(finished.folder / "mlruns")
    assert [str(file) for file, text in files if left_in(text)] == []
