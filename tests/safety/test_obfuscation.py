"""Specifies what escapes, look-alike and invisible characters are read as, and where they stood."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textmill.config import RedactionConfig
from textmill.safety.obfuscation import deobfuscate, original_span
from textmill.safety.redaction import redact

PIECES = [
    *("a", "1", " ", "@", ".", "&#64;", "&amp;", "#64;", "&shy;", "&nbsp;", "\\u0040", "\\", "\\n"),
    *("%40", "%25", "%", "(at)", " [dot] ", "[.]", "[", "字", "\xad", "\u200b", "\xa0", "\u2011"),
    *("\uff11", "\uff20", "\uff0e", "\u0661", "\x00"),
]
TEXTS = st.text() | st.lists(st.sampled_from(PIECES), max_size=12).map("".join)


def meant(text: str) -> str:
    views = deobfuscate(text)
    return views[-1].text if views else text


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("a&#64;b&#x2E;c", "a@b.c"),
        ("a&commat;b&period;c", "a@b.c"),
        ("a&#0064b", "a@b"),
        ("a\\u0040b\\x2ec", "a@b.c"),
        ("a\\\\u0040b", "a@b"),
        ("a%40b%2Ec", "a@b.c"),
        ("a%2540b", "a@b"),
        ("a&amp;amp;#64;b", "a@b"),
        ("\\u0026#64;", "@"),
        ("http:\\/\\/a", "http://a"),
        ("x\\n49 1\\t(2)", "x\n49 1\t(2)"),
        ("a [at] b (dot) c{@}d[.]e", "a@b.c@d.e"),
        ("４１１１ ＡＢ＠ｃ．ｄ", "4111 AB@c.d"),
        ("٤١ १२", "41 12"),
        ("4\xad1\u200b1\u20601\ufeff", "4111"),
        ("1\xa02\u20093\u202f4", "1 2 3 4"),
        ("1\u20112\u22123\u20134", "1-2-3-4"),
        ("a\x00b", "ab"),
    ],
)
def test_what_is_disguised_is_read_as_it_is_meant(text: str, plain: str) -> None:
    assert meant(text) == plain


@pytest.mark.parametrize(
    "text",
    [
        "AT&T, R&D; 100% sure, 5 %40x",
        "\\LaTeX \\url{x} C:\\new\\table",
        "London–Paris, a – b, 1914 – 1918",
        "价格：１，（见下）；",
        "look (at it) and [dots]",
        "\\ud83d\\ude00 &#55357; &#99999999;",
    ],
)
def test_other_signs_stay(text: str) -> None:
    assert meant(text) == text.replace("１", "1").replace("5 %40x", "5 @x")


@given(TEXTS)
def test_every_character_of_a_view_stands_for_some_of_the_text_in_order(text: str) -> None:
    views = deobfuscate(text)
    end = 0
    for at in range(len(views[-1].text) if views else 0):
        first, last = original_span(views, (at, at + 1))
        assert end <= first < last <= len(text)
        assert original_span(views, (0, at + 1))[1] == last
        end = last


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("Write to bob&#64;example.com.", "Write to [EMAIL]."),
        ('{"a": "x\\n4111111111111111"}', '{"a": "x\\n[CARD]"}'),
        ("ftp://ann:p%40w@host.example/", "ftp://[CREDENTIALS]@host.example/"),
        ("jürgen&#46;m@x.example", "[EMAIL]"),
        ("1.2.3.4\u200b5.6.7.8", "[IP]\u200b[IP]"),
        (
            "\u200bGB29\u202fNWBK\u202f6016\u202f1331\u202f9268\u202f19\u200b.",
            "\u200b[IBAN]\u200b.",
        ),
    ],
)
def test_what_is_found_is_replaced_where_it_stands(text: str, redacted: str) -> None:
    assert redact(text, RedactionConfig())[0] == redacted
