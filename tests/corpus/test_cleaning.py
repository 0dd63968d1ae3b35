"""Specifies what cleaning changes in a text, and what it leaves alone."""

from __future__ import annotations

import time
import unicodedata

import ftfy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textmill.config import CorpusConfig
from textmill.corpus.cleaning import (
    clean_text,
    normalize_whitespace,
    repair_unicode,
    replace_surrogates,
    strip_html,
)

CONFIG = CorpusConfig.model_validate({"sources": [{"name": "s", "path": "s.txt"}]})
PLAIN = "".join(map(chr, range(32, 127))) + "\t\n‘’“”–—…"


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
def test_encoding_accidents_are_mended_and_proper_text_stays(text: str, repaired: str) -> None:
    assert repair_unicode(text) == repaired


@settings(deadline=None)
@given(st.text(PLAIN))
def test_ftfy_would_change_nothing_where_it_is_not_asked(text: str) -> None:
    assert ftfy.fix_text(text, unescape_html=False, uncurl_quotes=False) == text


@settings(deadline=None)
@given(st.lists(st.sampled_from([*PLAIN, "é", "Ã©", "â€™", "\xa0", "Â", "\x85", "\u0301", "я"])))
def test_repairing_only_lines_in_need_equals_repairing_all(characters: list[str]) -> None:
    text = "".join(characters)
    whole = ftfy.fix_text(
        text,
        unescape_html=False,
        uncurl_quotes=False,
        fix_character_width=False,
        fix_line_breaks=False,
    )
    kept = [c for c in whole if c in "\t\n\r\f\x85" or unicodedata.category(c) != "Cc"]
    assert repair_unicode(text) == "".join(kept)


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
def test_any_text_is_cleaned_to_something_that_utf8_can_hold(
    text: str, repair: bool, strip: bool
) -> None:
    config = CONFIG.model_copy(update={"repair_unicode": repair, "strip_html": strip})
    clean_text(text, config).encode()


@pytest.mark.parametrize(
    ("update", "cleaned"),
    [
        ({}, "é <b>\nfine"),
        ({"strip_html": False}, "<p>é &lt;b&gt;</p>  fine"),
        ({"repair_unicode": False}, "Ã© <b>\nfine"),
    ],
)
def test_the_config_says_what_is_cleaned(update: dict[str, bool], cleaned: str) -> None:
    text = "<p>Ã© &lt;b&gt;</p>\xa0\xa0fine "
    config = CONFIG.model_copy(update=update)
    assert clean_text(text, config).replace("\n  ", "\n") == cleaned


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
    + ["Ã©", "é"],
)
def test_a_megabyte_of_any_one_thing_takes_no_quadratic_time(unit: str) -> None:
    text = "x" + unit * (1_000_000 // len(unit)) + "x"
    begin = time.process_time()
    clean_text(text, CONFIG)
    assert time.process_time() - begin < 3
