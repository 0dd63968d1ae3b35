"""HTML pages: declared encoding, and extraction of the main content by trafilatura.

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

_MAX_DEPTH = 255  # libxml2 drops elements nested deeper
_MAX_ATTRIBUTES = 1000  # per element: libxml2's time is quadratic in them
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_PRESCANNED = 1024  # bytes searched for the encoding, as in the standard
_DECLARED = re.compile(rb"""<meta\b[^<>]*?\bcharset\s*=\s*["']?\s*([\w:.-]+)""", re.IGNORECASE)


class NoMainContent(Exception):
    """No text could be extracted from a page; the message is the reason."""


def declared_encoding(content: bytes) -> str | None:
    """Return the encoding that a page declares in a `meta` element, if Python knows it.

    Source: WHATWG, HTML standard, section 13.2.3.2 ("Determining the character encoding").
    """
    match = _DECLARED.search(content, 0, _PRESCANNED)
    if match is None:
        return None
    try:
        name = codecs.lookup(match[1].decode("ascii", "replace")).name.removesuffix("-sig")
        if b"<meta".decode(name, BROKEN) != "<meta":  # not a superset of ASCII
            return None
    except (LookupError, ValueError):  # an unknown name, or a codec that does not decode text
        return None
    # An ASCII declaration cannot be in UTF-16, and escape codecs are not text encodings.
    return (
        None
        if name.startswith(("utf-16", "utf-32")) or name.endswith("escape")
        else SUPERSETS.get(name, name)
    )


def main_content(page: str, config: HtmlConfig) -> str:
    """Return the main content of a page as plain text.

    The limits of the configuration bound the time: pages that are too large, or would take
    quadratic time, are rejected.

    Raises:
        NoMainContent: there is none, or the page exceeds the limits.
    """
    if len(page) > config.max_chars:
        raise NoMainContent(f"{len(page):,} characters > {config.max_chars:,}")
    content = _NOT_XML.sub("", page).encode(errors="replace")
    _check_shape(content, config)
    try:
        text = _extract(content, config)
    except Exception as error:  # the library may raise anything on malformed pages
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
        deduplicate=False,  # it depends on the pages processed before
    )
    return text


@cache
def _trafilatura() -> Any:
    """Return the library, with its warnings about empty pages silenced: they are reported here."""
    import trafilatura

    logging.getLogger("trafilatura").setLevel(logging.CRITICAL + 1)
    return trafilatura


def _check_shape(content: bytes, config: HtmlConfig) -> None:
    """Raise NoMainContent if a page's structure exceeds the limits, without building its tree."""
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
    """Parser target that counts elements, depth and attributes."""

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
        """Required by the parser."""
