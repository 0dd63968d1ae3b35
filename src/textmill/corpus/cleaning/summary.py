"""Counts of documents read, kept, rejected and changed, as one value and as flat metrics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from textmill.config import CleanConfig
from textmill.corpus.cleaning.document import Prepared, Rejection
from textmill.corpus.cleaning.filters.contract import CHANGE_PREFIXES, Reason
from textmill.corpus.cleaning.filters.unreadable import UnreadableRecord
from textmill.corpus.task_texts import TEST, task_names
from textmill.safety.placeholders import PLACEHOLDERS

SPLITS = ("train", "validation")
REDACTED = "redacted_"
REJECTED = "rejected_"
CHANGES = ("repaired_", "stripped_", *CHANGE_PREFIXES, REDACTED, "extracted_")
"""Prefixes of the metrics of changes."""
_ALWAYS = {"repaired_unicode", "stripped_html", *(f"{REDACTED}{kind}" for kind in PLACEHOLDERS)}
_NUMBERS = ("documents_read", "documents_kept", "bytes_read", "bytes_kept")
_PREFIXES = {
    "bytes_rejected_": "rejected_bytes",
    "bytes_language_": "language_bytes",
    REJECTED: "rejected",
    "contaminated_": "contaminated",
    "language_": "languages",
    "files_in_": "encodings",
    "documents_": "splits",
}
"""Prefixes of metrics for the counters of `Counts`; the first prefix that matches is used."""


@dataclass
class Counts:
    """Counts of one source, or of all sources.

    Every document read is either kept, or rejected for one reason. Changes are counted in kept
    documents. Bytes of rejected documents are those of their raw text.
    """

    documents_read: int = 0
    documents_kept: int = 0
    bytes_read: int = 0
    bytes_kept: int = 0
    splits: Counter[str] = field(default_factory=Counter)
    """Kept documents, by split."""
    rejected: Counter[str] = field(default_factory=Counter)
    """Rejected documents, by filter."""
    rejected_bytes: Counter[str] = field(default_factory=Counter)
    """Bytes of rejected documents, by filter; unreadable records have no size."""
    contaminated: Counter[str] = field(default_factory=Counter)
    """Documents rejected because they share text with a test set, by task."""
    changes: Counter[str] = field(default_factory=Counter)
    """Changes, by the name of the metric."""
    languages: Counter[str] = field(default_factory=Counter)
    """Kept documents, by BCP 47 tag."""
    language_bytes: Counter[str] = field(default_factory=Counter)
    """Bytes of kept documents, by BCP 47 tag."""
    encodings: Counter[str] = field(default_factory=Counter)
    """Files in an encoding other than UTF-8, by encoding."""

    @classmethod
    def of_metrics(cls, metrics: Mapping[str, float]) -> Self:
        """Return the counts in flat metrics; other metrics are ignored."""
        counts = cls()
        for name, value in metrics.items():
            if name in _NUMBERS:
                setattr(counts, name, int(value))
            elif name.startswith(CHANGES):
                counts.changes[name] = int(value)
            elif prefix := next(filter(name.startswith, _PREFIXES), None):
                getattr(counts, _PREFIXES[prefix])[name.removeprefix(prefix)] = int(value)
        return counts

    def metrics(self) -> dict[str, int]:
        """Return the counts, by the name of the metric."""
        flat = {name: getattr(self, name) for name in _NUMBERS}
        for prefix, counter in _PREFIXES.items():
            flat |= {f"{prefix}{name}": n for name, n in getattr(self, counter).items()}
        return flat | self.changes

    def add(self, other: Counts) -> None:
        """Add other counts to these."""
        for name in _NUMBERS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for counter in (*_PREFIXES.values(), "changes"):
            getattr(self, counter).update(getattr(other, counter))

    def keep(self, document: Prepared, split: str) -> None:
        """Count a kept document."""
        self.bytes_read += document.bytes_read
        self.documents_kept += 1
        self.bytes_kept += document.n_bytes
        self.splits[split] += 1
        self.languages[document.language] += 1
        self.language_bytes[document.language] += document.n_bytes
        self.changes.update(document.changes)

    def reject(self, rejection: Rejection, n_bytes: int | None) -> None:
        """Count a rejected document.

        Args:
            rejection: the reason.
            n_bytes: size of the raw text; None for an unreadable record.
        """
        self.rejected[rejection.reason] += 1
        self.contaminated.update(rejection.contaminates)
        if n_bytes is not None:
            self.bytes_read += n_bytes
            self.rejected_bytes[rejection.reason] += n_bytes

    @property
    def redacted(self) -> dict[str, int]:
        """Replacements in kept documents, by kind of personal data."""
        return {
            name.removeprefix(REDACTED): count
            for name, count in self.changes.items()
            if name.startswith(REDACTED)
        }

    @property
    def bytes_by_language(self) -> dict[str, int]:
        """Bytes of kept documents by language, in descending order."""
        return dict(sorted(self.language_bytes.items(), key=lambda item: (-item[1], item[0])))


@dataclass
class Summary:
    """The counts of a cleaned corpus, in total and per source."""

    total: Counts
    """Counts of all sources, including those that are 0."""
    sources: dict[str, Counts] = field(default_factory=dict)

    @classmethod
    def begin(cls, config: CleanConfig, filters: Iterable[Reason]) -> Self:
        """Return an empty summary in which the counts of all enabled filters are 0."""
        filters = [one for one in filters if one.is_enabled(config)]
        sized = [one.name for one in filters if not isinstance(one, UnreadableRecord)]
        folder = config.task_texts_folder
        tests = () if folder is None else task_names(Path(folder), TEST)
        changes = {*_ALWAYS, *(change for one in filters for change in one.changes)}
        total = Counts(
            splits=_zeros(SPLITS),
            rejected=_zeros(one.name for one in filters),
            rejected_bytes=_zeros(sized),
            contaminated=_zeros(tests),
            changes=_zeros(changes),
        )
        return cls(total)

    def add(self, source: str, counts: Counts) -> None:
        """Add the counts of a source."""
        self.sources[source] = counts
        self.total.add(counts)

    @classmethod
    def of_metrics(cls, metrics: Mapping[str, float], sources: Iterable[str] = ()) -> Self:
        """Return the summary in flat metrics.

        Args:
            metrics: metrics of the step `clean`, of this version or an earlier one.
            sources: names of the sources to include.
        """
        own: dict[str, dict[str, float]] = {source: {} for source in sources}
        total: dict[str, float] = {}
        for name, value in metrics.items():
            count, _, source = name.partition("/")
            if not source:
                total[count] = value
            elif source in own:
                own[source][count] = value
        of_sources = {source: Counts.of_metrics(values) for source, values in own.items()}
        return cls(Counts.of_metrics(total), of_sources)

    def metrics(self) -> dict[str, int]:
        """Return the total counts, and the counts of each source as `<count>/<source>`."""
        metrics = self.total.metrics()
        for source, counts in self.sources.items():
            own = counts.metrics()
            metrics |= {f"{name}/{source}": own.get(name, 0) for name in self.total.metrics()}
        return metrics


def _zeros(names: Iterable[str]) -> Counter[str]:
    return Counter(dict.fromkeys(names, 0))
