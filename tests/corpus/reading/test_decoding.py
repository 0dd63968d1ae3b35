"""Specifies how files in any encoding come out as UTF-8."""

from __future__ import annotations

import io
import random
import tracemalloc
from encodings.aliases import aliases
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from textmill.config import SourceConfig
from textmill.corpus.reading.decoding import Decoding, Utf8Stream
from textmill.corpus.reading.html import declared_encoding

RUSSIAN = (
    "Поезд опаздывал, и пассажиры пили чай в маленьком буфете у окна.\n"
    "Старый проводник рассказывал, как зимой пути занесло снегом.\n"
    "Никто ему не верил, но слушали внимательно.\n"
)
CHINESE = (
    "孩子们在草地上放风筝，老人坐在树下下棋。\n"
    "中午我们在一家小饭馆里吃了面条，老板说今年的鱼很便宜。\n"
    "回家的路上，大家都觉得很累，但是心里非常高兴。\n"
)
GERMAN = (
    "Zwei Brötchen, bitte, sagt Frau Müller, wie jeden Morgen, und grüßt die Nachbarin.\n"
    "Draußen regnet es, und die Straßenbahn fährt heute später über die Brücke.\n"
    "Am Schloßplatz müssen die Gleise erneuert werden, das dauert bis Dezember.\n"
)


def read(content: bytes, encoding: str = "auto") -> tuple[bytes, str]:
    decoding = Decoding(encoding)
    stream = Utf8Stream(io.BufferedReader(io.BytesIO(content)), decoding)
    return stream.readall() or b"", decoding.name


@pytest.mark.parametrize("encoding", ["iso2022_jp", "iso2022_kr"])
def test_an_escape_without_an_end_is_broken_text(encoding: str) -> None:
    content = (b"a" * (1 << 16))[:-11] + b"\n\x1b$xxxxxxxxx" + b"xxxx\nend\n"
    found, _ = read(content, encoding)
    assert found.startswith(b"aaaa")
    assert b"\x81" in found


@pytest.mark.parametrize(
    ("encoding", "mark"),
    [
        ("utf-8", b"\xef\xbb\xbf"),
        ("utf-16-le", b"\xff\xfe"),
        ("utf-16-be", b"\xfe\xff"),
        ("utf-32-le", b"\xff\xfe\x00\x00"),
        ("utf-32-be", b"\x00\x00\xfe\xff"),
        ("gb18030", b"\x84\x31\x95\x33"),
    ],
)
@pytest.mark.parametrize("setting", ["auto", "cp1252"])
def test_a_byte_order_mark_decides_and_is_left_out(
    encoding: str, mark: bytes, setting: str
) -> None:
    text = "eins\nzwei\n" * 20_000
    assert read(mark + text.encode(encoding), setting) == (text.encode(), encoding)


def test_what_is_configured_overrides_what_would_be_found() -> None:
    assert read(RUSSIAN.encode(), "koi8-r") == (
        RUSSIAN.encode().decode("koi8-r").encode(),
        "koi8-r",
    )
    assert read(RUSSIAN.encode("koi8-r"), "utf-8") == (RUSSIAN.encode("koi8-r"), "utf-8")


