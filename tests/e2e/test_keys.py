"""Specifies that a key holds the code that its step runs, and no other: each in a fresh process."""

from __future__ import annotations

import json
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import SMALL
from textmill.compose import compose
from textmill.config import Config, key_values
from textmill.steps.graph import GRAPH
from textmill.steps.parts import Part
from textmill.steps.step import NOT_CODE, code_of

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

RUN = """
import pickle, pkgutil, sys
from pathlib import Path
function, config, inputs, out, further = pickle.load(open(sys.argv[1], "rb"))
pkgutil.resolve_name(function)(config, inputs, out, *further)
print(*sorted(name for name in sys.modules if name.partition(".")[0] == "textmill"))
"""
"""Settings are unpickled first: they are in the key by their values."""
GENERATED = ("translation", "chat")
"""Tasks whose models have no average."""
SETTINGS = [
    *SMALL,
    "tasks=[sample-topic,sample-ner,sample-translation,sample-qa,sample-chat,sample-subjects]",
    "corpus.task_texts.enabled=true",
    "audit.enabled=true",
    # What is compared and averaged is in every key, and is loaded only if it is.
    "tasks.topic.finetune.candidates=[average]",
    "tasks.qa.finetune.candidates=[average]",
    "tasks.subjects.finetune.candidates=[average]",
    *(f"tasks.{task}.finetune.candidates=[baseline,network]" for task in GENERATED),
]
PARTS = (
    "sample",
    "task-texts",
    "clean",
    "tokenizer",
    "canaries",
    "tokens",
    "pretrain",
    "evaluate-lm",
    "audit",
    *(
        f"{step} {task}"
        for step in ("baseline", "finetune", "evaluate")
        for task in ("topic", "ner", "qa", "subjects", *GENERATED)
    ),
    *(f"{step} {task}" for step in ("cases", "behaviour") for task in ("topic", "ner", "qa")),
)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """The modules of textmill that are loaded once a step has run, by its label."""
    folder = tmp_path_factory.mktemp("steps")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        config = compose("demo", SETTINGS)
    found: dict[str, set[str]] = {}
    for label in PARTS:
        part = GRAPH.parse(label)
        assert part is not None
        found[label] = run_alone(part, config, folder)
        if label == "sample":
            config = with_data_in(config, folder / "sample")
    # Without an average, a model is one of the candidates: here the baseline, and then the network.
    for label in (f"{step} {task}" for task in GENERATED for step in ("finetune", "evaluate")):
        shutil.rmtree(folder / label)
        shutil.rmtree(folder / f"{label} work")
        part = GRAPH.parse(label)
        assert part is not None
        found[label] |= run_alone(part, only_network(config), folder)
    return found


def only_network(config: Config) -> Config:
    finetune = {"candidates": ("network",)}
    tasks = (
        task.model_copy(update={"finetune": task.finetune.model_copy(update=finetune)})
        for task in config.tasks
    )
    return config.model_copy(update={"tasks": tuple(tasks)})


def run_alone(part: Part, config: Config, folder: Path) -> set[str]:
    out, work = folder / part.label, folder / f"{part.label} work"
    out.mkdir()
    work.mkdir()
    inputs = {name: folder / label for name, label in GRAPH.inputs(part, config).items()}
    further = (work,) if part.step.is_training else ()
    job = folder / f"{part.label}.pickle"
    job.write_bytes(
        pickle.dumps((part.step.function, part.configure(config), inputs, out, further))
    )
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(job)], capture_output=True, text=True, cwd=folder
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split("\n")[-2].split())


def with_data_in(config: Config, sample: Path) -> Config:
    """Return the configuration with the places of the sample data filled in."""
    values = config.model_dump(mode="json")
    text = json.dumps(values).replace("sample:", f"{sample}/")
    return Config.model_validate_json(text)


@pytest.mark.parametrize("label", PARTS)
def test_the_code_in_the_key_of_a_step_is_what_it_loads(
    loaded: dict[str, set[str]], label: str
) -> None:
    part = GRAPH.parse(label)
    assert part is not None
    config = compose("demo", SETTINGS)
    in_key = code_of(part.step, key_values(part.configure(config))).modules.keys()
    known = {name for name in loaded[label] if not is_no_code(name)}
    assert known - in_key == set(), "loaded, and not in the key: name it in Step.loads"
    # An import inside a function that these settings do not call would have to be told apart here:
    # there is none.
    assert in_key - known == set(), "in the key, and not loaded: nothing of it is needed"


def is_no_code(name: str) -> bool:
    """Return whether a module enters keys by its values, or enters no result."""
    top = ".".join(name.split(".")[:2])
    return (
        name == "textmill" or top in NOT_CODE or top in ("textmill.secrets", "textmill.telemetry")
    )
