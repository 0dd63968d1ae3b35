"""Inputs that are unlike the usual: read as meant and scored right, or named in one message."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest
from mlflow.tracking import MlflowClient

from tests.e2e.conftest import Product
from tests.e2e.test_bad_input import CONFIG, NOTE
from tests.e2e.test_failing_branch import newest_parent
from textmill.tasks.tagging.iob2 import entity_f1
from textmill.tracking.results import recorded_results

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

PLACES = ("garden", "river", "market", "bridge", "station")
TEXTS = [f"They saw the {PLACES[n % 5]} on day {n}." for n in range(40)]
LABELS = [f"{n % 2}" for n in range(40)]
TYPES = ("A", "A-", "micro avg", "$x_$", "人名", "a/b|c", "<b>")


def table(separator: str, end: str, *labels: str, texts: list[str] = TEXTS) -> bytes:
    rows = [f'"{text}"{separator}"{labels[i % len(labels)]}"' for i, text in enumerate(texts)]
    return end.join([f"text{separator}label", *rows, ""]).encode()


def lines(*rows: dict[str, Any]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def labelled(*labels: Any) -> bytes:
    return lines(*({"text": t, "label": labels[i % len(labels)]} for i, t in enumerate(TEXTS)))


TAGGED = [
    {"tokens": text.split(), "ner_tags": ["O"] * 3 + [f"B-{TYPES[i % 7]}"] + ["O"] * 3}
    for i, text in enumerate(TEXTS)
]
PAIRS = [{"translation": {"en": text, "de": text.replace("They", "Sie")}} for text in TEXTS]
GOOD: dict[str, tuple[str, bytes, str]] = {
    "dollar": ("a.csv", table(",", "\n", "$0_$50", "$50_$100"), ""),
    "chinese": ("b.csv", table(",", "\n", "人名", "地名"), ""),
    "marks": ("c.jsonl", labelled("yes\u2028", "no").replace(b"saw", "saw\u2028".encode()), ""),
    "returns": ("d.csv", table(",", "\r", "a", "b"), ""),
    "blanks": ("e.csv", table(", ", "\n", "a", "b"), ", label: ' label'"),
    "tabs": ("f.csv", table("\t", "\r\n", "a", "b").decode().encode("utf-16"), ""),
    "floats": ("g.jsonl", labelled(1.0, 2.0, 3.5), ""),
    "numbers": ("h.jsonl", labelled(0, 1), ", label_names: [bad, good]"),
    "spaces": ("i.csv", table(",", "\n", "pos", "neg", "pos "), ""),
    "types": ("j.jsonl", lines(*TAGGED), ""),
    "pairs": ("k.jsonl", lines(*PAIRS), ", source: translation.en, target: translation.de"),
}
KINDS = {"types": "tagging", "pairs": "translation"}
BAD = {
    "array": ("a.jsonl", json.dumps(PAIRS, indent=1).encode(), "the file is a JSON array"),
    "nan": ("b.jsonl", labelled("a", float("nan")), "b.jsonl:2: .*nan is of type float"),
    "list": ("c.jsonl", labelled(["a"], ["b"]), r"c.jsonl:1: .*\['a'\] is of type list"),
    "latin": (
        "d.csv",
        table(",", "\n", "a", "b").replace(b"saw the garden on day 20", b"saw a caf\xe9"),
        "d.csv:22: .*if it is in windows-1252, set tasks.latin.encoding=windows-1252",
    ),
    "ints": (
        "e.jsonl",
        lines(*(row | {"ner_tags": [0] * 7} for row in TAGGED)),
        "e.jsonl:1: .*holds numbers.*tasks.ints.label_names",
    ),
    "nested": ("f.jsonl", lines(*PAIRS), "Did you mean 'translation.en'"),
}


def prepare(product: Product, tasks: dict[str, tuple[str, bytes, str]], **kinds: str) -> None:
    head = CONFIG[: CONFIG.index("  - {name: mood")].replace("block_size: 16", "block_size: 32")
    (product.folder / "notes.jsonl").write_text("".join(NOTE % i for i in range(200)))
    entries = []
    for name, (file, content, further) in tasks.items():
        (product.folder / file).write_bytes(content)
        kind = kinds.get(name, "classification")
        entries.append(f"  - {{name: {name}, kind: {kind}, train: {file}, test: {file}{further}}}")
    (product.folder / "my.yaml").write_text("\n".join([head.rstrip(), *entries, ""]))


def outputs(folder: Path, task: str) -> Path:
    """The folder of what the evaluation of a task left."""
    client = MlflowClient(f"sqlite:///{folder}/mlruns/mlflow.db")
    run_id = recorded_results(newest_parent(folder))[f"evaluate {task}"]
    return Path(client.get_run(run_id).info.artifact_uri.removeprefix("file://")) / "output"


def test_odd_inputs_are_read_as_meant_scored_and_shown(product: Product) -> None:
    folder = product.folder
    prepare(product, GOOD, **KINDS)
    with (folder / "my.yaml").open("a") as config:
        config.write("retrain: {drift: {path: new.jsonl, min_documents: 5, tasks: [marks]}}\n")
    done = product.run("run", "--config", "my.yaml", timeout_s=600)
    assert done.returncode == 0, done.stderr
    parent = newest_parent(folder)
    assert parent.info.status == "FINISHED"

    labels = {
        name: {json.loads(row)["reference"] for row in rows.decode().split("\n") if row}
        for name, rows in (
            (name, (outputs(folder, name) / "predictions.jsonl").read_bytes())
            for name in GOOD
            if name not in KINDS
        )
    }
    assert labels == {
        "dollar": {"$0_$50", "$50_$100"},
        "chinese": {"人名", "地名"},
        "marks": {"yes", "no"},
        "returns": {"a", "b"},
        "blanks": {"a", "b"},
        "tabs": {"a", "b"},
        "floats": {"1.0", "2.0", "3.5"},
        "numbers": {"bad", "good"},
        "spaces": {"pos", "neg"},
    }
    assert "the label 'pos ' is read as 'pos'" in done.stderr

    # Types are compared as they are spelt: F1 again, from the predictions.
    rows = [
        json.loads(row)
        for row in (outputs(folder, "types") / "predictions.jsonl").read_text().split("\n")
        if row
    ]
    answers = [[row[part] for row in rows] for part in ("tags", "reference")]
    assert parent.data.metrics["types/f1"] == pytest.approx(entity_f1(*answers))

    # Their test texts are those of training: said before training, counted, and in the reasons.
    told = done.stderr.index("40 of 40 test texts are training texts too")
    assert told < done.stderr.index("pretrain: ")
    assert parent.data.metrics["dollar/leaked_examples"] == 40
    page = (folder / "mlruns").glob("**/report.html")
    report = next(page).read_text()
    assert report.count("40 of 40 test texts are training texts too") == len(GOOD)
    assert "image/svg+xml" in report
    reason = parent.data.tags["textmill.promotion.dollar"]
    assert "40 of 40 test texts are training texts too" in reason

    (folder / "ask.txt.gz").write_bytes(
        gzip.compress("One.\r\nFirst half\rsecond half\r\nThird\u2028line\r\n".encode("utf-16"))
    )
    done = product.run("predict", "marks", "--config", "my.yaml", "--file", "ask.txt.gz")
    assert done.returncode == 0, done.stderr
    asked = [json.loads(row)["text"] for row in done.stdout.split("\n") if row]
    assert asked == ["One.", "First half\rsecond half", "Third\u2028line"]

    (folder / "new.jsonl").write_bytes(lines(*({"text": f"New {text}"} for text in TEXTS)))
    done = product.run("retrain", "--trigger", "drift", "--config", "my.yaml", timeout_s=600)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr


def test_inputs_that_cannot_be_meant_are_named_in_one_message_each(product: Product) -> None:
    tasks = {name: (file, content, "") for name, (file, content, _) in BAD.items()}
    prepare(product, tasks, array="translation", ints="tagging", nested="translation")
    settings = "tasks.nested.source=en", "tasks.nested.target=de"
    done = product.run("run", "--config", "my.yaml", *settings)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False), done.stderr
    message = done.stderr[done.stderr.index("textmill: ") :]
    for name, (*_, expected) in BAD.items():
        (line,) = (x for x in message.removeprefix("textmill: ").split("\n") if x.startswith(name))
        assert re.search(expected, line), line
    assert "pretrain: " not in done.stderr