@pytest.mark.parametrize("n_ascii", [0, 1, 32_767, 32_768, 100_001])
@pytest.mark.parametrize(("text", "encoding"), [(RUSSIAN, "koi8-r"), (CHINESE, "gb18030")])
def test_a_beginning_in_ascii_delays_the_decision(n_ascii: int, text: str, encoding: str) -> None:
    beginning = ("x" * 99 + "\n") * (n_ascii // 100) + "y" * (n_ascii % 100)
    whole = beginning + text * 5000
    assert read(whole.encode(encoding)) == (whole.encode(), encoding)


@pytest.mark.parametrize("order", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("text", [RUSSIAN, CHINESE, "plain words \U0001f600\n"])
def test_utf16_without_mark_is_read_to_its_end(text: str, order: str) -> None:
    whole = text * 5000
    assert read(whole.encode(order)) == (whole.encode(), order)


def test_what_is_broken_in_another_encoding_is_one_byte_that_is_not_utf8() -> None:
    content, whole = (CHINESE * 90).encode("gb18030"), (CHINESE * 90).encode()
    for setting in ("auto", "gb18030"):
        assert read(content + b"\xff\xff" + content + b"\x81", setting) == (
            whole + b"\x81\x81" + whole + b"\x81",
            "gb18030",
        )
    assert read(b"\x00\xd8\x41\x00", "utf-16-le")[0] == b"\x81A"  # half a pair of surrogates
    assert read(b"+2AA-", "utf-7")[0] == b"\x81"


def test_utf8_after_a_sample_of_windows_1252_is_no_mojibake() -> None:
    old = (GERMAN * 1000).encode("cp1252")
    new = "Grüße, 字\n"
    assert read(old + new.encode()) == ((old.decode("cp1252") + new).encode(), "cp1252")


def test_what_is_in_no_encoding_for_certain_passes_as_it_is() -> None:
    content = b"\x81 \x8d " * 10
    assert read(content) == (content, "utf-8")


def test_a_declaration_in_the_beginning_is_believed() -> None:
    decoding = Decoding(declared=declared_encoding)
    page = "<meta charset=iso-8859-5>" + " " * 100_000 + "<p>" + RUSSIAN
    packed = io.BufferedReader(io.BytesIO(page.encode("iso8859-5")))
    assert Utf8Stream(packed, decoding).readall() == page.encode()
    assert decoding.name == "iso8859-5"


class _Failing(io.RawIOBase):
    """Some bytes at a time, and then an error."""

    def __init__(self, content: bytes) -> None:
        self._content = io.BytesIO(content)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        size = self._content.readinto(memoryview(buffer)[:1000])
        if not size:
            raise EOFError("cut off")
        return size


@pytest.mark.parametrize("content", [b"plain\n" * 50_000, (RUSSIAN * 900).encode("koi8-r")])
def test_an_error_comes_after_all_that_could_be_read(content: bytes) -> None:
    stream = io.BufferedReader(Utf8Stream(io.BufferedReader(_Failing(content)), Decoding()))
    lines = [stream.readline() for _ in range(content.count(b"\n"))]
    assert all(line.endswith(b"\n") for line in lines)
    with pytest.raises(EOFError, match="cut off"):
        stream.readline()


def test_a_large_file_needs_little_memory() -> None:
    content = (RUSSIAN * 100_000).encode("koi8-r")
    read(content[:1000])  # imports what it needs
    packed = io.BufferedReader(io.BytesIO(content))
    tracemalloc.start()
    try:
        stream = io.BufferedReader(Utf8Stream(packed, Decoding()))
        assert sum(1 for _ in stream) == 300_000
        assert tracemalloc.get_traced_memory()[1] < 8 << 20  # the guess takes most of it
    finally:
        tracemalloc.stop()


@given(st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"])))
def test_utf8_passes_unchanged(text: str) -> None:
    content = b"." + text.encode()
    assert read(content) == (content, "utf-8")


@pytest.mark.parametrize("name", sorted({*aliases.values(), "unicode_escape", "idna", "undefined"}))
def test_whatever_can_be_configured_or_declared_reads_any_bytes(name: str) -> None:
    page = b"<meta charset=" + name.encode() + b">\xe9"
    decoding = Decoding(declared=declared_encoding)
    Utf8Stream(io.BufferedReader(io.BytesIO(page)), decoding).readall()
    try:
        known = SourceConfig.model_validate({"name": "s", "path": "p", "encoding": name}).encoding
    except ValidationError:
        return
    draw = random.Random(0)
    for size in range(40):
        read(draw.randbytes(size), known)


def test_utf16_without_mark_is_little_endian_if_nothing_else_is_said() -> None:
    assert read(CHINESE.encode("utf-16-le"), "utf-16") == (CHINESE.encode(), "utf-16-le")


def test_a_nul_in_ascii_decides_nothing() -> None:
    beginning = "a\x00b\n" * 20_000
    assert read((beginning + RUSSIAN * 99).encode("koi8-r")) == (
        (beginning + RUSSIAN * 99).encode(),
        "koi8-r",
    )


ENCODINGS = ["cp1252", "koi8-r", "gb18030", "big5", "shift_jis", "utf-16-le", "utf-32-be", "utf-7"]


@pytest.mark.slow
@settings(deadline=None)
@given(st.data(), st.sampled_from(ENCODINGS))
def test_text_in_an_encoding_that_is_named_comes_back(data: st.DataObject, encoding: str) -> None:
    some = st.characters(codec=encoding, exclude_characters="¥‾")  # Shift JIS has others for them
    text = "." + data.draw(st.text(some))
    assert read(text.encode(encoding), encoding) == (text.encode(), encoding)


@settings(deadline=None)
@given(st.binary(), st.sampled_from(["auto", "utf-8", *ENCODINGS]))
def test_any_bytes_are_read(content: bytes, encoding: str) -> None:
    found, _ = read(content, encoding)
    found.decode(errors="surrogateescape")
