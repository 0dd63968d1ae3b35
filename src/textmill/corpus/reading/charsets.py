"""Detection of text encodings.

chardet is imported where it is used, because tasks read files on machines without it.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections import Counter

UTF8 = "utf-8"
CP1252 = "cp1252"

BOMS = {
    codecs.BOM_UTF8: UTF8,
    codecs.BOM_UTF32_LE: "utf-32-le",  # before that of UTF-16, with which it begins
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
    b"\x84\x31\x95\x33": "gb18030",
}
"""Byte order marks."""

SUPERSETS = {"ascii": CP1252, "iso8859-1": CP1252, "gb2312": "gb18030", "gbk": "gb18030"}
SUPERSETS |= {"shift_jis": "cp932", "euc_kr": "cp949", "big5": "big5hkscs"}
"""Supersets that browsers use for these encodings."""

CANDIDATES = (
    *("cp1250", "cp1251", CP1252, "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp1258"),
    *("iso8859-1", "iso8859-2", "iso8859-5", "iso8859-7", "iso8859-15", "cp874"),
    *("koi8-r", "koi8-u", "cp866"),
    *("gb18030", "big5hkscs", "cp932", "euc_jis_2004", "cp949", "euc_kr"),
)
"""Detected encodings: all others are rarer than false detections of them."""
_PREFERRED = {"big5hkscs": "cp950", "euc_jis_2004": "euc_jp"}
"""More common encodings than those that chardet names, with differences in some punctuation."""
_MIN_CONFIDENCE = 0.15
_MIN_BYTES = 8  # non-ASCII bytes required for encodings other than windows-1252
_N_PARTS, _MIN_PARTS = 8, 6  # parts of the lines detected separately, and minimum that agree
_HIGH_BYTES = bytes(range(128, 256))
_ESCAPED = re.compile("[\udc80-\udcff]")
_BEYOND_ASCII = re.compile("[^\x00-\x7f]")
_SPACES = "\t\n\r "
_NON_TEXT = ("Cc", "Cn", "Co", "Cs")  # controls, unassigned, private, surrogates
_MAX_NON_TEXT = 0.02  # share of the characters in UTF-16
_MIN_CONTROLS = 0.25  # share of control bytes in UTF-16 that is also valid UTF-8
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\f\r"))


def detect(sample: bytes, is_whole: bool, declared: str | None = None) -> str | None:
    """Return Python's name of the encoding of a sample of text; None if uncertain.

    Valid UTF-8 is UTF-8; so is, without a declaration, text with at least as many valid multibyte
    characters as invalid bytes.

    Args:
        sample: begins with a character; an ASCII beginning may be omitted.
        is_whole: whether the sample is the whole text; otherwise its last character may be cut.
        declared: the encoding declared by the text, used if it is not valid UTF-8.
    """
    is_utf8, n_right, n_broken = _count_utf8(sample, is_whole)
    utf16 = _utf16(sample, is_whole)
    n_controls = len(sample) - len(sample.translate(None, _CONTROLS))
    if utf16 and (not is_utf8 or n_controls >= _MIN_CONTROLS * len(sample)):
        return utf16
    if is_utf8:
        return UTF8
    if declared not in (None, UTF8):
        return declared
    return UTF8 if n_right >= n_broken else _guess(sample, is_whole)


def _count_utf8(sample: bytes, is_whole: bool) -> tuple[bool, int, int]:
    """Return whether it is UTF-8, and the numbers of non-ASCII characters and invalid bytes."""
    text = codecs.utf_8_decode(sample, "surrogateescape", is_whole)[0]
    n_broken = len(_ESCAPED.findall(text))
    return not n_broken, len(_BEYOND_ASCII.findall(text)) - n_broken, n_broken


def _utf16(sample: bytes, is_whole: bool) -> str | None:
    """Return the UTF-16 variant, if the sample is text with white space in exactly one byte order.

    In the wrong byte order, Chinese has unassigned characters, and other scripts no white space.
    """
    if 0 not in sample:
        return None
    orders = [name for name in ("utf-16-le", "utf-16-be") if _is_text(sample, is_whole, name)]
    return orders[0] if len(orders) == 1 else None


def _is_text(sample: bytes, is_whole: bool, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    counts = Counter(decoder.decode(sample, is_whole))
    spaces = sum(counts.pop(char, 0) for char in _SPACES)
    n_bad = sum(n for char, n in counts.items() if unicodedata.category(char) in _NON_TEXT)
    n_bad += counts["\ufffd"]
    return spaces > 0 and n_bad <= _MAX_NON_TEXT * (counts.total() + spaces)


def _guess(sample: bytes, is_whole: bool) -> str | None:
    """Return chardet's result for the non-ASCII lines, for all together or for most parts."""
    lines = sample.splitlines(keepends=True)
    if not is_whole and len(lines) > 1:
        lines.pop()  # may be cut within a character
    lines = [line for line in lines if not line.isascii()]
    if found := _run_chardet(b"".join(lines)):
        return found
    size = max(1, len(lines) // _N_PARTS)
    # chardet excludes an encoding because of a single invalid character.
    parts = [b"".join(lines[size * n : size * (n + 1)]) for n in range(_N_PARTS)]
    ((found, n_parts),) = Counter(map(_run_chardet, parts)).most_common(1)
    return found if n_parts >= _MIN_PARTS else None


def _run_chardet(content: bytes) -> str | None:
    if not content:
        return None
    import chardet

    found = chardet.detect(content, compat_names=False, include_encodings=CANDIDATES)
    name = found["encoding"]
    # If no candidate fits, chardet returns windows-1252 with very low confidence.
    if name is None or found["confidence"] < _MIN_CONFIDENCE:
        return None
    name = SUPERSETS.get(name, name)
    if name in _PREFERRED and _decodes(content, _PREFERRED[name]):
        name = _PREFERRED[name]
    n_beyond = len(content) - len(content.translate(None, _HIGH_BYTES))
    return name if name == CP1252 or n_beyond >= _MIN_BYTES else None


def _decodes(content: bytes, encoding: str) -> bool:
    try:
        content.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True
