"""What a filter is: a plain object with a name that judges documents.

Counts, the folder `rejected/`, metrics, the report and model cards follow from its attributes. One
that travels to worker processes is pickled, so its class has to be importable there.
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
    """A reason why documents are rejected."""

    name: str
    """As it stands in `rejected/`: lower-case words joined by underscores. The number of documents
    is the metric `rejected_<name>`."""
    description: str = ""
    """What is filtered out, as a noun phrase such as "text in capitals"; empty: its name."""
    changes: tuple[str, ...] = ()
    """Names of the metrics that count what it changes in documents that are kept; they begin with
    "dropped_" or "changed_"."""

    def is_enabled(self, config: CorpusConfig) -> bool:
        """Return whether it acts; its metrics then stand there even if nothing is rejected."""
        return True

    def describe(self, config: CorpusConfig) -> str:
        """Return what is filtered out with these settings."""
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
    """A filter that judges each document by itself, so that any process can do it."""

    def configured(self, config: CleanConfig) -> Filter:
        """Return the filter as it judges with these settings; once a run, before any document.

        Raises:
            InputError: what the settings name cannot be read.
            RunError: the hub cannot be reached.
        """
        return self

    @abstractmethod
    def judge(self, documents: Sequence[Document]) -> Iterable[Verdict]:
        """Return or yield a verdict for each document of a batch, in order; change none of them."""


class SequenceFilter(Reason, ABC):
    """A filter that judges documents in the order in which they were read, by those before."""

    judges_again: bool = False
    """Whether it judges a document again when a later filter of this sort has changed its text."""

    @abstractmethod
    def judging(
        self, config: CleanConfig, folder: Path
    ) -> AbstractContextManager[Callable[[Prepared], Verdict]]:
        """Return a context that gives the function that judges the documents of one run.

        It is called for each document that nothing before has rejected, and has to remember what
        it compares later ones with.

        Args:
            config: the settings.
            folder: where temporary files may be made.
        """
