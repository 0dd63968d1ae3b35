"""The interface of filters: objects with a name that judge documents.

Counts, the folder `rejected/`, metrics, the report and model cards are derived from the attributes
of a filter. Filters are pickled to worker processes, so their classes must be importable there.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from textmill.config import CleanConfig, CorpusConfig
from textmill.corpus.cleaning.document import Document, Prepared, Rejection, Verdict

CHANGE_PREFIXES = ("dropped_", "changed_")


class Reason:
    """A reason for rejecting documents."""

    name: str
    """The reason in `rejected/`: lower-case words joined by underscores. The number of rejected
    documents is the metric `rejected_<name>`."""
    description: str = ""
    """The documents that are rejected, as a noun phrase such as "text in capitals"; defaults to the
    name."""
    changes: tuple[str, ...] = ()
    """Names of metrics that count its changes in kept documents; they start with "dropped_" or
    "changed_"."""

    def is_enabled(self, config: CorpusConfig) -> bool:
        """Return whether it is enabled; its metrics are then logged even if they are 0."""
        return True

    def describe(self, config: CorpusConfig) -> str:
        """Return a description of the documents that are rejected with these settings."""
        return self.description or self.name.replace("_", " ")

    def reject(
        self,
        detail: str = "",
        *,
        duplicate_of: str | None = None,
        similarity: float | None = None,
        contaminates: tuple[str, ...] = (),
    ) -> Rejection:
        """Return the rejection of a document for this reason."""
        return Rejection(self.name, detail, duplicate_of, similarity, contaminates)


class Filter(Reason, ABC):
    """A filter that judges each document independently, so that it can run in any process."""

    def configured(self, config: CleanConfig) -> Filter:
        """Return the filter with these settings; called once per run, before any document.

        Raises:
            InputError: a file named by the settings cannot be read.
            RunError: the hub cannot be reached.
        """
        return self

    @abstractmethod
    def judge(self, documents: Sequence[Document]) -> Iterable[Verdict]:
        """Return or yield a verdict for each document of a batch, in order; modify none of them."""


class SequenceFilter(Reason, ABC):
    """A filter that compares documents with earlier ones, in the order in which they were read."""

    judges_again: bool = False
    """Whether it judges a document again after a later sequence filter has changed its text."""

    @abstractmethod
    def judging(
        self, config: CleanConfig, folder: Path
    ) -> AbstractContextManager[Callable[[Prepared], Verdict]]:
        """Return a context manager that yields the function to judge the documents of one run.

        The function is called for each document that no previous filter has rejected, and must
        remember what later documents are compared with.

        Args:
            config: the settings.
            folder: a folder for temporary files.
        """
