"""Specifies that cached documents are not prepared again, and that results do not change."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.corpus.own_texts import write_task_texts
from textmill.config import CleanConfig
from textmill.corpus.cleaning.clean import clean
from textmill.corpus.cleaning.document import Prepared
from textmill.corpus.cleaning.prepare import Preparer
from textmill.corpus.cleaning.workers import cache as prepared_cache
from textmill.corpus.cleaning.workers import packs
from textmill.corpus.cleaning.workers.cache import PreparedCache
from textmill.corpus.reading.sources import RawDocument
from textmill.files import CachePlace, digest_folder
from textmill.hardware import THREADS_VARIABLE

N_FILES = 100
NEAR: dict[str, Any] = {"near_duplicates": {"enabled": True}}


@pytest.fixture
def prepared(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files of the documents that were prepared."""
    monkeypatch.setenv(THREADS_VARIABLE, "1")
    files: list[str] = []
    prepare = Preparer.prepare

    def note(self: Preparer, documents: Sequence[RawDocument]) -> list[Prepared]:
        files.extend(Path(document.file).name for document in documents)
        return prepare(self, documents)

    monkeypatch.setattr(Preparer, "prepare", note)
    return files


def write_file(folder: Path, number: int, word: str = "Bread") -> None:
    """Write three documents: an ordinary one, a dirty one, and one that all files share."""
    texts = [
        f"{word} number {number} is told of in words that no other text has: {number * 7919}.",
        f"<p>Write to me{number}@example.com, or read &amp; laugh, number {number}.",
        "The same words stand in all of these files, and nowhere else.",
    ]
    lines = [json.dumps({"text": text}) for text in texts] + ["broken"]
    (folder / f"{number:03}.jsonl").write_text("\n".join(lines))


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "corpus"
    folder.mkdir()
    for number in range(N_FILES):
        write_file(folder, number)
    return folder


@pytest.fixture
def place(tmp_path: Path) -> CachePlace:
    folder = tmp_path / "cache" / "way"
    return CachePlace(folder, folder, 1 << 30)


def cleaned(corpus: Path, place: CachePlace | None, **fields: Any) -> dict[str, str]:
    """Clean a corpus, and return the digests of what comes out."""
    config = CleanConfig.model_validate(
        {
            "sources": [{"name": "files", "path": str(corpus), "language": "auto"}],
            "validation_share": 0.3,
            "max_bad_share": 0.5,
            **NEAR,
            **fields,
        }
    )
    out = corpus.parent / "out"
    out.mkdir()
    clean(config, {}, out, place)
    digests = digest_folder(out)
    shutil.rmtree(out)
    return digests


def test_only_a_new_file_is_prepared(corpus: Path, place: CachePlace, prepared: list[str]) -> None:
    cleaned(corpus, place)
    assert len(prepared) == 3 * N_FILES
    prepared.clear()
    write_file(corpus, 50)  # nothing has changed
    write_file(corpus, N_FILES + 1)
    (corpus / "0501.jsonl").write_bytes((corpus / f"{N_FILES + 1}.jsonl").read_bytes())
    (corpus / f"{N_FILES + 1}.jsonl").unlink()
    warm = cleaned(corpus, place)
    assert prepared == ["0501.jsonl"] * 2  # its third document is known from the others
    prepared.clear()
    assert cleaned(corpus, None) == warm
    assert len(prepared) == 3 * (N_FILES + 1)


def test_a_cached_document_contains_lines_that_were_removed_later(
    corpus: Path, place: CachePlace, prepared: list[str]
) -> None:
    for number, file in enumerate(corpus.iterdir()):
        text = f"Words of their own are in file {number}.\nA footer that stands in every file."
        file.write_text(json.dumps({"text": text}))
    fields = {"repeated_lines": {"enabled": True}, "min_chars": 30}
    cold = cleaned(corpus, place, **fields)
    assert len(prepared) == N_FILES
    assert cleaned(corpus, place, **fields) == cold
    assert len(prepared) == N_FILES
    assert cleaned(corpus, None, **fields) == cold


def test_other_files_stay_cached_if_one_is_changed_or_removed(
    corpus: Path, place: CachePlace, prepared: list[str]
) -> None:
    cleaned(corpus, place)
    prepared.clear()
    write_file(corpus, 30, "Butter")
    (corpus / "060.jsonl").unlink()
    warm = cleaned(corpus, place)
    assert prepared == ["030.jsonl"]
    assert cleaned(corpus, None) == warm


def test_settings_irrelevant_to_preparation_keep_the_cache_valid(
    corpus: Path, place: CachePlace, prepared: list[str]
) -> None:
    cleaned(corpus, place)
    prepared.clear()
    fields = {"validation_share": 0.1, "near_duplicates": {"enabled": True, "threshold": 0.95}}
    warm = cleaned(corpus, place, **fields)
    assert prepared == []
    assert cleaned(corpus, None, **fields) == warm


