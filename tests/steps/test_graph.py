"""Specifies the graph of the pipeline: what comes from each step's standing there once."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from typing import Any

import pytest

from textmill.config import (
    Config,
    SplitTextsConfig,
    TaskTextsStepConfig,
)
from textmill.errors import InputError
from textmill.hub_models import TOKENIZER_PARTS
from textmill.steps.graph import (
    BASELINE,
    CLEAN,
    DRIFT,
    EVALUATE,
    FINETUNE,
    GRAPH,
    PRETRAIN,
    TASK_TEXTS,
    TOKENIZER,
    TOKENS,
)
from textmill.steps.parts import Folder, Graph, Shared, Split

CHAIN = ["clean", "tokenizer", "tokens", "pretrain"]
OWN = ["baseline", "finetune", "evaluate"]
TRUNK = [*CHAIN, "baseline mood", "baseline topic"]


def make(**further: Any) -> Config:
    tasks = [
        {"name": name, "kind": "classification", "train": "a.csv", "test": "b.csv"}
        for name in ("mood", "topic")
    ]
    corpus = {"sources": [{"name": "own", "path": "own.jsonl"}]}
    return Config.model_validate({"corpus": corpus, "tasks": tasks} | further)


def labels(parts: Any) -> list[str]:
    return [part.label for part in parts]


def test_a_full_run_has_shared_steps_then_tasks() -> None:
    assert labels(GRAPH.parts(make())) == [
        *CHAIN,
        "evaluate-lm",
        *(f"{step} mood" for step in OWN),
        *(f"{step} topic" for step in OWN),
    ]
    assert labels(GRAPH.parts(make(sample={})))[0] == "sample"


def test_every_step_is_there_with_the_module_of_its_function() -> None:
    for step in GRAPH.steps.values():
        assert importlib.util.find_spec(step.module) is not None
    assert "textmill.training.pretrain" in GRAPH.preloaded
    assert "textmill.corpus.cleaning.clean" not in GRAPH.preloaded


@pytest.mark.parametrize(
    ("label", "needed"),
    [
        ("tokens", ["clean", "tokenizer", "tokens"]),
        ("pretrain", CHAIN),
        ("finetune topic", [*CHAIN, "baseline topic", "finetune topic"]),
        ("evaluate mood", [*CHAIN, "baseline mood", "finetune mood", "evaluate mood"]),
        ("baseline mood", ["baseline mood"]),
    ],
)
def test_a_partial_run_is_the_requested_steps_with_their_inputs(
    label: str, needed: list[str]
) -> None:
    assert labels(GRAPH.up_to(make(), label)) == needed
    assert labels(GRAPH.up_to(make(sample={}), label)) == ["sample", *needed]


@pytest.mark.parametrize(
    ("start", "computed", "reused"),
    [
        ("finetune", ["finetune mood", "evaluate mood", "finetune topic", "evaluate topic"], TRUNK),
        ("evaluate topic", ["evaluate topic"], [*CHAIN, "baseline topic", "finetune topic"]),
        ("evaluate-lm", ["evaluate-lm"], CHAIN),
        ("baseline topic", [f"{step} topic" for step in OWN], CHAIN),
    ],
)
def test_a_run_from_a_step_computes_it_and_what_follows_and_reuses_the_rest(
    start: str, computed: list[str], reused: list[str]
) -> None:
    parts, only_reused = GRAPH.starting_at(make(), start)
    assert only_reused == {*reused}
    assert [name for name in labels(parts) if name not in only_reused] == computed


def test_a_run_from_the_first_step_has_all_parts_and_reuses_the_checks_alone() -> None:
    config = make()
    assert GRAPH.starting_at(config, "clean") == (
        GRAPH.parts(config),
        {"baseline mood", "baseline topic"},
    )


def test_a_run_from_an_unknown_step_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"no step 'finetine': use one of clean, .*finetune mood"):
        GRAPH.starting_at(make(), "finetine")


def test_dependents_of_a_step_follow_from_the_graph() -> None:
    config = make()
    parts = GRAPH.parts(config)
    assert labels(GRAPH.after(config, parts, "baseline mood")) == ["finetune mood", "evaluate mood"]
    after = labels(GRAPH.after(config, parts, "tokenizer"))
    assert after == [
        x for x in labels(parts) if x not in ("clean", "tokenizer") and x[:4] != "base"
    ]


def test_checks_come_before_the_trunk_and_branches_after_it() -> None:
    stages = GRAPH.stages(GRAPH.parts(make(sample={})))
    assert stages.sample is not None
    assert labels(stages.checks) == ["baseline mood", "baseline topic"]
    assert labels(stages.trunk) == CHAIN
    assert {name: labels(branch) for name, branch in stages.branches.items()} == {
        "lm": ["evaluate-lm"],
        "mood": ["finetune mood", "evaluate mood"],
        "topic": ["finetune topic", "evaluate topic"],
    }


def test_inputs_are_of_the_same_task_or_shared() -> None:
    config = make(retrain={"drift": {"tasks": ["mood"]}})
    assert GRAPH.inputs(GRAPH.part(EVALUATE, "mood"), config) == {"model": "finetune mood"}
    assert GRAPH.inputs(GRAPH.part(FINETUNE, "mood"), config) == {"backbone": "pretrain"}
    assert GRAPH.inputs(GRAPH.part(DRIFT), config) == {
        "backbone": "pretrain",
        "tokens": "tokens",
        "language": "evaluate-lm",
        "model mood": "finetune mood",
        "evaluation mood": "evaluate mood",
    }


def test_a_label_is_read_as_it_is_written() -> None:
    for part in GRAPH.parts(make()):
        assert GRAPH.parse(part.label) == part
    assert GRAPH.parse("guess mood") is None


def test_labels_are_in_execution_order() -> None:
    ended = ["evaluate topic", "guess", "finetune mood", "tokens", "clean", "baseline topic"]
    assert GRAPH.in_order(ended, ["mood", "topic"]) == [
        *("clean", "tokens", "finetune mood", "baseline topic", "evaluate topic", "guess")
    ]


def test_scores_have_the_prefix_of_the_task_or_lm() -> None:
    found = GRAPH.scored(["clean", "evaluate-lm", "finetune mood", "evaluate mood", "guess mood"])
    assert found == {"lm": "evaluate-lm", "mood": "evaluate mood"}


def test_a_baseline_does_not_depend_on_how_the_task_is_fine_tuned() -> None:
    config = make()
    settings = config.finetune.model_copy(update={"epochs": 9})
    tasks = tuple(task.model_copy(update={"finetune": settings}) for task in config.tasks)
    changed = config.model_copy(update={"tasks": tasks})
    part = GRAPH.part(BASELINE, "mood")
    assert part.configure(config) == part.configure(changed)
    part = GRAPH.part(FINETUNE, "mood")
    assert part.configure(config) != part.configure(changed)


def test_what_a_step_reads_follows_from_its_settings() -> None:
    config = make(tokenizer={"init_from": "old"})
    assert GRAPH.part(TOKENIZER).reads(config) == (
        Folder("tokenizer.init_from", "old", TOKENIZER_PARTS),
    )
    assert GRAPH.part(PRETRAIN).reads(config) == GRAPH.part(TOKENS).reads(config) == ()
    assert len(GRAPH.part(CLEAN).reads(config)) == 1
    mood = config.tasks[0]
    finetune = GRAPH.part(FINETUNE, "mood")
    assert finetune.reads(config) == (Split(mood, "train"),)
    changed = mood.model_copy(update={"on_leak": "drop", "validation": "c.csv"})
    reads = finetune.reads(config.model_copy(update={"tasks": (changed,)}))
    assert [raw.name for raw in reads if isinstance(raw, Split)] == ["train", "validation", "test"]


def with_texts(
    tasks: list[dict[str, Any]] | None = None, *, is_used: bool = True, is_compared: bool = True
) -> Config:
    """A configuration in which texts of tasks are used, and tests are compared with."""
    corpus = {
        "sources": [{"name": "own", "path": "own.jsonl"}],
        "task_texts": {"enabled": is_used},
        "decontamination": {"enabled": is_compared},
    }
    return make(corpus=corpus) if tasks is None else make(corpus=corpus, tasks=tasks)


@pytest.mark.parametrize(
    ("is_used", "is_compared", "splits"),
    [
        (True, True, ["train mood", "train topic", "test mood", "test topic"]),
        (True, False, ["train mood", "train topic"]),
        (False, True, ["test mood", "test topic"]),
    ],
)
def test_the_texts_of_tasks_are_collected_before_cleaning(
    is_used: bool, is_compared: bool, splits: list[str]
) -> None:
    config = with_texts(is_used=is_used, is_compared=is_compared)
    parts = GRAPH.parts(config)
    assert labels(parts)[:2] == ["task-texts", "clean"]
    assert GRAPH.stages(parts).trunk[0].label == "task-texts"
    assert GRAPH.inputs(GRAPH.part(CLEAN), config) == {"task_texts": "task-texts"}
    reads = GRAPH.part(TASK_TEXTS).reads(config)
    assert [f"{raw.name} {raw.task.name}" for raw in reads if isinstance(raw, Split)] == splits
    assert labels(GRAPH.up_to(config, "tokens")) == ["task-texts", "clean", "tokenizer", "tokens"]


@pytest.mark.parametrize("tasks", [None, []], ids=["not used", "no tasks"])
def test_cleaning_comes_first_where_no_texts_of_tasks_are_used(tasks: list[Any] | None) -> None:
    config = make() if tasks is None else with_texts(tasks)
    assert labels(GRAPH.parts(config))[0] == "clean"
    assert GRAPH.inputs(GRAPH.part(CLEAN), config) == {}
    assert not GRAPH.needs(GRAPH.part(CLEAN), config)


def test_the_texts_of_a_task_are_in_its_columns_of_text() -> None:
    columns = {"source": "en", "target": "de", "target_language": "de"}
    files = {"train": "a.en", "train_target": "a.de", "test": "b.en", "test_target": "b.de"}
    task = {"kind": "translation", "name": "tr", **files, **columns}
    made = GRAPH.part(TASK_TEXTS).configure(with_texts([task]))
    assert isinstance(made, TaskTextsStepConfig)
    named = {"name": "tr", "columns": ("en", "de"), "languages": ("und", "de")}
    assert made.train == (SplitTextsConfig(places=("a.en", "a.de"), **named),)
    assert made.test == (SplitTextsConfig(places=("b.en", "b.de"), **named),)


@pytest.mark.parametrize(
    "nodes",
    [
        (Shared(TOKENS, lambda config: config.tokenizer, {"corpus": CLEAN}),),
        (Shared(CLEAN, lambda config: config.corpus), Shared(CLEAN, lambda config: config.corpus)),
    ],
    ids=["before what it needs", "twice"],
)
def test_a_graph_that_cannot_be_followed_is_refused(nodes: tuple[Shared, ...]) -> None:
    with pytest.raises(AssertionError, match="is listed"):
        Graph(nodes)


def test_the_graph_loads_neither_torch_nor_mlflow_nor_prefect() -> None:
    code = (
        "import sys, textmill.steps.graph; print({'torch', 'mlflow', 'prefect'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


TASK = {"name": "mood", "kind": "classification", "train": "a.csv", "test": "b.csv"}
