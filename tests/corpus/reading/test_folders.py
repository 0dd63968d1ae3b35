"""Specifies which files are found in folders, whatever links there are."""

from __future__ import annotations

import glob
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textmill.corpus.reading.folders import Links, files_below, files_matching, reject_escaping_link
from textmill.errors import InputError

STAY = Links(False, "corpus.sources[books].follow_links")
FOLLOW = Links(True, "corpus.sources[books].follow_links")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a file, beside another one that is no part of it."""
    (tmp_path / "in" / "sub").mkdir(parents=True)
    (tmp_path / "in" / "sub" / "a.txt").write_text("inside")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "b.txt").write_text("outside")
    return tmp_path / "in"


def below(folder: Path, links: Links) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in files_below(folder, (".txt",), links)]


def matching(folder: Path, pattern: str, links: Links) -> list[str]:
    found = files_matching(f"{folder}/{pattern}", links)
    return [path.relative_to(folder).as_posix() for path in found]


@pytest.mark.parametrize("target", ["../out", "../out/b.txt"])
def test_a_link_out_of_the_folder_is_an_error_unless_it_may_be_followed(
    folder: Path, target: str
) -> None:
    link = folder / "link.txt"
    link.symlink_to(target)
    expected = (
        ["link.txt", "sub/a.txt"] if target.endswith("txt") else ["link.txt/b.txt", "sub/a.txt"]
    )
    for find in (
        lambda links: below(folder, links),
        lambda links: matching(folder, "**/*.txt", links),
    ):
        with pytest.raises(InputError) as caught:
            find(STAY)
        assert str(caught.value) == (
            f"{link} is a symbolic link out of {folder}, to {(folder / target).resolve()}: "
            "remove the link, or set corpus.sources[books].follow_links=true."
        )
        assert find(FOLLOW) == expected


@pytest.mark.parametrize("pattern", ["*.txt", "*/b.txt"])
def test_a_pattern_without_depth_leads_out_no_more_than_others(folder: Path, pattern: str) -> None:
    (folder / "b.txt").symlink_to("../out/b.txt")
    (folder / "linked").symlink_to("../out")
    with pytest.raises(InputError, match="is a symbolic link out of"):
        matching(folder, pattern, STAY)
    assert len(matching(folder, pattern, FOLLOW)) == 1


def test_links_in_circles_give_every_file_once(folder: Path) -> None:
    for name in ("one", "two", "three"):
        (folder / name).symlink_to(folder)
        (folder / "sub" / name).symlink_to("..")
    (folder / "itself").symlink_to("itself")
    (folder / "nowhere.txt").symlink_to("missing")
    for links in (STAY, FOLLOW):
        assert below(folder, links) == matching(folder, "**/*.txt", links) == ["sub/a.txt"]


def test_circles_outside_end_too(folder: Path) -> None:
    (folder / "linked").symlink_to("../out")
    (folder.parent / "out" / "back").symlink_to("../in")
    (folder.parent / "out" / "again").symlink_to(".")
    assert below(folder, FOLLOW) == ["linked/b.txt", "sub/a.txt"]


def test_a_link_that_stays_inside_is_read_once_and_at_its_plainest_name(folder: Path) -> None:
    (folder / "a.txt").symlink_to("sub/a.txt")
    (folder / "data").write_text("x")
    (folder / "named.txt").symlink_to("data")
    assert below(folder, STAY) == ["named.txt", "sub/a.txt"]


def test_a_folder_that_is_a_link_itself_is_what_it_leads_to(folder: Path) -> None:
    link = folder.parent / "link"
    link.symlink_to("in")
    assert below(link, STAY) == matching(link, "**/*.txt", STAY) == ["sub/a.txt"]


@settings(deadline=None)
@given(
    names=st.lists(st.from_regex(r"([ab]/){0,3}[ab]{1,2}\.(txt|csv)", fullmatch=True), max_size=6),
    pattern=st.lists(
        st.sampled_from(["**", "*", "a", "a*", "?", "[ab]", "[!a]*", "*.txt", "??.*"]),
        min_size=1,
        max_size=4,
    ).map("/".join),
)
def test_without_links_patterns_find_what_glob_finds(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], pattern: str
) -> None:
    folder = tmp_path_factory.mktemp("tree")
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    expected = {
        path for path in glob.glob(f"{folder}/{pattern}", recursive=True) if os.path.isfile(path)
    }
    assert set(map(str, files_matching(f"{folder}/{pattern}", STAY))) == expected


def test_a_file_named_by_itself_leads_nowhere_else_unless_it_may(folder: Path) -> None:
    link = folder / "link.txt"
    link.symlink_to("../out/b.txt")
    with pytest.raises(InputError, match=rf"{link} is a symbolic link out of {folder}"):
        STAY.checked_file(link)
    assert FOLLOW.checked_file(link) == link
    assert STAY.checked_file(folder / "sub" / "a.txt").read_text() == "inside"
    linked = folder.parent / "linked"
    linked.symlink_to("in")  # a folder that is a link is the user's own way of naming it
    assert STAY.checked_file(linked / "sub" / "a.txt").read_text() == "inside"


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_what_cannot_be_read_again_is_an_error_at_once(folder: Path, kind: str) -> None:
    file = folder / "endless.txt"
    if kind == "pipe":
        os.mkfifo(file)
    else:
        file.symlink_to("/dev/zero")
    for find in (
        lambda: below(folder, STAY),
        lambda: matching(folder, "*.txt", STAY),
        lambda: STAY.checked_file(file),
    ):
        with pytest.raises(InputError, match=f"{file} is a (named pipe|device), not a file"):
            find()


def test_a_model_may_lie_in_the_cache_of_the_hub_and_nowhere_else(tmp_path: Path) -> None:
    model = tmp_path / "models--gpt2" / "snapshots" / "607a"
    model.mkdir(parents=True)
    (tmp_path / "models--gpt2" / "blobs").mkdir()
    (tmp_path / "models--gpt2" / "blobs" / "5f3b").write_text("{}")
    (model / "config.json").symlink_to("../../blobs/5f3b")
    reject_escaping_link(model / "config.json", model)
    (tmp_path / "secret").write_text("secret")
    (model / "tokenizer.json").symlink_to("../../../secret")
    with pytest.raises(
        InputError, match=r"tokenizer\.json is a symbolic link out of .*, to .*/secret: copy"
    ):
        reject_escaping_link(model / "tokenizer.json", model)
