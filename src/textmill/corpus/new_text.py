"""New text that a corpus is compared with: read and cleaned like one of its sources."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from textmill.config import CorpusConfig, DriftConfig, SourceConfig
from textmill.corpus.cleaning import clean_text
from textmill.corpus.html import NoMainContent
from textmill.corpus.preparing import document_id
from textmill.corpus.reading import RawDocument, digest_source, read_documents
from textmill.errors import InputError
from textmill.safety.redaction import redact

NAME = "new text"


def choose_texts(config: DriftConfig, corpus: CorpusConfig) -> list[str]:
    """Return the documents that are measured, cleaned as the corpus is, each text once.

    Raises:
        InputError: the new text cannot be read.
    """
    with _settings_named():
        by_id = {
            document_id(text): text
            for document in read_documents(_source(config))
            if isinstance(document, RawDocument)
            if len(text := _final_text(document, corpus)) >= corpus.min_chars
        }
    return [by_id[key] for key in sorted(by_id)[: config.max_documents]]


def digest_new_text(config: DriftConfig) -> str:
    """Return a digest of the files of the new text.

    Raises:
        InputError: no path is set, or there is no file.
    """
    if config.path is None:
        raise InputError("retrain.drift.path is not set: name the file or folder of new text.")
    with _settings_named():
        return digest_source(_source(config))


def _source(config: DriftConfig) -> SourceConfig:
    return SourceConfig(
        name=NAME,
        path=config.path,
        text=config.text,
        html=config.html,
        documents=config.documents,
    )


def _final_text(document: RawDocument, corpus: CorpusConfig) -> str:
    try:
        text = clean_text(document.text, corpus, is_html=document.is_html)
    except NoMainContent:
        return ""
    return redact(text, corpus.redaction)[0]


@contextmanager
def _settings_named() -> Iterator[None]:
    """Raise what reading raises, with the settings that name this source."""
    try:
        yield
    except InputError as error:
        raise InputError(str(error).replace(f"corpus.sources[{NAME}]", "retrain.drift")) from None
