"""HTML pages: how their bytes are decoded, and their main content, which trafilatura extracts.

Source: Barbaresi 2021 ("Trafilatura: A Web Scraping Library and Command-Line Tool for Text
Discovery and Extraction").
"""

from __future__ import annotations

import codecs
import logging
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from textmill.config import HtmlConfig
from textmill.corpus.reading.charsets import SUPERSETS
from textmill.corpus.reading.decoding import BROKEN

HTML_SUFFIXES = tuple(
    f"{kind}{packed}" for kind in (".html", ".htm") for packed in ("", ".gz", ".zst")
)
"""Endings of HTML files."""

_MAX_DEPTH = 255  # of elements: libxml2 leaves out what is nested deeper
_MAX_ATTRIBUTES = 1000  # of one element: libxml2 takes time quadratic in them
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_PRESCANNED = 1024  # bytes in which the standard looks for the encoding
_DECLARED = re.compile(rb"""<meta\b[^<>]*?\bcharset\s*=\s*["']?\s*([\w:.-]+)""", re.IGNORECASE)


class NoMainContent(Exception):
    """A page has no text that could be extracted; the message says why."""


def declared_encoding(content: bytes) -> str | None:
    """Return the encoding that a page declares in a `meta` element, if Python knows it.

    Source: WHATWG, HTML standard, section 13.2.3.2 ("Determining the character encoding").
    """
    match = _DECLARED.search(content, 0, _PRESCANNED)
    if match is None:
        return None
    try:
        name = codecs.lookup(match[1].decode("ascii", "replace")).name.removesuffix("-sig")
        if b"<meta".decode(name, BROKEN) != "<meta":  # it would not have been found
            return None
    except (LookupError, ValueError):  # a name nobody knows, or a codec that makes no text
        return None
    # What is declared in ASCII is not in UTF-16, nor does any page consist of escapes.
    return (
        None
        if name.startswith(("utf-16", "utf-32")) or name.endswith("escape")
        else SUPERSETS.get(name, name)
    )


def main_content(page: str, config: HtmlConfig) -> str:
    """Return the main content of a page as plain text.

    Time is bounded by the limits of the configuration: too much HTML, or HTML that takes time
    quadratic in its size, is not extracted from.

    Raises:
        NoMainContent: there is none, or the page is beyond the limits.
    """
    if len(page) > config.max_chars:
        raise NoMainContent(f"{len(page):,} characters > {config.max_chars:,}")
    content = _NOT_XML.sub("", page).encode(errors="replace")
    _check_shape(content, config)
    try:
        text = _extract(content, config)
    except Exception as error:  # what a page makes a parser and its rules stumble over is not known
        raise NoMainContent(f"it cannot be extracted: {type(error).__name__}: {error}") from error
    if not text:
        raise NoMainContent("nothing on the page looks like main content")
    return text


def _extract(content: bytes, config: HtmlConfig) -> str | None:
    from lxml.html import HTMLParser, document_fromstring

    parser = HTMLParser(
        encoding="utf-8",
        remove_comments=True,
        remove_pis=True,
        collect_ids=False,
        default_doctype=False,
    )
    text: str | None = _trafilatura().extract(
        document_fromstring(content, parser=parser),
        favor_precision=config.favor == "precision",
        favor_recall=config.favor == "recall",
        include_comments=config.comments,
        include_tables=config.tables,
        deduplicate=False,  # it would compare with the pages that this process saw before
    )
    return text


@cache
def _trafilatura() -> Any:
    """Return the library; it warns of each page without content, which is reported here anyway."""
    import trafilatura

    logging.getLogger("trafilatura").setLevel(logging.CRITICAL + 1)
    return trafilatura


def _check_shape(content: bytes, config: HtmlConfig) -> None:
    """Check how a page is built, without building its tree.

    Raises:
        NoMainContent: it is beyond the limits.
    """
    from lxml.etree import HTMLParser

    shape = _Shape()
    parser = HTMLParser(target=shape, encoding="utf-8")
    parser.feed(content)
    parser.close()
    if not shape.n_elements:
        raise NoMainContent("the page is empty")
    if shape.depth > _MAX_DEPTH:
        raise NoMainContent(f"elements nested {shape.depth:,} > {_MAX_DEPTH} deep")
    if shape.n_attributes > _MAX_ATTRIBUTES:
        found = f"{shape.n_attributes:,} > {_MAX_ATTRIBUTES:,}"
        raise NoMainContent(f"an element with {found} attributes")
    if shape.n_elements > config.max_elements:
        raise NoMainContent(f"{shape.n_elements:,} elements > {config.max_elements:,}")


class _Shape:
    """Counts what a parser finds."""

    def __init__(self) -> None:
        self.depth = self._depth = self.n_elements = self.n_attributes = 0

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        self.n_elements += 1
        self._depth += 1
        self.depth = max(self.depth, self._depth)
        self.n_attributes = max(self.n_attributes, len(attributes))

    def end(self, tag: str) -> None:
        self._depth -= 1

    def close(self) -> None:
        """Nothing is left to do."""
