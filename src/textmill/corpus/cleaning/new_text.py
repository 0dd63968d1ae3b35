"""New text that a corpus is compared with: read and cleaned like one of its sources."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice

from textmill.config import (
    AUTO,
    CleanConfig,
    CorpusConfig,
    DriftConfig,
    SourceConfig,
    TextFilesConfig,
)
from textmill.corpus.cleaning.prepare import Preparer
from textmill.corpus.reading.sources import RawDocument, digest_source, read_documents
from textmill.errors import InputError

NAME = "new text"
_CHUNK_DOCUMENTS = 64


@dataclass(frozen=True)
class NewText:
    """The part of the new text that is measured."""

    texts: list[str]
    """As the corpus would keep them, each once."""
    n_rejected: int
    """Documents that the corpus would reject by themselves."""


def choose_texts(config: DriftConfig, corpus: CorpusConfig) -> NewText:
    """Return the documents that are measured: those that the corpus would keep, as it would.

    They go through the same repair, redaction and filters: what cleaning would reject is never
    trained on, and so does not make a corpus drift. Neither near duplicates nor texts of test sets
    are looked for: the new text holds no more of them than the corpus.

    Raises:
        InputError: the new text cannot be read.
    """
    switched_off = {
        name: getattr(corpus, name).model_copy(update={"enabled": False})
        for name in ("near_duplicates", "decontamination")
    }
    preparer = Preparer(CleanConfig(**dict(corpus) | switched_off))
    by_id: dict[bytes, str] = {}
    n_rejected = 0
    with _settings_named():
        found = read_documents(_source(config, corpus))
        documents = (document for document in found if isinstance(document, RawDocument))
        while chunk := list(islice(documents, _CHUNK_DOCUMENTS)):
            for prepared in preparer.prepare(chunk):
                if prepared.rejection is None:
                    by_id[prepared.doc_id] = prepared.text
                else:
                    n_rejected += 1
    chosen = sorted(by_id)[: config.max_documents]
    return NewText([by_id[doc_id] for doc_id in chosen], n_rejected)


def digest_new_text(config: DriftConfig) -> str:
    """Return a digest of the files of the new text.

    Raises:
        InputError: no path is set, or there is no file.
    """
    if config.path is None:
        raise InputError("retrain.drift.path is not set: name the file or folder of new text.")
    with _settings_named():
        return digest_source(_source(config))


def _source(config: DriftConfig, corpus: CorpusConfig | None = None) -> SourceConfig:
    """Return the new text as a source, in the language of all others or else in that identified."""
    languages = {source.language for source in corpus.sources} if corpus else {AUTO}
    files = {name: getattr(config, name) for name in TextFilesConfig.model_fields}
    language = languages.pop() if len(languages) == 1 else AUTO
    return SourceConfig(name=NAME, language=language, **files)


@contextmanager
def _settings_named() -> Iterator[None]:
    """Raise errors of reading with the settings that name this source."""
    try:
        yield
    except InputError as error:
        raise InputError(str(error).replace(f"corpus.sources[{NAME}]", "retrain.drift")) from None
