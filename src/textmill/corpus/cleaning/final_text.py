"""The final text of a document, repaired and without markup and personal data; its language."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from textmill.config import AUTO, CorpusConfig
from textmill.corpus.cleaning.document import Document
from textmill.corpus.cleaning.filters.unreadable import EmptyPage
from textmill.corpus.cleaning.language import UNKNOWN, identify_language
from textmill.corpus.cleaning.repair import cleaning_steps, replace_surrogates
from textmill.corpus.reading.html import NoMainContent
from textmill.corpus.reading.sources import RawDocument
from textmill.safety.placeholders import PLACEHOLDERS
from textmill.safety.redaction import redact
from textmill.stage_times import StageTimer

COUNTED = ("repaired_unicode", "stripped_html", "extracted_html")
"""Names of the changes that are counted."""


class FinalTexts:
    """Computes the final texts of documents; stateless, so that it can run in any process."""

    def __init__(self, config: CorpusConfig) -> None:
        self._config = config
        self._steps = cleaning_steps(config)
        self._html_steps = cleaning_steps(config, is_html=True)

    def documents(self, raw: Sequence[RawDocument], timer: StageTimer) -> list[Document]:
        """Return documents with final text and language; pages without main content are rejected.

        Args:
            raw: documents as read.
            timer: measures each change, redaction and language identification as stages.
        """
        documents = [
            Document(one.text, one.language, len(one.text.encode(errors="surrogatepass")))
            for one in raw
        ]
        for steps, is_html in ((self._steps, False), (self._html_steps, True)):
            pairs = zip(raw, documents, strict=True)
            chosen = [document for one, document in pairs if one.is_html is is_html]
            self._change(steps, chosen, timer)
        self._redact(documents)
        for one, document in zip(raw, documents, strict=True):
            if one.is_redacted and document.rejection is None:
                document.changes |= _count_placeholders(document.text)
        timer.end("redaction")
        unknown = [document for document in documents if document.language == AUTO]
        for document in unknown:
            document.language = self._language(document)
        if unknown:
            timer.end("language")
        return documents

    def final_text(self, text: str) -> str:
        """Return the text after repair and redaction, as a document would have it."""
        document = Document(text, UNKNOWN)
        self._change(self._steps, [document], StageTimer())
        self._redact([document])
        return document.text

    def _change(
        self,
        steps: Mapping[str, Callable[[str], str]],
        documents: Sequence[Document],
        timer: StageTimer,
    ) -> None:
        """Apply the changes and count them, one change at a time so that each is measured."""
        if not documents:
            return
        for name, change in steps.items():
            for document in documents:
                if document.rejection is not None:
                    continue
                try:
                    changed = change(document.text)
                except NoMainContent as error:
                    document.rejection = EmptyPage().reject(str(error))
                    document.text = replace_surrogates(document.text)
                    continue
                if changed != document.text:
                    document.text = changed
                    if name in COUNTED:
                        document.changes[name] = 1
            timer.end(name)

    def _redact(self, documents: Sequence[Document]) -> None:
        for document in documents:
            document.text, replaced = redact(document.text, self._config.redaction)
            if document.rejection is None:
                found = {f"redacted_{kind}": count for kind, count in replaced.items() if count}
                document.changes |= found

    def _language(self, document: Document) -> str:
        # Identification is slower than most filters: skip documents that are too short to keep.
        if document.rejection is not None or len(document.text) < self._config.min_chars:
            return UNKNOWN
        return identify_language(document.text)


def _count_placeholders(text: str) -> dict[str, int]:
    counts = {f"redacted_{kind}": text.count(word) for kind, word in PLACEHOLDERS.items()}
    return {name: count for name, count in counts.items() if count}
