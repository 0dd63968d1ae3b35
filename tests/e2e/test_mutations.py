"""Specifies reuse over the whole pipeline: what each change computes again, and what it leaves.

The flows' own wiring is used, with real keys and a real store. Only the work of the steps is not
done: each computation writes bytes of its own, so that whatever depends on it has to follow.
"""

from __future__ import annotations

import json
import os
import shutil
import uuid
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from textmill.config import Config
from textmill.files import write_json

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # third parties' own
    from textmill.steps import step as steps
    from textmill.steps.graph import GRAPH
    from textmill.steps.process import Job
    from textmill.tracking.computing import attempt, step_run
    from textmill.tracking.pipeline import open_pipeline
    from textmill.tracking.results import Result
    from textmill_flows.running import context as contexts
    from textmill_flows.running.prefect_artifacts import Page
    from textmill_flows.running.prefect_tasks import run_part

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

LANGUAGE = {"clean", "tokenizer", "tokens", "pretrain", "evaluate-lm"}
MODELS = {"finetune mood", "evaluate mood", "finetune places", "evaluate places"}
BASELINES = {"baseline mood", "baseline places"}
EVERYTHING = LANGUAGE | MODELS | BASELINES
AFTER_PRETRAIN = {"pretrain", "evaluate-lm"} | MODELS
NOTHING: set[str] = set()

NOTES = '{"text": "The ferry leaves at noon."}\n{"text": "The bridge is closed."}\n'
MOOD = "text,label\na fine day,good\na grey day,bad\n"
PLACES = '{"tokens": ["Bath"], "ner_tags": ["B-LOC"]}\n'


class NoPage(Page):
    """Prefect is not there."""

    def link(self, url: str, text: str, key: str = "mlflow-run") -> None: ...


