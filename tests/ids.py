"""The id of a document as tables and commands show it."""

from __future__ import annotations

from textmill.corpus.cleaning import document


def document_id(text: str) -> str:
    """Return the id of a document with this final text, in hexadecimal."""
    return document.document_id(text.encode()).hex()
