"""Specifies the repair of text: what is changed, and what is kept."""

from __future__ import annotations

import itertools
import re
import unicodedata
from functools import partial, reduce

import ftfy
import pytest
from ftfy.badness import is_bad
from ftfy.chardata import CHARMAP_ENCODINGS
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.linear_time import assert_linear, repeat
from textmill.config import CorpusConfig
from textmill.corpus.cleaning.repair import (
    cleaning_steps,
    normalize_whitespace,
    repair_unicode,
    replace_surrogates,
    strip_html,
)

CONFIG = CorpusConfig.model_validate({"sources": [{"name": "s", "path": "s.txt"}]})
PLAIN = "".join(map(chr, range(32, 127))) + "\t\n‘’“”–—…"
FOREIGN = "你好世界，。《》「」、；：？！\u3000ＡＢかなカナ゛한글ไทยעבריתعربي😀é\u0301\u3099"
# What mojibake is made of, and what ftfy takes for it.
MOJIBAKE = "".join(bytes(range(128, 256)).decode(name, "ignore") for name in CHARMAP_ENCODINGS)
LEFTOVERS = "\ufffd\ufeff\u200b\u206a\ufff9ŉǆﬁ\x00\x07\x1b[1m\x85\r\f"


def cleaned_by(config: CorpusConfig, text: str) -> str:
    changes = cleaning_steps(config).values()
    return reduce(lambda so_far, change: change(so_far), changes, text)


def repaired_by_ftfy(text: str) -> str:
    """Return what ftfy makes of each line, and of that what is neither control nor override."""
    lines = re.sub("[\u202a-\u202e\u2066-\u2069]", "", text).split("\n")
    fixed = "\n".join(
        ftfy.fix_text(
            line,
            unescape_html=False,
            uncurl_quotes=False,
            fix_character_width=False,
            fix_line_breaks=False,
        )
        for line in lines
    )
    return "".join(c for c in fixed if c in "\t\n\v\r\f\x85" or unicodedata.category(c) != "Cc")


@pytest.mark.parametrize(
    ("text", "repaired"),
    [
        ("ZÃ¼rich and caf\u00c3\u00a9", "Zürich and café"),
        ("itâ€™s â€œfineâ€\x9d", "it’s “fine”"),
        ("“curly” ‘quotes’", "“curly” ‘quotes’"),
        ("e\u0301", "é"),
        ("你好，ＡＢＣ", "你好，ＡＢＣ"),
        ("ﬁne", "fine"),
        ("a\x00b\x07c\x7f\x1b[1md", "abcd"),
        ("\ufeffa", "a"),
        ("\ud83d\ude00 \ud800", "😀 \ufffd"),
        ("fine\r\nñ\r\nline", "fine\r\nñ\r\nline"),
        ("&eacute; &amp; é", "&eacute; &amp; é"),
        ("👩‍🚀 ไทย العربية Ελληνικά", "👩‍🚀 ไทย العربية Ελληνικά"),
    ],
)
def test_mojibake_is_repaired_and_valid_text_is_kept(text: str, repaired: str) -> None:
    assert repair_unicode(text) == repaired


def test_every_single_character_is_repaired_like_by_ftfy() -> None:
    characters = [chr(n) for n in range(0x110000) if not 0xD800 <= n < 0xE000]
    for start in range(0, len(characters), 100_000):
        text = " ".join(characters[start : start + 100_000]).replace("\n", "")
        assert repair_unicode(text) == repaired_by_ftfy(text)


@pytest.mark.parametrize(
    "alphabet", ["az09_.,! ‘’“”–—…", "a ‘”—你，\u3000か한ไ😀"], ids=["plain", "foreign"]
)
def test_ftfy_finds_no_mojibake_in_lines_that_are_skipped(alphabet: str) -> None:
    # Which characters they are matters less to ftfy than of what kinds: all runs of four of them.
    for characters in itertools.product(alphabet, repeat=2):
        ends = itertools.product(alphabet, repeat=2)
        text = "\n".join("".join((*characters, *end)) for end in ends)
        assert not any(is_bad(line) for line in text.split("\n"))
        assert repair_unicode(text) == text


@settings(deadline=None)
@given(
    st.lists(
        st.text(MOJIBAKE, max_size=4)
        | st.sampled_from([*PLAIN, *FOREIGN, *LEFTOVERS])
        | st.tuples(st.text(max_size=2), st.sampled_from(CHARMAP_ENCODINGS)).map(
            lambda pair: pair[0].encode().decode(pair[1], "replace")
        )
        | st.characters(exclude_categories=["Cs"])
    ).map("".join)
)
def test_repairing_only_what_needs_it_equals_repairing_every_line(text: str) -> None:
    assert repair_unicode(text) == repaired_by_ftfy(text)


@pytest.mark.parametrize("control", [*"\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"])
def test_bidi_overrides_are_removed(control: str) -> None:
    assert repair_unicode(f"if admin{control} {{ // 你好e{control}\u0301") == "if admin { // 你好é"
    assert repair_unicode("שלום\u200f!") == "שלום\u200f!"


@pytest.mark.parametrize("n", [30, 31, 5000])
def test_at_most_thirty_marks_per_letter_are_kept(n: int) -> None:
    text = f"{'x' * 2000} q{chr(0x316) * n} a\u0300"
    assert repair_unicode(text) == f"{'x' * 2000} q{chr(0x316) * 30} à"


