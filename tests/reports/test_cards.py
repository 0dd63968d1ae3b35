"""Specifies model cards: what they say, and that they stand on the model."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlflow.entities import LoggedModelOutput, LoggedModelStatus

from tests.memorized import make_audit
from tests.tasks.behaviour.test_group_scores import case as group_case
from textmill.config import Config, SourceConfig, TaskConfig, key_values
from textmill.evaluation.notes import LEAK, Note, write_notes
from textmill.files import MANIFEST, read_json, write_json
from textmill.reports import cards
from textmill.reports.cards import NAME, TAG, backbone_card_text, card_text, log_card
from textmill.reports.formats import plain
from textmill.reports.tables.audit_table import legend, markdown
from textmill.tasks.behaviour.group_scores import write_group_scores
from textmill.tasks.behaviour.verdicts import Verdict, write_verdicts
from textmill.tasks.language_model.memorization.memorized import FILE as AUDIT_FILE
from textmill.tracking.pipeline import open_pipeline
from textmill.tracking.results import Result
from textmill.tracking.store import Store

TESTED = {"accuracy": 0.91, "class/bad/f1": 0.5, "test_examples": 40, "cut_examples": 3}
SIMPLE = {"accuracy": 0.88, "trivial/accuracy": 0.5, "majority/accuracy": 0.5}
LONG_PLACE = f"/data/{'deep/' * 30}test.csv"


def result(folder: Path, label: str, metrics: dict[str, float], **sources: str) -> Result:
    """A finished step with these numbers, made from these files."""
    place = folder / label
    place.mkdir(parents=True)
    (place / "metrics.json").write_text(json.dumps(metrics))
    found = {name: {"place": where, "digest": f"{name}-" * 9} for name, where in sources.items()}
    (place / MANIFEST).write_text(json.dumps({"sources": found}))
    return Result(label, "k", f"run of {label}", f"http://mlflow/{label}", place, "d", False)


@pytest.fixture
def task(task_of: Callable[[str, str], TaskConfig]) -> TaskConfig:
    return task_of("classification", "mood")


LABELS = ("bad", "go<b>od")


def write_task(
    by_label: dict[str, Result], *members: str, labels: tuple[str, ...] = LABELS
) -> None:
    task = {
        "spec": {"labels": labels},
        "members": dict.fromkeys(members, 1.0),
        "choice": f"the {' and '.join(members)}, chosen by validation accuracy",
    }
    (by_label["finetune mood"].folder / "task.json").write_text(json.dumps(task))


@pytest.fixture
def results(tmp_path: Path) -> dict[str, Result]:
    """A task that is fine-tuned and evaluated."""
    found = [
        result(tmp_path, "clean", {"documents_kept": 900, "documents_read": 1000}, own="own.jsonl"),
        result(tmp_path, "pretrain", {"parameters": 1_000_000, "tokens_seen": 2_000_000}),
        result(tmp_path, "finetune mood", {"epochs": 3.0}, train="train.csv"),
        result(tmp_path, "evaluate mood", TESTED, test=LONG_PLACE),
        result(tmp_path, "baseline mood", SIMPLE),
    ]
    by_label = {r.label: r for r in found}
    write_task(by_label, "network")
    return by_label


@pytest.mark.parametrize(
    "words",
    [
        "# mood\n",
        "A model that gives a text one label (classification)",
        r"Labels: bad, go&lt;b&gt;od.",
        "It is the network, chosen by validation accuracy.",
        "then fine-tuned for 3 epochs with bidirectional attention.",
        "a GPT of 1,000,000 parameters (4 layers, 4 heads, 256 channels, 128 tokens of context",
        "pretrained on 2,000,000 tokens (causal objective, 600 steps)",
        "| accuracy | 0.910 | 0.880 | 0.500 |",
        "On 40 test examples, not used in training (3 of them truncated).",
        "| own | own.jsonl | own\\-own\\-own\\-own\\- |",
        "| train | train.csv |",
        "deep/test.csv",
        "Unicode repaired, HTML stripped, personal data redacted (email, phone, ip, card, iban",
        "Filtered out: records that cannot be read, documents below 20 characters, exact",
        "Kept 900 of 1,000 documents.",
        "[finetune mood](http://mlflow/finetune mood)",
        "Licences of the data, as configured: unknown (own, the task's examples).",
        "Its context is 128 tokens: longer texts are split into windows",
        "Languages of the pretraining text: not known.",
    ],
)
def test_a_card_says(
    config: Config, task: TaskConfig, results: dict[str, Result], words: str
) -> None:
    assert words in card_text(config, task, results)


def test_a_card_says_how_much_the_scores_vary_over_seeds(
    config: Config, task: TaskConfig, results: dict[str, Result]
) -> None:
    file = results["evaluate mood"].folder / "metrics.json"
    scores = {"mean": 0.9, "deviation": 0.0126, "network": 0.89, "network-2": 0.91}
    seeds = {f"seeds/accuracy/{name}": value for name, value in scores.items()}
    write_json(file, read_json(file) | seeds)
    card = card_text(config, task, results)
    assert (
        "With each of its 2 networks as the only one, mean and standard deviation over seeds"
        in card
    )
    assert "accuracy 0.900 ± 0.013." in card


def test_a_card_says_how_the_training_was_cross_validated(
    config: Config, task: TaskConfig, results: dict[str, Result], tmp_path: Path
) -> None:
    assert "Cross-validated" not in card_text(config, task, results)
    scores = {"mean": 0.8, "deviation": 0.05, "fold-1": 0.75, "fold-2": 0.85}
    metrics = {f"folds/accuracy/{name}": value for name, value in scores.items()}
    metrics |= {f"baseline/{name}": 0.5 for name in metrics}
    results["folds mood"] = result(tmp_path, "folds mood", metrics)
    assert (
        "Cross-validated on its training examples in 2 folds, mean and standard deviation: "
        "accuracy 0.800 ± 0.050."
    ) in card_text(config, task, results)


def test_a_card_names_the_texts_of_tasks_in_the_corpus(
    config: Config, task: TaskConfig, results: dict[str, Result], tmp_path: Path
) -> None:
    texts = result(tmp_path, "task-texts", {}, **{"mood/train": "mood.csv", "mood/test": "b.csv"})
    manifest = json.loads((texts.folder / MANIFEST).read_text())
    manifest["sources"]["mood/test"]["context"] = "test"
    (texts.folder / MANIFEST).write_text(json.dumps(manifest))
    results["task-texts"] = texts
    values = config.model_dump()
    values["corpus"]["task_texts"]["enabled"] = True
    own = task.model_copy(update={"licence": "CC0"})
    card = card_text(Config.model_validate(values | {"tasks": [own]}), own, results)
    assert "| mood/train | mood.csv |" in card
    assert "mood/test" not in card
    assert r"configured: CC0 (task:mood, the task's examples); unknown (own)." in card


def test_a_card_says_what_makes_the_scores_doubtful(
    config: Config, task: TaskConfig, results: dict[str, Result]
) -> None:
    notes = [Note(LEAK, "9 of 40 test texts are training texts too", "test lines 1, 2")]
    notes += [Note("spelling", "the label '$a|b$ ' is read as '$a|b$'", is_doubt=False)]
    write_notes(notes, results["baseline mood"].folder)
    card = card_text(config, task, results)
    assert "On 40 test examples (3 of them truncated)." in card
    assert r"**Doubtful:** 9 of 40 test texts are training texts too \(test lines 1, 2\)." in card
    assert r"the label '$a\|b$ ' is read as '$a\|b$'." in card


@pytest.mark.parametrize(
    ("n_bytes", "of_source", "words"),
    [
        ({"en": 5}, "en", "en. It is unreliable"),
        ({"und": 5}, "und", "not known. It is unreliable"),
        ({"de": 150, "zh-Hans": 800, "und": 50}, "und", "zh\\-Hans 80.0%, de 15.0%, unknown 5.0%"),
        ({"en": 4, "de": 6}, "auto", "de 60.0%, en 40.0% of the bytes (identified automatically)."),
        ({"en": 4}, "auto", "en (identified automatically)."),
        ({f"x{i}": i + 1 for i in range(20)}, "auto", "x19 9.5%, x18 9.0%, x17 8.6%, "),
    ],
)
def test_the_languages_are_those_of_the_text_that_was_kept(
    config: Config,
    task: TaskConfig,
    results: dict[str, Result],
    n_bytes: dict[str, int],
    of_source: str,
    words: str,
) -> None:
    metrics = results["clean"].metrics()
    metrics |= {f"bytes_language_{tag}": count for tag, count in n_bytes.items()}
    (results["clean"].folder / "metrics.json").write_text(json.dumps(metrics))
    source = {"name": "own", "path": "o.txt", "language": of_source}
    config = Config.model_validate(config.model_dump() | {"corpus": {"sources": [source]}})
    card = card_text(config, task, results)
    assert f"Languages of the pretraining text: {words}" in card
    assert ("and 5 more of the bytes" in card) == (len(n_bytes) == 20)


def test_the_licence_of_each_source_is_named(
    config: Config, task: TaskConfig, results: dict[str, Result]
) -> None:
    sources = [
        {"name": "wiki", "path": "w.txt", "licence": "CC BY-SA 4.0"},
        {"name": "wiktionary", "path": "t.txt", "licence": "CC BY-SA 4.0"},
        {"name": "own", "path": "o.txt"},
    ]
    corpus = {"sources": sources}
    licensed = Config.model_validate(config.model_dump() | {"corpus": corpus})
    assert r"CC BY\-SA 4.0 (wiki, wiktionary); unknown (own, the task's examples)." in card_text(
        licensed, task, results
    )
    corpus["sources"] = sources[:2]
    licensed = Config.model_validate(config.model_dump() | {"corpus": corpus})
    assert "examples" not in cards._licences(licensed, {})
    assert "unknown" not in cards._licences(licensed, {})


def test_a_licence_is_no_part_of_a_key() -> None:
    source = SourceConfig(name="own", path="o.txt")
    licensed = source.model_copy(update={"licence": "MIT"})
    assert key_values(source) == key_values(licensed)


def test_a_card_without_evaluation_says_so(
    config: Config, task: TaskConfig, results: dict[str, Result]
) -> None:
    del results["evaluate mood"]
    assert "Not evaluated yet." in card_text(config, task, results)


def test_a_card_of_a_baseline_says_nothing_of_a_network(
    config: Config, task: TaskConfig, results: dict[str, Result]
) -> None:
    write_task(results, "baseline")
    text = card_text(config, task, results)
    assert "It is the baseline, chosen by validation accuracy." in text
    assert "GPT" not in text
    assert "context" not in text
    assert "Languages of" not in text


def test_a_card_warns_of_sample_data(
    config: Config, task: TaskConfig, results: dict[str, Result]
) -> None:
    assert "sample data" not in card_text(config, task, results)
    sample = Config.model_validate(config.model_dump() | {"sample": {}})
    assert "generated sample data are meaningless" in card_text(sample, task, results)


def test_tags_are_shown_as_the_entities_they_name(
    config: Config,
    results: dict[str, Result],
    task_of: Callable[[str, str], TaskConfig],
) -> None:
    write_task(results, "network", labels=("O", "B-LOC", "I-LOC", "B-PER", "I-PER"))
    assert "Labels: LOC, PER." in card_text(config, task_of("tagging", "mood"), results)


def test_a_card_fits_into_a_tag_whatever_the_names(
    config: Config, task: TaskConfig, results: dict[str, Result], tmp_path: Path
) -> None:
    write_task(results, "network", labels=tuple(f"{i}" + "*" * 500 for i in range(500)))
    sources = {f"source {i}": LONG_PLACE for i in range(500)}
    results["clean"] = result(tmp_path / "many", "clean", results["clean"].metrics(), **sources)
    card = card_text(config, task, results)
    assert "and 460 more" in card
    assert "| 485 more |" in card
    assert len(card) < 8000


def test_names_bring_no_markup() -> None:
    assert plain("a|b\n# <i>[x](y)") == r"a\|b \# &lt;i&gt;\[x\]\(y\)"


def test_the_card_is_on_the_model_and_keeps_its_scores(
    config: Config, store: Store, task: TaskConfig, results: dict[str, Result], tmp_path: Path
) -> None:
    client: Any = store.client
    with open_pipeline("test", config, "tests", {}) as pipeline:
        run_id = store.start_run(pipeline.experiment_id, "finetune mood", {})
        model = client.create_logged_model(pipeline.experiment_id, "mood", source_run_id=run_id)
        client.log_outputs(run_id, [LoggedModelOutput(model.model_id, 0)])
        client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)
        tuned = results["finetune mood"]
        results["finetune mood"] = Result(
            tuned.label, "k", run_id, tuned.url, tuned.folder, "d", False
        )
        evaluated = results.pop("evaluate mood")

        def card() -> str:
            written = client.get_logged_model(model.model_id)
            place = Path(written.artifact_location.removeprefix("file://"), NAME)
            assert place.read_text() == written.tags[TAG]
            return str(written.tags[TAG])

        pipeline.results.update(results)
        log_card(pipeline, config, task)
        assert "Not evaluated yet." in card()
        pipeline.results["evaluate mood"] = evaluated
        log_card(pipeline, config, task)
        assert "| accuracy | 0.910 | 0.880 | 0.500 |" in card()
        del pipeline.results["evaluate mood"]
        log_card(pipeline, config, task)
        assert "| accuracy | 0.910 | 0.880 | 0.500 |" in card()


def test_the_card_of_a_backbone_says_what_it_is(
    config: Config, results: dict[str, Result], tmp_path: Path
) -> None:
    losses = {"val_loss": 1.25, "perplexity": 3.49, "bits_per_byte": 0.9, "bits_per_byte/de": 1.1}
    simple = {f"unigram/{key}": 2 * value for key, value in losses.items()}
    results["evaluate-lm"] = result(tmp_path, "evaluate-lm", losses | simple)
    card = backbone_card_text(config, results)
    for words in (
        "# backbone\n",
        "A GPT of 1,000,000 parameters (4 layers",
        "(causal objective, 600 steps).",
        "| bits per byte | 0.900 | 1.800 |\n| bits per byte, de | 1.100 | 2.200 |",
        "| own | own.jsonl |",
        "Kept 900 of 1,000 documents.",
        "[pretrain](http://mlflow/pretrain)",
        "Licences of the data, as configured: unknown (own).",
        "Its context is 128 tokens: earlier text has no influence.",
    ):
        assert words in card
    assert "mood" not in card
    assert "## Memorization" not in card
    audited = result(tmp_path, "audit", {})
    write_json(audited.folder / AUDIT_FILE, make_audit().model_dump())
    card = backbone_card_text(config, results | {"audit": audited})
    for words in (markdown(make_audit()), legend(make_audit()), "it may write them"):
        assert words in card
    sample = Config.model_validate(config.model_dump() | {"sample": {}})
    assert "meaningless" in backbone_card_text(sample, results)


def test_a_card_says_what_came_of_behaviour_tests(
    config: Config, task: TaskConfig, results: dict[str, Result], tmp_path: Path
) -> None:
    assert "## Behaviour" not in card_text(config, task, results)
    tested = result(tmp_path, "behaviour mood", {})
    texts = ("All is well.", "All | is <b>not</b> well.")
    verdicts = [
        Verdict("negation", "direction", "a *no*", texts, ({}, {}), ("x", "y"), "z", is_passed)
        for is_passed in (True, False)
    ]
    write_verdicts(verdicts, tested.folder)
    card = card_text(config, task, results | {"behaviour mood": tested})
    row = r"| negation: a \*no\* | direction | 2 | 0.500 | 0.095 to 0.905 | All \| is &lt;b&gt;not"
    assert f"{row}&lt;/b&gt; well. |" in card


def test_a_card_shows_differences_between_groups_and_which_are_marked(
    config: Config, task: TaskConfig, results: dict[str, Result], tmp_path: Path
) -> None:
    tested = result(tmp_path, "behaviour mood", {})
    write_verdicts([], tested.folder)
    assert "between groups" not in card_text(config, task, results | {"behaviour mood": tested})
    cases = [group_case(0.5, 0.6, template=str(number)) for number in range(9)]
    others = [
        group_case(0.5, 0.4 + 0.2 * (number % 2), template=str(number), origin="test examples")
        for number in range(8)
    ]
    write_group_scores([*cases, *others], tested.folder)
    card = card_text(config, task, results | {"behaviour mood": tested})
    assert "## Behaviour" not in card
    seen = "| animal, cats → dogs: pets | templates | 9 | bad | -0.100 | -0.100 to -0.100 | ≠ 0 |"
    assert f"{seen} 0.000 | 0.000 to 0.299 |" in card
    assert "| animal, cats → dogs: pets | test examples | 8 | bad | +0.000 | -0." in card
    assert "1 of 2 differences is marked ≠ 0; without any bias, about one in" in card
