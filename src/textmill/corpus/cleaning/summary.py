"""What a cleaning has read, kept, rejected and changed; as one value, and as flat metrics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

from textmill.config import CleanConfig
from textmill.corpus.cleaning.document import Prepared, Rejection
from textmill.corpus.cleaning.filters.contract import CHANGE_PREFIXES, Reason
from textmill.corpus.cleaning.filters.unreadable import UnreadableRecord
from textmill.safety.placeholders import PLACEHOLDERS

SPLITS = ("train", "validation")
REDACTED = "redacted_"
REJECTED = "rejected_"
CHANGES = ("repaired_", "stripped_", *CHANGE_PREFIXES, REDACTED, "extracted_")
"""How names of changes begin."""
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
"""How metrics begin of the counters of `Counts`; a name has the first prefix that fits."""


@dataclass
class Counts:
    """What was counted of one source, or of all.

    The documents read are those kept and those rejected, each for one reason. Changes are counted
    in the documents kept. Bytes of what was rejected are those read.
    """

    documents_read: int = 0
    documents_kept: int = 0
    bytes_read: int = 0
    bytes_kept: int = 0
    splits: Counter[str] = field(default_factory=Counter)
    """Documents kept."""
    rejected: Counter[str] = field(default_factory=Counter)
    """Documents by the filter that rejected them."""
    rejected_bytes: Counter[str] = field(default_factory=Counter)
    """A record that cannot be read has no size."""
    contaminated: Counter[str] = field(default_factory=Counter)
    """Documents rejected because they share text with a test set, by its task."""
    changes: Counter[str] = field(default_factory=Counter)
    """By the names of metrics."""
    languages: Counter[str] = field(default_factory=Counter)
    """Documents kept, by BCP 47 tag."""
    language_bytes: Counter[str] = field(default_factory=Counter)
    encodings: Counter[str] = field(default_factory=Counter)
    """Files that were read in another encoding than UTF-8."""

    @classmethod
    def of_metrics(cls, metrics: Mapping[str, float]) -> Self:
        """Return what flat metrics say; names that are no counts of a cleaning are left out."""
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
        """Return the counts by the names of metrics."""
        flat = {name: getattr(self, name) for name in _NUMBERS}
        for prefix, counter in _PREFIXES.items():
            flat |= {f"{prefix}{name}": n for name, n in getattr(self, counter).items()}
        return flat | self.changes

    def add(self, other: Counts) -> None:
        """Add what was counted elsewhere."""
        for name in _NUMBERS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for counter in (*_PREFIXES.values(), "changes"):
            getattr(self, counter).update(getattr(other, counter))

    def keep(self, document: Prepared, split: str) -> None:
        """Count a document that is kept."""
        self.bytes_read += document.bytes_read
        self.documents_kept += 1
        self.bytes_kept += document.n_bytes
        self.splits[split] += 1
        self.languages[document.language] += 1
        self.language_bytes[document.language] += document.n_bytes
        self.changes.update(document.changes)

    def reject(self, rejection: Rejection, n_bytes: int | None) -> None:
        """Count a document that is rejected.

        Args:
            rejection: why.
            n_bytes: as it was read; None for a record that could not be.
        """
        self.rejected[rejection.reason] += 1
        self.contaminated.update(rejection.contaminates)
        if n_bytes is not None:
            self.bytes_read += n_bytes
            self.rejected_bytes[rejection.reason] += n_bytes

    @property
    def redacted(self) -> dict[str, int]:
        """Replacements in what was kept, by kind of personal data."""
        return {
            name.removeprefix(REDACTED): count
            for name, count in self.changes.items()
            if name.startswith(REDACTED)
        }

    @property
    def bytes_by_language(self) -> dict[str, int]:
        """Bytes kept by language, the most first."""
        return dict(sorted(self.language_bytes.items(), key=lambda item: (-item[1], item[0])))


@dataclass
class Summary:
    """What a cleaning has come to."""

    total: Counts
    """Of all sources, with every name that is counted, some of them 0."""
    sources: dict[str, Counts] = field(default_factory=dict)

    @classmethod
    def begin(cls, config: CleanConfig, filters: Iterable[Reason]) -> Self:
        """Return a summary before any document, with the names of all that is looked for."""
        filters = [one for one in filters if one.is_enabled(config)]
        sized = [one.name for one in filters if not isinstance(one, UnreadableRecord)]
        tests = config.test_sets if config.decontamination.enabled else ()
        changes = {*_ALWAYS, *(change for one in filters for change in one.changes)}
        total = Counts(
            splits=_zeros(SPLITS),
            rejected=_zeros(one.name for one in filters),
            rejected_bytes=_zeros(sized),
            contaminated=_zeros(test_set.name for test_set in tests),
            changes=_zeros(changes),
        )
        return cls(total)

    def add(self, source: str, counts: Counts) -> None:
        """Add what was counted of a source."""
        self.sources[source] = counts
        self.total.add(counts)

    @classmethod
    def of_metrics(cls, metrics: Mapping[str, float], sources: Iterable[str] = ()) -> Self:
        """Return the summary that flat metrics were made from.

        Args:
            metrics: of the clean step, of this version or an earlier one.
            sources: the names of the sources that are wanted by themselves.
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
        """Return every count of the whole, and that of each source as `<count>/<source>`."""
        metrics = self.total.metrics()
        for source, counts in self.sources.items():
            own = counts.metrics()
            metrics |= {f"{name}/{source}": own.get(name, 0) for name in self.total.metrics()}
        return metrics


def _zeros(names: Iterable[str]) -> Counter[str]:
    return Counter(dict.fromkeys(names, 0))
