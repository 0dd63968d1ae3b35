"""Specifies how lines are read from files that mean no good, in bounded memory."""

from __future__ import annotations

import gzip
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from textmill.config import LimitsConfig
from textmill.corpus.reading.lines import read_lines, unknown_format_message
from textmill.errors import InputError

MIB = 1 << 20
TIGHT = LimitsConfig(max_document_mib=1)
PACK: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".zst": zstandard.ZstdCompressor().compress,
}


def written(folder: Path, name: str, content: bytes) -> Path:
    file = folder / name
    file.write_bytes(content)
    return file


@pytest.mark.parametrize("packed", PACK)
@pytest.mark.parametrize("size", [MIB - 1, MIB, MIB + 1, 3 * MIB, 5 * MIB + 7])
@pytest.mark.parametrize("end", [b"\n", b""], ids=["ended", "open"])
def test_a_line_above_the_limit_is_cut_and_the_next_ones_are_read(
    tmp_path: Path, packed: str, size: int, end: bytes
) -> None:
    rest = b"next\nlast" if end else b""
    content = b"first\n" + b"x" * size + end + rest
    first, (number, long, is_cut), *others = read_lines(
        written(tmp_path, f"a.txt{packed}", PACK[packed](content)), TIGHT
    )
    assert first == (1, b"first\n", False)
    assert (number, is_cut) == (2, size > MIB)
    assert long == (b"x" * len(long) if is_cut else b"x" * size + end)
    assert others == ([(3, b"next\n", False), (4, b"last", False)] if end else [])


@pytest.mark.parametrize("packed", PACK)
def test_a_line_without_end_needs_little_memory(tmp_path: Path, packed: str) -> None:
    content = b"ab" * (16 * MIB)
    file = written(tmp_path, f"a.txt{packed}", PACK[packed](content))
    limits = LimitsConfig(max_document_mib=1, max_unpacked_ratio=100_000)
    del content
    tracemalloc.start()
    try:
        [(_, _, is_cut)] = read_lines(file, limits)
        assert is_cut
        # zstd's blocks, for which 128 KiB may stand in four bytes, are unpacked some at a time.
        assert tracemalloc.get_traced_memory()[1] < 40 * MIB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("packed", [".gz", ".zst"])
@pytest.mark.parametrize("unit", [b"0", b"0" * 9999 + b"\n"], ids=["one line", "lines"])
def test_a_decompression_bomb_is_an_error_that_names_the_setting(
    tmp_path: Path, packed: str, unit: bytes
) -> None:
    bomb = PACK[packed](unit * (70 * MIB // len(unit)))
    file = written(tmp_path, f"a.jsonl{packed}", bomb)
    with pytest.raises(InputError) as caught:
        for _ in read_lines(file, LimitsConfig(), "corpus.sources[books]"):
            pass
    assert str(caught.value) == (
        f"{file} decompresses to more than 200 times its size and may be a "
        "decompression bomb: remove it; if it is legitimate, unpack it, or raise "
        "corpus.sources[books].limits.max_unpacked_ratio."
    )


def test_a_file_that_packs_well_is_no_bomb_while_it_is_small_or_the_limit_is_higher(
    tmp_path: Path,
) -> None:
    small = written(tmp_path, "small.txt.gz", gzip.compress(b"0" * (4 * MIB) + b"\n"))
    assert [len(line) for _, line, _ in read_lines(small)] == [4 * MIB + 1]
    large = written(tmp_path, "large.txt.gz", gzip.compress(b"0" * (66 * MIB)))
    assert [
        is_cut for _, _, is_cut in read_lines(large, LimitsConfig(max_unpacked_ratio=2000))
    ] == [True]


def test_plain_files_unpack_to_nothing(tmp_path: Path) -> None:
    limits = LimitsConfig(max_document_mib=1, max_unpacked_ratio=1)
    file = written(tmp_path, "a.txt", (b"x" * 99_999 + b"\n") * 700)
    assert sum(len(line) for _, line, _ in read_lines(file, limits)) == file.stat().st_size


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"PK\x03\x04\x14\x00", "a ZIP archive"),
        (gzip.compress(b"x", mtime=0), "compressed by gzip"),
        (zstandard.ZstdCompressor().compress(b"x"), "compressed by zstd"),
    ],
)
def test_a_packed_file_with_the_name_of_a_plain_one_is_named(
    tmp_path: Path, content: bytes, kind: str
) -> None:
    with pytest.raises(InputError, match=f"a.jsonl is {kind}.*unpack or rename it"):
        list(read_lines(written(tmp_path, "a.jsonl", content)))


def test_that_archives_are_not_read_is_said() -> None:
    assert unknown_format_message(Path("a.tar.gz"), [".txt", ".csv"]) == (
        "unknown file format a.tar.gz; its name must end in one of .txt, .csv. Archives are not "
        "supported: unpack it first."
    )
    assert unknown_format_message(Path("a.doc"), [".txt"]).endswith("one of .txt.")
