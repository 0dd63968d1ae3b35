"""New text to measure drift on, read and cleaned like a source of the corpus."""

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
    """The documents of the new text on which drift is measured."""

    texts: list[str]
    """Cleaned and deduplicated texts."""
    n_rejected: int
    """Number of documents that cleaning would reject."""


def choose_texts(config: DriftConfig, corpus: CorpusConfig) -> NewText:
    """Return the documents to measure drift on: those that cleaning would keep.

    The same repair, redaction and filters are applied, because rejected documents are never trained
    on and so cause no drift. Near-duplicate detection and decontamination are skipped: new text has
    no more of either than the corpus.

    Raises:
        InputError: the new text cannot be read.
    """
    disabled = {
        name: getattr(corpus, name).model_copy(update={"enabled": False})
        for name in ("near_duplicates", "decontamination")
    }
    preparer = Preparer(CleanConfig(**dict(corpus) | disabled))
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
        raise InputError(
            "retrain.drift.path is not set: set it to the file or folder of new text; or set "
            "retrain.drift.log to the folder of a server's log of predictions."
        )
    with _settings_named():
        return digest_source(_source(config))


def _source(config: DriftConfig, corpus: CorpusConfig | None = None) -> SourceConfig:
    """Return the new text as a source, in the common language of the sources or else `auto`."""
    languages = {source.language for source in corpus.sources} if corpus else {AUTO}
    files = {name: getattr(config, name) for name in TextFilesConfig.model_fields}
    language = languages.pop() if len(languages) == 1 else AUTO
    return SourceConfig(name=NAME, language=language, **files)


@contextmanager
def _settings_named() -> Iterator[None]:
    """Replace the name of the source in errors by the settings of the new text."""
    try:
        yield
    except InputError as error:
        raise InputError(str(error).replace(f"corpus.sources[{NAME}]", "retrain.drift")) from None
