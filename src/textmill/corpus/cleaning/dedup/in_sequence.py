"""Applies sequence filters, which compare each document with earlier ones."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from textmill.config import CleanConfig
from textmill.corpus.cleaning.dedup.fingerprints import Fingerprinter
from textmill.corpus.cleaning.document import Decision, Edit, Prepared, Rejection, Verdict
from textmill.corpus.cleaning.filters.chain import filters_of
from textmill.corpus.cleaning.filters.contract import SequenceFilter


class InSequence:
    """Decides on documents by the sequence filters, in the order of the chain.

    Args:
        config: the settings of the filters.
        folder: a folder for temporary files.
    """

    def __init__(self, config: CleanConfig, folder: Path) -> None:
        self._config = config
        self._folder = folder
        self._fingerprinter = Fingerprinter(config)
        self._judges: list[tuple[SequenceFilter, Callable[[Prepared], Verdict]]] = []
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        for one in filters_of(self._config):
            if isinstance(one, SequenceFilter) and one.is_enabled(self._config):
                judge = self._stack.enter_context(one.judging(self._config, self._folder))
                self._judges.append((one, judge))
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def decide(self, document: Prepared) -> Decision:
        """Return the decision on a document; must be called once per document, in order."""
        text, rejection = document.text, document.rejection
        examples: tuple[tuple[str, Rejection], ...] = ()
        for position, (_, judge) in enumerate(self._judges):
            if rejection is not None:
                break
            verdict = judge(document)
            if isinstance(verdict, Edit):
                examples += verdict.examples
                rejection = self._edit(document, verdict, position)
            else:
                rejection = verdict
        return Decision(document, rejection, text, examples)

    def _edit(self, document: Prepared, edit: Edit, position: int) -> Rejection | None:
        """Change a document; return the rejection of its new text, if any."""
        if edit.rejection is not None:
            return edit.rejection
        self._fingerprinter.change(document, edit.text)
        document.changes |= edit.changes
        for one, judge in self._judges[:position]:
            if one.judges_again and (verdict := judge(document)) is not None:
                assert isinstance(verdict, Rejection), f"{one.name} judges again and changes texts"
                return verdict
        return None