@dataclass
class Project:
    """A user's data and settings, and what is installed: all that a change can touch."""

    folder: Path
    home: Path
    settings: dict[str, Any] = field(default_factory=dict)
    sources: dict[str, Callable[[str], str]] = field(default_factory=dict)
    """Changes of the source text of modules, by module."""
    versions: dict[str, str] = field(default_factory=dict)

    def config(self) -> Config:
        tasks = [
            {
                "name": "mood",
                "kind": "classification",
                "train": "mood.csv",
                "test": "mood-test.csv",
            },
            {"name": "places", "kind": "tagging", "train": "ner.jsonl", "test": "ner-test.jsonl"},
        ]
        values: dict[str, Any] = {
            "corpus": {
                "sources": [
                    {"name": "notes", "path": "notes"},
                    {"name": "more", "path": "more.txt", "documents": "line"},
                ]
            },
            "tasks": tasks,
            "tracking": {"home": str(self.home), "system_metrics": False},
        }
        for name, value in self.settings.items():
            set_in(values, name.split("."), value)
        return Config.model_validate(self.placed(values))

    def placed(self, value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {name: self.placed(item, name) for name, item in value.items()}
        if isinstance(value, list):
            return [self.placed(item) for item in value]
        return str(self.folder / value) if key in ("path", "train", "test", "validation") else value

    def run(self) -> dict[str, Result]:
        """Run the whole pipeline; return the results by label."""
        if self.sources:
            steps._read_module.cache_clear()
        config = self.config()
        with open_pipeline("pipeline", config, "tests", {}) as pipeline:
            context = contexts.Context(config, pipeline, NoPage())
            for part in GRAPH.parts(config):
                contexts.outcome(run_part(context, part))
        return pipeline.results

    def computed(self) -> set[str]:
        """Run the whole pipeline; return the steps that were computed, not found."""
        return {label for label, result in self.run().items() if not result.is_reused}


def set_in(values: Any, path: list[str], value: Any) -> None:
    head, *rest = path
    if isinstance(values, list):
        values[:] = [dict(item) for item in values]
        item = next(item for item in values if item["name"] == head)
        set_in(item, rest, value)
    elif rest:
        set_in(values.setdefault(head, {}), rest, value)
    else:
        values[head] = value


def work(job: Job, watch: Callable[[], None]) -> None:
    """Stand in for a step: write something else at every computation."""
    (job.out / "deep").mkdir()
    (job.out / "deep" / "weights.bin").write_bytes(os.urandom(64))
    (job.out / "text.json").write_text(json.dumps(uuid.uuid4().hex))
    write_json(job.out / "metrics.json", {"score": 0.5})


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home") / "mlruns"


@pytest.fixture
def project(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """A project whose pipeline has run, with everything that follows from outside in its hand.

    All tests share a store: each finds there what the first has computed, wherever its data lie.
    """
    folder = tmp_path / "data"
    (folder / "notes" / "deep").mkdir(parents=True)
    (folder / "notes" / "deep" / "a.jsonl").write_text(NOTES)
    (folder / "notes" / "b.jsonl").write_text(NOTES.replace("noon", "night"))
    (folder / "more.txt").write_text("A line of its own.\n")
    for split in ("mood.csv", "mood-test.csv"):
        (folder / split).write_text(f"{MOOD}{split},bad\n")
    for split in ("ner.jsonl", "ner-test.jsonl"):
        (folder / split).write_text(PLACES.replace("Bath", split))
    made = Project(folder, home)

    class Quiet:
        def info(self, message: str) -> None: ...
        def error(self, message: str) -> None: ...

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(contexts, "get_run_logger", Quiet)
    monkeypatch.setattr(attempt, "run_job", work)
    monkeypatch.setattr(attempt, "warm_up", lambda: None)
    for name in ("log_task_model", "log_backbone", "log_token_lengths"):
        monkeypatch.setattr(step_run, name, lambda *given: None)
    monkeypatch.setattr(contexts.log, "disabled", True)
    file_of, version = steps._file_of, steps._version

    def changed_file(name: str) -> Path | None:
        file = file_of(name)
        if name not in made.sources or file is None:
            return file
        text = file.read_text()
        changed = made.sources[name](text)
        assert changed != text, f"{name} was not changed"
        other = tmp_path / f"{name}.py"
        other.write_text(changed)
        return other

    monkeypatch.setattr(steps, "_file_of", changed_file)
    monkeypatch.setattr(steps, "_version", lambda name: made.versions.get(name) or version(name))
    # Once for all tests, or again after one that has damaged what was there.
    assert home.exists() or made.computed() == EVERYTHING
    yield made
    if made.sources:
        steps._read_module.cache_clear()


def change_file(name: str, old: str, new: str) -> Callable[[Project], None]:
    def change(project: Project) -> None:
        file = project.folder / name
        assert old in file.read_text()
        file.write_text(file.read_text().replace(old, new, 1))

    return change


def setting(name: str, value: Any) -> Callable[[Project], None]:
    return lambda project: project.settings.update({name: value})


def installed(name: str, version: str) -> Callable[[Project], None]:
    return lambda project: project.versions.update({name: version})


def code(module: str, change: Callable[[str], str]) -> Callable[[Project], None]:
    return lambda project: project.sources.update({module: change})


def append(line: str) -> Callable[[str], str]:
    return lambda text: f"{text}\n{line}\n"


def rename(old: str, new: str) -> Callable[[Project], None]:
    def change(project: Project) -> None:
        (project.folder / old).rename(project.folder / new)

    return change


def add_file(project: Project) -> None:
    (project.folder / "notes" / "c.jsonl").write_text(NOTES)


def add_validation(project: Project) -> None:
    shutil.copy(project.folder / "mood.csv", project.folder / "mood-validation.csv")
    project.settings["tasks.mood.validation"] = "mood-validation.csv"


CHANGES: dict[str, tuple[Callable[[Project], None], set[str]]] = {
    "a byte of the corpus": (
        change_file("notes/deep/a.jsonl", "noon", "moon"),
        LANGUAGE | MODELS,
    ),
    "a byte of the last file": (change_file("more.txt", "A", "a"), LANGUAGE | MODELS),
    "a further file of a source": (add_file, LANGUAGE | MODELS),
    "the name of a file of a source": (
        rename("notes/b.jsonl", "notes/0.jsonl"),
        LANGUAGE | MODELS,
    ),
    "a byte of a task's training file": (
        change_file("mood.csv", "fine", "fair"),
        {"baseline mood", "finetune mood", "evaluate mood"},
    ),
    "a label's name in the training file": (
        change_file("mood.csv", "good", "glad"),
        {"baseline mood", "finetune mood", "evaluate mood"},
    ),
    "a byte of a task's test file": (
        change_file("ner-test.jsonl", "B-LOC", "B-PER"),
        {"baseline places", "evaluate places"},
    ),
    "a validation file": (add_validation, {"baseline mood", "finetune mood", "evaluate mood"}),
    "the column of labels": (
        setting("tasks.mood.label", "mood"),
        {"baseline mood", "finetune mood", "evaluate mood"},
    ),
    "a filter": (setting("corpus.min_chars", 21), LANGUAGE | MODELS),
    "the vocabulary": (setting("tokenizer.vocab_size", 999), (LANGUAGE - {"clean"}) | MODELS),
    "the seed of pretraining": (setting("pretrain.seed", 1), AFTER_PRETRAIN),
    "the width of the model": (setting("model.n_embd", 128), AFTER_PRETRAIN),
    "the precision": (setting("pretrain.precision", "bf16"), AFTER_PRETRAIN),
    "the seed of one fine-tuning": (
        setting("tasks.places.finetune", {"seed": 1}),
        {"finetune places", "evaluate places"},
    ),
    "prompts": (setting("generation.prompts", ["The "]), {"evaluate-lm"}),
    "a function that cleaning calls": (
        code("textmill.corpus.cleaning.repair", append("HELPER = 1")),
        LANGUAGE | MODELS,
    ),
    "a function three calls below cleaning": (
        code("textmill.corpus.reading.records", append("HELPER = 1")),
        EVERYTHING,  # it reads the files of tasks as well
    ),
    "a function of the tokenizer": (
        code("textmill.corpus.tokens.vocabulary", append("HELPER = 1")),
        (LANGUAGE - {"clean"}) | MODELS,
    ),
    "the model's code": (
        code("textmill.model.gpt", append("HELPER = 1")),
        AFTER_PRETRAIN,
    ),
    "the loop of training": (
        code("textmill.training.fit", append("HELPER = 1")),
        AFTER_PRETRAIN,
    ),
    "the version of ftfy": (installed("ftfy", "0"), LANGUAGE | MODELS),
    "the version of lightning": (installed("lightning", "0"), AFTER_PRETRAIN),
}


@pytest.mark.parametrize(("change", "recomputed"), CHANGES.values(), ids=CHANGES.keys())
def test_a_change_computes_what_depends_on_it_and_nothing_else(
    project: Project, change: Callable[[Project], None], recomputed: set[str]
) -> None:
    change(project)
    assert project.computed() == recomputed
    assert project.computed() == NOTHING  # and that once


def comment(text: str) -> str:
    return f"# why\n{text}\n# because\n"


def docstring(text: str) -> str:
    return text.replace('"""', '"""Now: ', 1)


def turn(values: Any) -> Any:
    """Return mappings with their keys in the opposite order, at every depth."""
    if isinstance(values, dict):
        return {key: turn(values[key]) for key in reversed(values)}
    return [turn(item) for item in values] if isinstance(values, list) else values


def touch(project: Project) -> None:
    for file in project.folder.rglob("*"):
        os.utime(file, (1, 1))


def move(project: Project) -> None:
    project.folder = project.folder.rename(project.folder.with_name("elsewhere"))


def turn_settings(project: Project) -> None:
    placed = project.placed
    project.placed = lambda value, key="": turn(placed(value, key))  # type: ignore[method-assign]


HARMLESS: dict[str, Callable[[Project], Any]] = {
    "a comment": code("textmill.corpus.reading.records", comment),
    "a docstring": code("textmill.model.gpt", docstring),
    "blank lines": code("textmill.training.fit", lambda text: text.replace("\n\n", "\n\n\n")),
    "the order of keys": turn_settings,
    "a default written out": setting("corpus.min_chars", 20),
    "the times of files": touch,
    "the place of files": move,
    "the name of a task's file": lambda project: (
        rename("mood.csv", "renamed.csv")(project),
        setting("tasks.mood.train", "renamed.csv")(project),
    ),
    "how often to save": setting("pretrain.checkpoint_every_steps", 7),
    "how many branches at once": setting("cluster.max_parallel_tasks", 1),
    "the experiment": setting("experiment", "another"),
    "a package that no step imports": installed("mlflow", "0"),
    "code of the tracking": code("textmill.tracking.pipeline", append("HELPER = 1")),
}


@pytest.mark.parametrize("change", HARMLESS.values(), ids=HARMLESS.keys())
def test_a_change_that_can_change_no_result_computes_nothing(
    project: Project, change: Callable[[Project], Any]
) -> None:
    change(project)
    assert project.computed() == NOTHING


def below(label: str) -> set[str]:
    """Return the steps that read the output of one, directly or not, and itself."""
    return {
        "clean": LANGUAGE | MODELS,
        "tokenizer": (LANGUAGE - {"clean"}) | MODELS,
        "tokens": AFTER_PRETRAIN | {"tokens"},
        "pretrain": AFTER_PRETRAIN,
        "finetune mood": {"finetune mood", "evaluate mood"},
    }.get(label, {label})


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize("name", ["deep/weights.bin", "text.json", "metrics.json", "manifest.json"])
@pytest.mark.parametrize("label", ["clean", "pretrain", "finetune mood", "evaluate places"])
def test_a_flipped_bit_is_noticed_and_what_followed_is_made_again(
    project: Project, label: str, name: str
) -> None:
    damaged = project.run()[label]
    flip(damaged.folder / name)
    results = project.run()
    assert {name for name, result in results.items() if not result.is_reused} == below(label)
    assert results[label].run_id != damaged.run_id
    assert project.computed() == NOTHING


@pytest.mark.parametrize("damage", ["missing", "further", "empty", "without manifest"])
def test_other_damage_is_noticed_as_well(project: Project, damage: str) -> None:
    folder = project.run()["tokens"].folder
    if damage == "missing":
        (folder / "deep" / "weights.bin").unlink()
    elif damage == "further":
        (folder / "deep" / "stray").touch()
    elif damage == "empty":
        (folder / "text.json").write_text("")
    else:
        (folder / "manifest.json").unlink()
    assert project.computed() == below("tokens")
