"""Specifies the messages about settings that are wrong."""

from __future__ import annotations

import re

import pytest

from textmill.compose import CONF, compose
from textmill.errors import InputError, listed

GROUPS_OF_CONF = ["cluster", "corpus", "model", "pretrain", "tokenizer", "tracking"]


def message(override: str) -> str:
    with pytest.raises(InputError) as caught:
        compose("demo", [override])
    return str(caught.value)


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ("model.n_embed=64", "model.n_embed is not a setting. Did you mean model.n_embd? The keys"),
        ("tokenizr=bpe", "tokenizr is not a setting. Did you mean tokenizer? The keys are exp"),
        ("task=topic", "task is not a setting. Did you mean tasks? The keys are experiment,"),
        ("qqq=1", "qqq is not a setting. The keys are experiment, extensions, data_root,"),
        ("+model.qqq=1", "model.qqq is not a setting. The keys of model are n_layer, n_head,"),
        ("hydra.run.dir=x", "hydra is not a setting."),
        (
            "corpus.redaction.enable=1",
            "Did you mean corpus.redaction.enabled? The keys of corpus.r",
        ),
        (
            "tasks.topic.fintune=1",
            "tasks.topic.fintune is not a setting. Did you mean tasks.topic.f",
        ),
        ("tasks.topic.finetune.epoch=1", "Did you mean tasks.topic.finetune.epochs? The keys of t"),
        (
            "tasks.topc.text=a",
            "there is no task 'topc'; did you mean 'topic'? choose one of topic, s",
        ),
        ("model.n_embd=0", "model.n_embd=0: input should be greater than 0."),
        ("model.n_embd=65", "model: n_embd=65 is not a multiple of n_head=4: set n_embd to 68, or"),
        ("model.n_layer=many", "model.n_layer=many: input should be a valid integer"),
        ("model.norm=batch", "model.norm=batch: input should be 'layer' or 'rms'."),
        ("model.n_layer.x=3", "model.n_layer: input should be a valid integer"),
        (
            "tasks.topic.kind=q",
            "tasks.topic.kind=q: choose one of classification, generation",
        ),
        (
            "tasks=[{name: a}]",
            "tasks.a.kind is not set: choose one of classification, generation",
        ),
        (
            "tasks.translation.finetune.attention=bidirectional",
            "tasks.translation.finetune.attention=bidirectional: input should be 'causal'.",
        ),
        (
            "finetune.attention=bidirectional",
            "tasks.translation.finetune.attention=bidirectional: input should be 'causal'.",
        ),
        ("tasks.ner.token=a", "Did you mean tasks.ner.tokens? The keys of tasks.ner are "),
        ("tasks=[{name: a, kind: tagging, test: b}]", "tasks.a.train is required"),
        ("tasks=[{name: a, kind: classification, test: b}]", "tasks.a.train is required"),
        ("tasks=[sample-topic,sample-topic]", "two tasks are named 'topic': rename one"),
        ("pretrain=3", "pretrain=3: it is a section: set pretrain.NAME=VALUE."),
        ("finetune=3", "finetune=3: it is a section: set finetune.NAME=VALUE."),
        ("tasks.topic.finetune=3", "tasks.topic.finetune=3: it is a section: set"),
        ("model=null", "model=None: it is a section: set"),
        (
            "corpus.sources.9.path=a",
            "corpus.sources.9.path cannot be set to this value: there is no such",
        ),
        (
            "tasks={a: 1}",
            "tasks cannot be set to this value: there is no such entry, or it is a list",
        ),
        ("experiment=${no_such}", "experiment: Interpolation key 'no_such' not found."),
    ],
)
def test_a_wrong_setting_is_named_with_the_fix(override: str, problem: str) -> None:
    assert problem in message(override)


def test_all_wrong_settings_are_reported_at_once() -> None:
    with pytest.raises(InputError) as caught:
        compose("demo", ["model.n_layer=0", "pretrain.max_steps=-1", "qqq=1"])
    lines = str(caught.value).splitlines()
    assert lines[0] == "The configuration demo is invalid:"
    assert [line.split()[0] for line in lines[1:]] == [
        "model.n_layer=0:",
        "pretrain.max_steps=-1:",
        "qqq",
    ]


def test_a_list_with_one_bad_item_is_not_called_too_short() -> None:
    (problem,) = message("corpus.sources=[{name: a, path: b, encoding: no}]").splitlines()[1:]
    assert problem.startswith("  corpus.sources.0.encoding: unknown encoding 'no'")
    assert "at least 1 item" in message("corpus.redaction.kinds=[]")


@pytest.mark.parametrize(
    "override", ["a b", "model.n_embd", "=3", "", "--foo", "~model", "model.n_embd=64,128", "x=[1"]
)
def test_an_override_that_cannot_be_read_is_quoted_with_the_form(override: str) -> None:
    assert f"The override {override!r} cannot be parsed: write key=value" in message(override)


@pytest.mark.parametrize("group", GROUPS_OF_CONF)
def test_an_unknown_option_lists_those_that_there_are_up_to_ten(group: str) -> None:
    names = listed(sorted(file.stem for file in (CONF / group).glob("*.yaml")))
    expected = f"{group}=q: there is no {group} 'q'; choose one of {names}."
    assert message(f"{group}=q") == expected


@pytest.mark.parametrize("value", ["topic", "3", "[3]", "[null]", "[[topic]]"])
def test_tasks_of_another_form_are_refused(value: str) -> None:
    problem = message(f"tasks={value}")
    assert re.match(r"tasks must be a list: |tasks: .* is neither the name of a task", problem)


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ("notify=[{event: failed}]", "the entry for failed needs a block or a command: set one."),
        ("notify=[{event: failed, block: a/b, command: c}]", "needs a block or a command"),
        (
            "notify=[{event: failed, block: slack}]",
            "block 'slack' is not of the form TYPE/NAME: fix it.",
        ),
        ("notify=[{event: lost, command: c}]", "notify.0.event=lost: "),
        ("retrain.drift.tasks=[ner]", "'ner' is not a classification of single texts"),
        ("retrain.drift.tasks=[x]", "'x' is not a classification of single texts"),
        ("retrain.tries=3", "Did you mean retrain.retries? The keys of retrain are"),
    ],
)
def test_a_wrong_setting_of_retraining_is_named(override: str, problem: str) -> None:
    assert problem in message(override)
