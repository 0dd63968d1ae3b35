"""Specifies filters that travel with a model: the same decisions, without files of this machine."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from textmill.config import FilterConfig
from textmill.errors import InputError
from textmill.safety.filtering.content_filter import ContentFilter
from textmill.tasks.ensemble.predictor import load_predictor
from textmill.tasks.filtered.classifiers import scorer_of
from textmill.tasks.filtered.filter_folder import FILE, read_filters, write_filters

TEXT = "The ducks met a Wild-Goose and a splendid, lovely, superb meal. You stupid idiot, go."


def moved(folder: Path, *gone: Path) -> Path:
    """Move a folder, and remove what is not to be needed."""
    for one in gone:
        shutil.rmtree(one) if one.is_dir() else one.unlink()
    return folder.rename(folder.with_name("elsewhere"))


def test_lists_decide_as_they_did_where_they_were_written(tmp_path: Path) -> None:
    words = tmp_path / "words.txt"
    words.write_text("# birds\n\nduck*\nre:wild.goose\n")
    rules = [
        FilterConfig(category="birds", path=str(words), patterns=("heron",), action="mask"),
        FilterConfig(category="insults", action="block"),
    ]
    before = ContentFilter(rules).check(TEXT, "output")
    out = tmp_path / "out"
    out.mkdir()
    write_filters(rules, {}, out)
    read = read_filters(moved(out, words))
    assert read.check(TEXT, "output") == before
    assert {one.category for one in before.decisions} == {"birds", "insults"}
    assert read.check("A heron.", "prompt").text == "A [BIRDS]."


def test_a_classifier_travels_with_its_filter(tmp_path: Path, tuned: tuple[Path, Path]) -> None:
    rule = FilterConfig(
        category="praise", model="mood", labels=("good",), threshold=0.6, action="mask"
    )
    before = ContentFilter([rule], {rule: scorer_of(rule, load_predictor(tuned[0]))})
    model, out = tmp_path / "model", tmp_path / "out"
    shutil.copytree(tuned[0], model)
    out.mkdir()
    write_filters([rule], {"mood": model}, out)
    read = read_filters(moved(out, model))
    assert read.check(TEXT, "prompt") == before.check(TEXT, "prompt")
    assert "[PRAISE]" in read.check(TEXT, "prompt").text


def test_damaged_filters_are_no_filters_that_find_nothing(tmp_path: Path) -> None:
    for content in ("", "[{}]", '{"category": "insults"}'):
        (tmp_path / FILE).write_text(content)
        with pytest.raises(InputError, match=r"filters\.json is damaged"):
            read_filters(tmp_path)
    (tmp_path / FILE).unlink()
    with pytest.raises(InputError, match=r"filters\.json is damaged"):
        read_filters(tmp_path)