@pytest.mark.parametrize(
    ("text", "stripped"),
    [
        ("<p>one</p><p>two</p>", "one\n\ntwo"),
        ("one<br/>two<BR>three<br />four", "one\ntwo\nthree\nfour"),
        ("<ul><li>a</li><li>b</li></ul>", "a\nb"),
        ("<b>bo</b>ld <a href='x?a=1&b=2' class=\"y > z\">link</a>", "bold link"),
        ("<a href=http://x.org/?a=b>x</a> <input disabled data-x>y", "x y"),
        ("a<!-- b <p> --> c<script type='x'>if (a<b) {}</script> d<STYLE>p {}</style>", "a c\n d"),
        ("<!DOCTYPE html>\n<html><head><title>T</title></head>x</html>", "T\n\nx"),
        ("a < b and c > d, <3, x <- y, 1<2>1", "a < b and c > d, <3, x <- y, 1<2>1"),
        ("if a <b and c> d", "if a <b and c> d"),
        (
            "List<String> <user@a.org> <http://a.org> <foo>",
            "List<String> <user@a.org> <http://a.org> <foo>",
        ),
        ("open <!-- end, <script> end, <a href='x end", "open <!-- end,  end, <a href='x end"),
        ("Tom &amp; Jerry &lt;b&gt; &eacute;&#233;&#xE9; &amp;lt;", "Tom & Jerry <b> ééé &lt;"),
        ("AT&T ?a=1&copy=2 &nosuch; &;", "AT&T ?a=1&copy=2 &nosuch; &;"),
        ("&#0; &#xD800; &#9999999;", "\ufffd \ufffd \ufffd"),
    ],
)
def test_only_real_tags_and_references_are_removed(text: str, stripped: str) -> None:
    assert normalize_whitespace(strip_html(text)) == stripped


@settings(deadline=None)
@given(st.text(PLAIN.replace("<", "").replace("&", "")))
def test_text_without_html_characters_is_untouched(text: str) -> None:
    assert strip_html(text) == text


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("a\r\nb\rc\u2028d\u2029e\ff\vg\x85h", "a\nb\nc\nd\ne\nf\ng\nh"),
        ("a\xa0b\u2009c\u3000d\u202fe", "a b c d e"),
        ("a  \nb\t\n \t\nc", "a\nb\n\nc"),
        ("\n\n a\n\n\n\nb \n", "a\n\nb"),
        ("x:\n\ty  z\tw", "x:\n\ty  z\tw"),
        (" \n\t\xa0 ", ""),
        ("ไทย\u200bไทย", "ไทย\u200bไทย"),
    ],
)
def test_white_space_is_normalised(text: str, normal: str) -> None:
    assert normalize_whitespace(text) == normal


@settings(deadline=None)
@given(st.text(st.characters() | st.sampled_from(" \t\n\r\xa0\u2028\x1c")))
def test_normalising_white_space_twice_changes_nothing_more(text: str) -> None:
    once = normalize_whitespace(text)
    assert normalize_whitespace(once) == once
    assert "\n\n\n" not in once
    assert " \n" not in once


@settings(deadline=None)
@given(
    st.text(st.characters(exclude_categories=[]))
    | st.lists(
        st.sampled_from(
            ["<", ">", "<p ", "</b>", "<!--", "-->", "<script>", "&#", "a='", '"', "\ud800"]
        )
    ).map("".join),
    st.booleans(),
    st.booleans(),
)
def test_any_cleaned_text_can_be_encoded_as_utf8(text: str, repair: bool, strip: bool) -> None:
    config = CONFIG.model_copy(update={"repair_unicode": repair, "strip_html": strip})
    cleaned_by(config, text).encode()


@pytest.mark.parametrize(
    ("update", "cleaned"),
    [
        ({}, "é <b>\nfine"),
        ({"strip_html": False}, "<p>é &lt;b&gt;</p>  fine"),
        ({"repair_unicode": False}, "Ã© <b>\nfine"),
    ],
)
def test_the_configuration_selects_the_changes(update: dict[str, bool], cleaned: str) -> None:
    text = "<p>Ã© &lt;b&gt;</p>\xa0\xa0fine "
    config = CONFIG.model_copy(update=update)
    assert cleaned_by(config, text).replace("\n  ", "\n") == cleaned


def test_surrogates_are_joined_or_replaced() -> None:
    assert replace_surrogates("a\ud83d\ude00b\udc00") == "a😀b\ufffd"


@pytest.mark.parametrize(
    "unit",
    [
        "<",
        "<a ",
        "&",
        "&#",
        "<!--",
        "<script>",
        "<a b='",
        "<a \"<a '",
        "</",
        "<p>",
        " ",
        "\n",
        "x \t",
    ]
    + ["Ã©", "é", "\u0301\u0316", "\u0f73", "\u0316\u0301".encode().decode("latin-1")],
)
def test_repetitive_text_takes_linear_time(unit: str) -> None:
    # Lines of more than a million characters are another case: ftfy repairs them in parts.
    assert_linear(partial(cleaned_by, CONFIG), repeat(unit), 200_000)
