"""Specifies how many files a new kind of task, filter, step or score touches."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.house import measure
from benchmarks.house_changes import CHANGES, Edit, apply, copy_sources, touched

FILTERS = "src/textmill/corpus/cleaning/filters"
TOUCHED = {
    "kind": ["conf/task/stars.yaml", "src/textmill/config/tasks.py", "src/textmill/tasks/stars/"],
    "filter": [
        "conf/corpus/default.yaml",
        "src/textmill/config/data.py",
        f"{FILTERS}/capitals.py",
        f"{FILTERS}/chain.py",
    ],
    "step": [
        "src/textmill/config/__init__.py",
        "src/textmill/corpus/subsample.py",
        "src/textmill/steps/graph.py",
    ],
    "score": ["src/textmill/tasks/tagging/metrics.py"],
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    copy_sources(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("house")


def test_an_unchanged_copy_differs_in_nothing(tree: Path) -> None:
    assert (tree / "src/textmill/steps/graph.py").is_file()
    assert touched(tree) == []


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_applies_and_touches_no_more_files_than_its_target(name: str, tree: Path) -> None:
    apply(CHANGES[name], tree)
    assert touched(tree) == TOUCHED[name]
    assert CHANGES[name].holds(TOUCHED[name])


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("further", ["conf/more.yaml", "flows/more.py"])
def test_one_file_more_misses_a_target(name: str, further: str) -> None:
    assert not CHANGES[name].holds([*TOUCHED[name], further])


def test_an_edit_of_what_is_gone_names_file_and_text(tree: Path) -> None:
    change = replace(CHANGES["score"], edits=(Edit("flows/pipeline.py", "gone", "here"),))
    with pytest.raises(ValueError, match="flows/pipeline.py has 'gone' 0 times"):
        apply(change, tree)


def test_a_new_file_takes_the_place_of_none(tree: Path) -> None:
    apply(CHANGES["filter"], tree)
    with pytest.raises(ValueError, match=r"capitals\.py is there already"):
        apply(CHANGES["filter"], tree)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_tree_passes_the_linters_and_does_what_the_change_is_for(
    name: str, home: Path
) -> None:
    folder = home / name
    folder.mkdir()
    files, failures = measure(name, folder)
    assert (files, failures) == (TOUCHED[name], [])