@pytest.mark.parametrize("damage", ["flip", "cut", "empty"])
def test_a_damaged_pack_is_removed_and_its_documents_are_prepared_again(
    corpus: Path, place: CachePlace, prepared: list[str], damage: str
) -> None:
    cold = cleaned(corpus, place)
    (pack,) = place.folder.iterdir()
    content = bytearray(pack.read_bytes())
    content[len(content) // 2] ^= 1
    pack.write_bytes({"flip": content, "cut": content[:-9], "empty": b""}[damage])
    prepared.clear()
    assert cleaned(corpus, place) == cold
    assert len(prepared) == 3 * N_FILES
    prepared.clear()
    assert cleaned(corpus, place) == cold
    assert prepared == []


def test_a_pack_removed_while_in_use_is_tolerated(
    corpus: Path, place: CachePlace, prepared: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cold = cleaned(corpus, place)
    prepared.clear()
    read_ids = packs.read_ids

    def read_and_remove(pack: Path) -> list[list[bytes]]:
        ids = list(read_ids(pack))
        pack.unlink()
        return ids

    monkeypatch.setattr(prepared_cache, "read_ids", read_and_remove)
    assert cleaned(corpus, place) == cold
    assert len(prepared) == 3 * N_FILES


def test_what_was_being_written_when_a_run_was_killed_is_not_used(
    corpus: Path, place: CachePlace, prepared: list[str]
) -> None:
    cold = cleaned(corpus, place)
    (pack,) = place.folder.iterdir()
    pack.rename(place.folder / ".partial")
    prepared.clear()
    assert cleaned(corpus, place) == cold
    assert len(prepared) == 3 * N_FILES
    assert [file.name for file in place.folder.iterdir()] == [pack.name]


def test_the_size_of_the_cache_is_limited(
    corpus: Path, tmp_path: Path, prepared: list[str]
) -> None:
    folder = tmp_path / "small"
    assert cleaned(corpus, CachePlace(folder, folder, 1000)) == cleaned(corpus, None)
    assert list(folder.iterdir()) == []


def test_a_full_disk_is_tolerated(
    corpus: Path, place: CachePlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    cold = cleaned(corpus, None)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(packs.PackWriter, "_flush", fail)
    assert cleaned(corpus, place) == cold
    assert list(place.folder.iterdir()) == []


def raw(number: int, text: str = "") -> RawDocument:
    return RawDocument(text or f"<b>Words</b> of number {number}.", "a", "en", "a.txt", number)


def equal(one: Prepared, other: Prepared) -> bool:
    names = [name for name in Prepared.__slots__ if name not in ("sketch", "parts")]
    if any(getattr(one, name) != getattr(other, name) for name in names):
        return False
    if not np.array_equal(one.parts, other.parts):
        return False
    if one.sketch is None or other.sketch is None:
        return one.sketch is other.sketch
    pairs = [(getattr(one.sketch, n), getattr(other.sketch, n)) for n in ("shingles", "bands")]
    return all(a.dtype == b.dtype and np.array_equal(a, b) for a, b in pairs)


def test_every_field_survives_a_round_trip(place: CachePlace, tmp_path: Path) -> None:
    texts = write_task_texts(tmp_path / "texts", test={"t": ["the cat sat on a mat " * 3]})
    config = CleanConfig.model_validate(
        {
            "sources": [{"name": "a", "path": "a.txt"}],
            "decontamination": {"enabled": True},
            **NEAR,
            "repeated_lines": {"enabled": True},
            "task_texts_folder": str(texts),
        }
    )
    texts = ["short", "The cat sat on a mat " * 3, "你好，" * 9, "!? " * 9, "\ud800 " + "x " * 9]
    documents = [raw(1), raw(2), *(raw(3, text) for text in texts)]
    expected = Preparer(config).prepare(documents)
    assert len({item.rejection and item.rejection.reason for item in expected}) == 3
    with PreparedCache(place) as cache:
        assert cache.find(documents) == [None] * len(documents)
        cache.add(documents, expected)
    with PreparedCache(place) as cache:
        found = cache.find([*documents, raw(4)])
    assert found[-1] is None
    for item, want in zip(found, expected, strict=False):
        assert item is not None
        assert equal(item, want)


def test_the_language_is_part_of_the_id(place: CachePlace) -> None:
    config = CleanConfig.model_validate({"sources": [{"name": "a", "path": "a.txt"}]})
    document = raw(1)
    with PreparedCache(place) as cache:
        cache.add([document], Preparer(config).prepare([document]))
    with PreparedCache(place) as cache:
        moved = RawDocument(document.text, "b", "en", "b.txt", 9)
        other = RawDocument(document.text, "a", "de", "a.txt", 1)
        found = cache.find([moved, other])
    assert [item is None for item in found] == [False, True]


def test_shuffled_documents_are_prepared_instead_of_read(
    place: CachePlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packs, "_GROUP_DOCUMENTS", 50)
    monkeypatch.setattr(prepared_cache, "_FREE_READS", 500)
    config = CleanConfig.model_validate({"sources": [{"name": "a", "path": "a.txt"}]})
    documents = [raw(number) for number in range(2000)]
    with PreparedCache(place) as cache:
        cache.add(documents, Preparer(config).prepare(documents))
    shuffled = [documents[(i * 757) % 2000] for i in range(2000)]
    n_read = 0
    read_group = packs.read_group

    def count(pack: Path, number: int) -> packs.Group:
        nonlocal n_read
        n_read += 50
        return read_group(pack, number)

    monkeypatch.setattr(prepared_cache, "read_group", count)
    with PreparedCache(place) as cache:
        found = [cache.find([document])[0] for document in shuffled]
        n_found = sum(item is not None for item in found)
        assert n_read <= 550 + 16 * n_found
        assert n_found < 500
        n_read = 0
    with PreparedCache(place) as cache:
        assert None not in cache.find(documents)
    assert n_read == 2000


def test_used_packs_are_marked_as_recently_used(place: CachePlace) -> None:
    config = CleanConfig.model_validate({"sources": [{"name": "a", "path": "a.txt"}]})
    for number in (1, 2):
        with PreparedCache(place) as cache:
            cache.add([raw(number)], Preparer(config).prepare([raw(number)]))
    for pack in place.folder.iterdir():
        os.utime(pack, (1, 1))
    with PreparedCache(place) as cache:
        cache.find([raw(1)])
    assert sorted(pack.stat().st_mtime > 1 for pack in place.folder.iterdir()) == [False, True]
