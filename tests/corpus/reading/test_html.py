"""Specifies what is extracted from HTML pages, and which pages are set aside."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.linear_time import assert_linear
from textmill.config import HtmlConfig
from textmill.corpus.reading.html import NoMainContent, declared_encoding, main_content

SENTENCES = [f"The {n}. sentence of this article says something about the river." for n in range(8)]
ARTICLE = "".join(f"<p>{sentence}</p>" for sentence in SENTENCES)
PAGE = f"""<!DOCTYPE html><html><head><title>River</title><script>var menu = 1;</script></head>
<body>
<nav><ul><li><a href="/">Home</a></li><li><a href="/shop">Shop</a></li></ul></nav>
<article><h1>The river</h1>{ARTICLE}<table><tr><td>Length</td><td>90 km</td></tr></table></article>
<div class="comments"><div class="comment"><p>First! I was the first reader.</p></div></div>
<footer>Imprint and privacy</footer></body></html>"""
CONFIG = HtmlConfig()


def test_the_article_is_extracted_without_what_is_around_it() -> None:
    text = main_content(PAGE, CONFIG)
    assert all(sentence in text for sentence in SENTENCES)
    assert "Length" in text
    assert not any(word in text for word in ("Shop", "menu", "Imprint", "First!", "<"))


def test_tables_and_comments_are_a_matter_of_the_configuration() -> None:
    assert "90 km" not in main_content(PAGE, HtmlConfig(tables=False))
    assert "first reader" in main_content(PAGE, HtmlConfig(comments=True, favor="recall"))


@pytest.mark.parametrize(
    "page",
    [ARTICLE, f"<div>{ARTICLE}", f"{ARTICLE}</p></div></table><b>", f"<?xml version='1.0'?>{PAGE}"],
    ids=["a fragment", "left open", "wrongly closed", "XHTML"],
)
def test_fragments_and_broken_html_are_extracted_from(page: str) -> None:
    text = main_content(page, CONFIG)
    assert all(sentence in text for sentence in SENTENCES)


def test_what_can_be_no_xml_does_no_harm() -> None:
    page = PAGE.replace("article says", "article\0 s\udcffays")
    assert "The 3. sentence of this article s?ays something" in main_content(page, CONFIG)


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        ("", "empty"),
        (" \n<!-- nothing -->", "empty"),
        (
            "<html><body><script>menu()</script><img src='x.png'></body></html>",
            "looks like main content",
        ),
        ("<div>" * 100_000 + ARTICLE + "</div>" * 100_000, "100,0.. > 255 deep"),
        ("<ul><li>item " * 50_000, "100,0.. > 255 deep"),
        ("<p " + " ".join(f"a{n}=1" for n in range(100_000)) + f">{ARTICLE}", "> 1,000 attributes"),
        ("<article>x</article>" * 100_000, "elements > 50,000"),
        ("x" * 5_000_001, "5,000,001 characters > 5,000,000"),
    ],
    ids=["empty", "comment", "script", "deep", "deep list", "attributes", "elements", "size"],
)
def test_what_cannot_be_extracted_from_is_refused_at_once(page: str, reason: str) -> None:
    began = time.process_time()
    with pytest.raises(NoMainContent, match=reason):
        main_content(page, CONFIG)
    assert time.process_time() - began < 3


def test_html_nested_as_deep_as_can_be_loses_nothing() -> None:
    page = f"<html><body>{'<div>' * 252}{ARTICLE}"
    assert all(sentence in main_content(page, CONFIG) for sentence in SENTENCES)


def test_doctype_of_slashes_takes_linear_time() -> None:
    def page_of(slashes: int) -> str:
        return f"<!doctype html {'/' * slashes}{PAGE}"

    assert_linear(lambda page: main_content(page, CONFIG), page_of, 200_000)


def test_pages_seen_before_change_nothing() -> None:
    other = PAGE.replace("river", "lake")
    alone = main_content(other, CONFIG)
    for _ in range(5):
        main_content(PAGE, CONFIG)
    assert main_content(other, CONFIG) == alone


PIECES = [
    "<p>",
    "</p>",
    "<table>",
    "<td>",
    "<ul><li>",
    "<a href='",
    "'>",
    "<!--",
    "-->",
    "<script>",
]
PIECES += [
    "&amp;",
    "&#0;",
    "<![CDATA[",
    "\0",
    "\ud800",
    "</body>",
    "<pre>",
    "some words of a text. ",
]


@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=9), max_size=40))
@settings(max_examples=150, deadline=None)
def test_no_page_makes_extraction_fail_otherwise(pieces: list[str]) -> None:
    try:
        text = main_content("".join(pieces), CONFIG)
    except NoMainContent:
        return
    assert text
    text.encode()


@pytest.mark.parametrize(
    ("head", "encoding"),
    [
        (b"<meta charset=windows-1251>", "cp1251"),
        (b"<META http-equiv='Content-Type' content='text/html; charset=GB2312'>", "gb18030"),
        (b'<meta content="text/html; charset=iso-8859-1" name="x">', "cp1252"),
        (b'<meta charset="utf-8">', "utf-8"),
        (b"<meta charset=utf-16>", None),
        (b"<meta charset=klingon>", None),
        (b"<meta charset=rot13>", None),
        (b"<meta charset=cp037>", None),
        (b"<meta charset=utf-8-sig>", "utf-8"),
        (b"<p>charset=windows-1251</p>", None),
        (b" " * 2000 + b"<meta charset=windows-1251>", None),
    ],
)
def test_the_declared_encoding_is_that_of_browsers(head: bytes, encoding: str | None) -> None:
    assert declared_encoding(head) == encoding
