"""A classifier that the pipeline trains on a user's own labels, as a filter: what it blocks."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
import requests

from tests.e2e.conftest import SMALL, Product, wait_until
from tests.e2e.test_serve import Server

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

CONFIG = """
defaults: [demo, _self_]
tasks:
  - name: toxicity
    kind: classification
    train: train.jsonl
    test: test.jsonl
    finetune: {epochs: 4}
  - sample-translation
safety:
  filters:
    - {category: toxic, action: block, model: toxicity, labels: [toxic], threshold: 0.6}
"""
SUBJECTS = ("your plan", "this answer", "the letter", "our neighbour", "the soup", "my train")
TOXIC = ("is disgusting rubbish", "makes me sick, you fool", "is stupid and so are you")
CALM = ("arrived in the morning", "was by the window", "is ready for the journey")
HARMFUL = "Your letter is disgusting rubbish, and so are you, you fool."
HARMLESS = "The train arrived in the morning."


def write_examples(file: Path, n: int, seed: int) -> None:
    """Write texts of which half are toxic by their wording."""
    rng = random.Random(seed)
    with file.open("w") as lines:
        for number in range(n):
            label, ends = (("toxic", TOXIC), ("calm", CALM))[number % 2]
            text = f"{rng.choice(SUBJECTS).capitalize()} {rng.choice(ends)}."
            lines.write(json.dumps({"text": text, "label": label}) + "\n")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Product:
    """A working folder in which a backbone, the classifier and a translator have been trained."""
    product = Product(tmp_path_factory.mktemp("toxicity"))
    words = [word for word in SMALL if not word.startswith(("tasks.ner", "tasks.topic"))]
    (product.folder / "own.yaml").write_text(CONFIG)
    write_examples(product.folder / "train.jsonl", 120, seed=1)
    write_examples(product.folder / "test.jsonl", 40, seed=2)
    done = product.run("run", "--config", "own.yaml", *words, timeout_s=600)
    assert done.returncode == 0, done.stderr
    return product


def test_a_prompt_that_the_classifier_finds_toxic_is_not_completed(trained: Product) -> None:
    done = trained.run("generate", HARMFUL, "--config", "own.yaml", "generation.max_new_tokens=2")
    assert done.returncode == 2, done.stderr
    assert "The prompt is blocked: toxic (block, prompt)" in done.stderr
    assert done.stdout == ""
    done = trained.run("generate", HARMLESS, "--config", "own.yaml", "generation.max_new_tokens=2")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(HARMLESS)


def test_rows_that_it_finds_toxic_are_not_translated(trained: Product) -> None:
    (trained.folder / "rows.txt").write_text(f"{HARMLESS}\n{HARMFUL}\n")
    done = trained.run("predict", "translation", "--config", "own.yaml", "--file", "rows.txt")
    assert done.returncode == 0, done.stderr
    calm, toxic = map(json.loads, done.stdout.splitlines())
    assert calm["text"] == HARMLESS
    assert toxic["text"] is toxic["translation"] is None
    assert toxic["filtered"][0]["category"] == "toxic"
    assert "Filtered rows: toxic (block, prompt) 1" in done.stderr


def test_the_server_refuses_it(trained: Product) -> None:
    server = Server(trained, trained.folder, "--config", "own.yaml")
    try:
        wait_until(server.is_ready, 60)
        request = {"prompt": HARMFUL, "max_tokens": 2}
        answer = requests.post(f"{server.url}/v1/completions", json=request, timeout=60)
        assert answer.status_code == 400
        assert answer.json()["error"]["code"] == "content_filter"
        assert server.predict("translation", HARMFUL).status_code == 400
        assert server.predict("translation", HARMLESS).status_code == 200
    finally:
        server.stop()
