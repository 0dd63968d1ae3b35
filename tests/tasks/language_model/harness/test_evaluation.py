"""Specifies the evaluation of a backbone on lm-eval tasks over local files."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
import yaml

from tests.tasks.language_model.harness.conftest import CHOICES, TEXTS
from textmill import model as models
from textmill.config import LanguageModelStepConfig
from textmill.corpus.tokens.tokenizer import END_ID, load_tokenizer
from textmill.errors import InputError
from textmill.files import read_json
from textmill.tasks.language_model.evaluate import DOCUMENTS, evaluate_lm
from textmill.tasks.language_model.harness.evaluation import _scores, evaluate_tasks
from textmill.tasks.language_model.harness.logged_scores import Score


def log_likelihood(folder: Path, context: list[int], continuation: list[int]) -> float:
    """The log-likelihood of tokens that fit into the context."""
    network = models.load(folder)
    with torch.inference_mode():
        log_p = network(torch.tensor([context + continuation[:-1]])).log_softmax(-1)[0]
    rows = log_p[-len(continuation) :]
    return float(rows.gather(1, torch.tensor(continuation)[:, None]).sum())


def test_a_choice_is_the_likeliest_continuation(folders: dict[str, Path], tasks: Path) -> None:
    results = evaluate_tasks(folders["backbone"], ["local_choice"], tasks, accelerator="cpu")
    tokenizer = load_tokenizer(folders["backbone"])
    n_right = {"acc": 0, "acc_norm": 0}
    for row in CHOICES:
        context = [END_ID, *tokenizer.encode(row["question"]).ids]
        scores = [
            log_likelihood(folders["backbone"], context, tokenizer.encode(f" {choice}").ids)
            for choice in row["choices"]
        ]
        normed = [s / len(c) for s, c in zip(scores, row["choices"], strict=True)]
        n_right["acc"] += scores.index(max(scores)) == row["answer"]
        n_right["acc_norm"] += normed.index(max(normed)) == row["answer"]
    found = {score.metric: score for score in results.scores}
    assert {*found} == {"acc", "acc_norm"}
    for metric, n in n_right.items():
        share = n / len(CHOICES)
        assert found[metric].value == pytest.approx(share)
        # Of the mean of three values of 0 or 1.
        assert found[metric].stderr == pytest.approx(math.sqrt(share * (1 - share) / 2))
        assert found[metric].n_examples == len(CHOICES)
    assert found["acc"].name == "harness/local_choice/acc"
    report = json.loads(results.json)
    assert report["configs"]["local_choice"]["dataset_path"] == "json"
    assert report["config"]["max_length"] == 32


def test_bits_per_byte_are_ours_without_the_ends_of_documents(
    folders: dict[str, Path], tasks: Path, tmp_path: Path
) -> None:
    """lm-eval scores no END, and reads long texts in windows of full context instead of pieces."""
    out = tmp_path / "out"
    out.mkdir()
    config = LanguageModelStepConfig(prompts=("The",), max_new_tokens=2, accelerator="cpu")
    evaluate_lm(config, folders, out)
    rows = [json.loads(line) for line in (out / DOCUMENTS).read_text().splitlines()]
    tokenizer = load_tokenizer(folders["backbone"])
    short = [at for at, text in enumerate(TEXTS) if len(tokenizer.encode(text).ids) < 32]
    assert len(short) == 2
    expected, n_bytes = 0.0, 0
    for at in short:
        ids = [END_ID, *tokenizer.encode(TEXTS[at]).ids]
        end = log_likelihood(folders["backbone"], ids, [END_ID])
        expected += (rows[at]["nll"] + end) / math.log(2)
        n_bytes += rows[at]["bytes"]
    data = tmp_path / "text.jsonl"
    data.write_text("".join(f"{json.dumps({'text': TEXTS[at]})}\n" for at in short))
    results = evaluate_tasks(folders["backbone"], ["local_text"], tasks, accelerator="cpu")
    (bits,) = [score for score in results.scores if score.metric == "bits_per_byte"]
    assert bits.value == pytest.approx(expected / n_bytes, rel=1e-4)
    assert read_json(out / "metrics.json")["bits_per_byte"] > 0


def test_several_tasks_and_a_limit(folders: dict[str, Path], tasks: Path) -> None:
    results = evaluate_tasks(
        folders["backbone"], ["local_choice", "local_text"], tasks, limit=2, accelerator="cpu"
    )
    assert {score.task for score in results.scores} == {"local_choice", "local_text"}
    assert {score.n_examples for score in results.scores} == {2}


def test_the_report_has_no_credentials_of_a_task(folders: dict[str, Path], tasks: Path) -> None:
    file = tasks / "choice.yaml"
    values = yaml.safe_load(file.read_text())
    values["dataset_kwargs"] |= {"token": "hf_own", "storage_options": {"user": "ann"}}
    file.write_text(yaml.safe_dump(values | {"description": "See https://ann:pw@host/x. "}))
    results = evaluate_tasks(folders["backbone"], ["local_choice"], tasks, accelerator="cpu")
    report = json.loads(results.json)["configs"]["local_choice"]
    assert report["dataset_kwargs"]["token"] == "***"
    assert report["dataset_kwargs"]["storage_options"]["user"] == "***"
    assert report["description"] == "See https://***@host/x. "
    assert {*report["dataset_kwargs"]} == {"data_files", "token", "storage_options"}


@pytest.mark.parametrize(
    ("own", "asked", "used", "name"),
    [
        (0, 2, 0, "harness/local_choice-0-shot/acc"),
        (1, 2, 2, "harness/local_choice-2-shot/acc"),
        (None, 2, 2, "harness/local_choice-2-shot/acc"),
        (1, None, None, "harness/local_choice/acc"),
    ],
)
def test_scores_have_the_number_of_shots_that_was_used(
    folders: dict[str, Path],
    tasks: Path,
    caplog: pytest.LogCaptureFixture,
    own: int | None,
    asked: int | None,
    used: int | None,
    name: str,
) -> None:
    file = tasks / "choice.yaml"
    values = yaml.safe_load(file.read_text()) | {"fewshot_split": "test"}
    values |= {} if own is None else {"num_fewshot": own}
    file.write_text(yaml.safe_dump(values))
    results = evaluate_tasks(
        folders["backbone"], ["local_choice"], tasks, shots=asked, accelerator="cpu"
    )
    assert [score.shots for score in results.scores] == [used, used]
    assert results.scores[0].name == name
    is_named = "--shots 2 is not used by local_choice" in caplog.text
    assert is_named == (own == 0)


def test_a_prompt_that_cannot_be_written_is_named(folders: dict[str, Path], tasks: Path) -> None:
    file = tasks / "choice.yaml"
    file.write_text(file.read_text().replace("{{question}}", "{{missing}}"))
    with pytest.raises(
        InputError, match="local_choice cannot be loaded: 'missing' is undefined. Correct"
    ):
        evaluate_tasks(folders["backbone"], ["local_choice"], tasks, accelerator="cpu")


def test_groups_and_filters_have_scores_of_their_own() -> None:
    task = {"name": "a", "alias": " - a", "sample_len": 3, "exact_match,strict-match": 1}
    group = {"name": "all", "acc,none": 0.5, "acc_stderr,none": "N/A", "sample_count": {}}
    results = {"results": {"a": task}, "groups": {"all": group}}
    results["n-samples"] = {"a": {"original": 9, "effective": 3}}
    results |= {"n-shot": {"a": 5, "all": 5}, "configs": {"a": {}}}
    assert _scores(results, 5) == [
        Score("a", "exact_match/strict-match", 1.0, None, 3, 5),
        Score("all", "acc", 0.5, None, None, 5),
    ]
