"""Specifies what steps are given to read: with a digest that is taken again later."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from textmill.config import AnyTask, Config, CorpusConfig
from textmill.errors import InputError
from textmill.hub_models import TOKENIZER_PARTS
from textmill.steps.parts import CorpusSource, Folder, ModelTests, SavedLabels, Split
from textmill.steps.raw_sources import Source
from textmill.tracking.raw_data import find_sources, with_fixed_labels


@pytest.fixture
def sources(tmp_path: Path) -> list[Source]:
    """A folder, a file and a local data set folder of the corpus, and the files of a task."""
    for name in ("notes/a.txt", "more.txt", "set/train.jsonl", "train.csv", "test.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    places: dict[str, Any] = {
        "notes": {"path": str(tmp_path / "notes")},
        "more": {"path": str(tmp_path / "more.txt")},
        "set": {"hub": str(tmp_path / "set")},
    }
    listed = [{"name": name, **place} for name, place in places.items()]
    files = {split: str(tmp_path / f"{split}.csv") for split in ("train", "test")}
    task = {"kind": "classification", "name": "mood", **files}
    mood = TypeAdapter(AnyTask).validate_python(task)
    corpus = CorpusConfig.model_validate({"sources": listed})
    splits = (Split(mood, "train"), Split(mood, "test"))
    return [*find_sources((*map(CorpusSource, corpus.sources), *splits))]


def test_data_that_stay_as_they_are_pass(sources: list[Source]) -> None:
    assert len(sources) == 5
    for source in sources:
        source.check()


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("notes/a.txt", "notes"),
        ("notes/b.txt", "notes"),
        ("more.txt", "more"),
        ("set/train.jsonl", "set"),
        ("train.csv", "mood/train"),
        ("test.csv", "mood/test"),
    ],
)
def test_a_file_that_changes_or_appears_is_noticed(
    sources: list[Source], tmp_path: Path, file: str, name: str
) -> None:
    (tmp_path / file).write_text("changed")
    changed = [s.name for s in sources if s.digest_now and s.digest_now() != s.digest]
    assert changed == [name]


def test_a_file_that_is_gone_is_refused(sources: list[Source], tmp_path: Path) -> None:
    (tmp_path / "train.csv").unlink()
    with pytest.raises(InputError, match="train.csv does not exist"):
        sources[3].check()


def test_behaviour_tests_are_a_file_of_any_task(tmp_path: Path) -> None:
    values = {"kind": "classification", "name": "mood", "train": "train", "test": "test"}
    file = tmp_path / "mine.yaml"
    file.write_text("tests: []")
    values |= {"hub": "owner/name", "behaviour": str(file)}
    (own,) = find_sources([ModelTests(TypeAdapter(AnyTask).validate_python(values), "behaviour")])
    assert (own.name, own.place) == ("mood/behaviour", str(file))
    own.check()
    file.write_text("tests: [1]")
    with pytest.raises(InputError, match="changed while it was read"):
        own.check()
    file.unlink()
    with pytest.raises(
        InputError, match=r"tasks\.mood\.behaviour: there is no file .*mine.yaml: set a"
    ):
        own.check()
    named = TypeAdapter(AnyTask).validate_python(values | {"behaviour": "sample-topic"})
    (known,) = find_sources([ModelTests(named, "behaviour")])
    assert Path(known.place).is_file()
    missing = TypeAdapter(AnyTask).validate_python(values | {"behaviour": "sample-topics"})
    with pytest.raises(InputError, match="or one of .*sample-topic"):
        find_sources([ModelTests(missing, "behaviour")])
    biased = TypeAdapter(AnyTask).validate_python(values | {"bias": "en"})
    (groups,) = find_sources([ModelTests(biased, "bias")])
    assert groups.name == "mood/bias"
    assert Path(groups.place).parts[-2:] == ("bias", "en.yaml")


def test_behaviour_tests_that_are_a_link_out_of_their_folder_are_refused(tmp_path: Path) -> None:
    values = {"kind": "classification", "name": "mood", "train": "train", "test": "test"}
    (tmp_path / "out.yaml").write_text("tests: []")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "link.yaml").symlink_to(tmp_path / "out.yaml")
    place = {"behaviour": str(tmp_path / "in" / "link.yaml")}
    task = TypeAdapter(AnyTask).validate_python(values | place)
    with pytest.raises(InputError, match=r"symbolic link out of .*tasks\.mood\.follow_links=true"):
        find_sources([ModelTests(task, "behaviour")])


def test_a_tokenizer_may_have_a_chat_template_which_is_part_of_it(tmp_path: Path) -> None:
    raw = [Folder("tokenizer.init_from", str(tmp_path), TOKENIZER_PARTS)]
    with pytest.raises(InputError, match=r"tokenizer\.json is missing: set a folder"):
        find_sources(raw)
    (tmp_path / "tokenizer.json").write_text("{}")
    [alone] = find_sources(raw)
    (tmp_path / "chat_template.jinja").write_text("a")
    [with_template] = find_sources(raw)
    assert with_template.digest != alone.digest
    (tmp_path / "chat_template.jinja").write_text("b")
    with pytest.raises(InputError):
        with_template.check()


def test_labels_saved_by_hand_are_a_source_that_grows_while_a_run_reads_it(tmp_path: Path) -> None:
    values = {"kind": "classification", "name": "mood", "train": "train.csv", "test": "test.csv"}
    values |= {"labelling": {"source": str(tmp_path / "new.csv")}}
    corpus = {"sources": [{"name": "own", "path": "own.jsonl"}]}
    config = Config.model_validate({"corpus": corpus, "tasks": [values]})
    saved = tmp_path / "new.csv.mood.jsonl"

    def source(of: Config) -> Source:
        (found,) = find_sources([SavedLabels(of.tasks[0])])
        return found

    none = source(config)
    saved.write_text('{"text": "a", "label": "good"}\n')
    fixed = with_fixed_labels(config)
    own = source(fixed)
    assert (own.name, own.place, own.context) == ("mood/saved_labels", str(saved), "train")
    assert own.digest != none.digest
    with pytest.raises(InputError, match="changed while it was read"):
        none.check()
    with saved.open("a") as file:
        file.write('{"text": "b", "label": "bad"}\n')
    own.check()
    assert with_fixed_labels(fixed) == fixed
    assert source(with_fixed_labels(config)).digest not in (own.digest, none.digest)
    saved.write_text('{"text": "A", "label": "good"}\n')
    with pytest.raises(InputError, match="changed while it was read"):
        own.check()
