"""Specifies which settings are locations, and what they are relative to."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.composed import *  # noqa: F403  # the fixtures, by its __all__
from tests.composed import BASE, OWN_TASK, write
from textmill.compose import compose
from textmill.locations import TEST_FILES


def test_the_two_files_of_a_translation_task_are_both_paths(there: Path) -> None:
    files = "train: en.txt, train_target: de.txt, test: /t.en, test_target: ../t.de"
    file = write(there, BASE + f"tasks: [{{name: de, kind: translation, {files}}}]\n")
    (task,) = compose(file).tasks
    places = [task.train, task.train_target, task.test, task.test_target]
    assert places == [f"{there}/en.txt", f"{there}/de.txt", "/t.en", f"{there}/../t.de"]
    assert task.finetune.attention == "causal"


def test_paths_in_a_users_file_are_relative_to_it(there: Path) -> None:
    write(there / "task", OWN_TASK, "own.yaml")
    inline = "{name: far, kind: classification, train: ../a.csv, test: /b.csv, validation: c.csv}"
    file = write(there, BASE + f"data_root: data\ntasks: [own, {inline}, topic]\n")
    config = compose(file)
    assert config.corpus.sources[0].path == f"{there}/text/*.txt"
    assert config.data_root == f"{there}/data"
    assert [(task.train, task.test, task.validation) for task in config.tasks] == [
        (f"{there}/own/train.csv", f"{there}/own/test.csv", None),
        (f"{there}/../a.csv", "/b.csv", f"{there}/c.csv"),
        (f"{there}/data/ag_news/train.jsonl.gz", f"{there}/data/ag_news/test.jsonl.gz", None),
    ]


@pytest.mark.parametrize(
    "override",
    [
        "corpus.sources.0.path=x.txt",
        "corpus.sources=[{name: books, path: x.txt}]",
        "corpus={sources: [{name: books, path: x.txt}]}",
        "tasks=[{name: own, kind: classification, train: x.txt, test: y.csv}]",
        "tasks.own.train=x.txt",
        "data_root=x.txt",
        "tracking.home=x.txt",
    ],
)
def test_paths_on_the_command_line_are_relative_to_the_working_folder(
    here: Path, there: Path, override: str
) -> None:
    config = compose(
        write(there, BASE + f"tasks: [{{{OWN_TASK.replace(chr(10), ', ')}}}]"), [override]
    )
    places = [config.corpus.sources[0].path, config.tasks[0].train, config.data_root]
    assert [*places, config.tracking.home].count(str(here / "x.txt")) == 1


def test_splits_of_hub_data_are_not_paths(there: Path) -> None:
    hub = "{name: h, hub: imdb, kind: classification, train: 'train[:9%]', test: test}"
    file = write(there, BASE + f"tasks: [{hub}]\n")
    for overrides in ([], [f"tasks=[{hub}]"], ["tasks.h.test=test", "tasks.h.hub=imdb"]):
        (task,) = compose(file, overrides).tasks
        assert (task.train, task.test) == ("train[:9%]", "test")


def test_paths_into_the_sample_data_are_left_alone() -> None:
    config = compose("demo")
    assert config.tasks[0].train == "sample:topic/train.jsonl"
    assert config.corpus.sources[0].path == "sample:text/articles.jsonl.gz"


def test_a_task_can_be_moved_to_the_hub_in_any_order(there: Path) -> None:
    write(there / "task", OWN_TASK, "own.yaml")
    file = write(there, BASE + "tasks: [own]\n")
    moves = ["tasks.own.train=train", "tasks.own.test=test", "tasks.own.hub=imdb"]
    for overrides in (moves, moves[::-1]):
        (task,) = compose(file, overrides).tasks
        assert (task.hub, task.train, task.test) == ("imdb", "train", "test")


@pytest.mark.parametrize("setting", TEST_FILES)
def test_tests_of_models_are_a_file_or_a_name(there: Path, setting: str) -> None:
    hub = "name: h, hub: imdb, kind: classification, train: train, test: test"
    own = "name: own, kind: classification, train: a.csv, test: b.csv"
    tasks = f"tasks: [{{{own}, {setting}: mine.yaml}}, {{{hub}, {setting}: mine.yml}}]\n"
    found = [getattr(task, setting) for task in compose(write(there, BASE + tasks)).tasks]
    assert found == [f"{there}/mine.yaml", f"{there}/mine.yml"]
    named = [f"tasks.own.{setting}=en", f"tasks.h.{setting}=x.yaml"]
    found = [getattr(task, setting) for task in compose(write(there, BASE + tasks), named).tasks]
    assert found == ["en", f"{Path.cwd()}/x.yaml"]


@pytest.mark.parametrize("place", ["train: t.csv, test: e.csv", "hub: own/set, train: a, test: b"])
@pytest.mark.parametrize("section", ["label", "labelling"])
def test_files_to_label_are_paths_also_beside_hub_data(
    here: Path, there: Path, place: str, section: str
) -> None:
    task = f"{{name: mood, kind: classification, {place}, {section}: {{source: new.csv}}}}"
    file = write(there, BASE + f"tasks: [{task}]\n")
    (mood,) = compose(file, [f"tasks.mood.{section}.labels=saved.jsonl"]).tasks
    assert mood.labelling is not None
    assert mood.labelling.source == f"{there}/new.csv"
    assert mood.labelling.labels == f"{here}/saved.jsonl"
    assert mood.saved_labels == f"{here}/saved.jsonl"
    (mood,) = compose(file).tasks
    assert mood.saved_labels == f"{there}/new.csv.mood.jsonl"
