"""What the data part of a page says: what text went in, what was rejected and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Source:
    """One source of raw text, and what became of it."""

    name: str
    place: str
    languages: Mapping[str, int]
    """Documents kept by language, the commonest first."""
    documents_read: int
    documents_kept: int
    bytes_read: int
    bytes_kept: int
    rejected: Mapping[str, int]
    """Documents by the filter that rejected them."""
    is_identified: bool = False
    """Whether the languages are those found, not what the configuration says."""
    encodings: Mapping[str, int] = field(default_factory=dict)
    """Files that were read in another encoding than UTF-8, by its name."""

    def main_reasons(self, most: int = 3) -> list[tuple[str, int]]:
        """Return the filters that have rejected most, with the number of documents."""
        used = [(name, count) for name, count in self.rejected.items() if count]
        return sorted(used, key=lambda item: -item[1])[:most]


@dataclass(frozen=True)
class Rejected:
    """An example of a rejected document."""

    place: str
    detail: str
    text: str


@dataclass(frozen=True)
class Filter:
    """A filter, and what it has rejected."""

    name: str
    documents: int
    n_bytes: int | None
    """Bytes as they were read; None if they are not known."""
    examples: tuple[Rejected, ...] = ()
    description: str = ""
    """What it filters out; empty if that is not known, as of a filter of an earlier version."""


@dataclass(frozen=True)
class Stage:
    """A filter in the funnel: what it was given and what it has left."""

    filter: Filter
    documents_left: int
    bytes_left: int
    share: float
    """Of the documents that it was given, those that it rejected."""
    bytes_share: float
    """Of all bytes read, those that are left."""


@dataclass(frozen=True)
class Language:
    """What was kept in one language."""

    tag: str
    documents: int
    n_bytes: int
    bytes_per_token: float | None = None
    """On the validation split, as the tokens of a word."""
    tokens_per_word: float | None = None
    is_by_character: bool = False
    """Whether they are tokens of a character, as the script has no spaces."""


@dataclass(frozen=True)
class Cluster:
    """A document that was kept, and its duplicates that were not."""

    text: str | None
    """Of the document that was kept; None if that is not known."""
    source: str
    exact: int
    """Duplicates of it that were rejected, the same or nearly so."""
    near: int
    copy: str
    """The duplicate that is least like it."""
    copy_source: str
    similarity: float
    """Of that one, from 0 to 1 (Jaccard)."""


@dataclass(frozen=True)
class Throughput:
    """How long it took to get through some text."""

    name: str
    n_bytes: int
    seconds: float
    """Of wall time; of a stage, of one processor core's."""
    is_stage: bool = False
    """Whether it is a part of the step before it."""

    @property
    def bytes_per_s(self) -> float:
        """Bytes of text a second."""
        return self.n_bytes / max(self.seconds, 1e-3)


@dataclass(frozen=True)
class Histogram:
    """How many documents have which length."""

    edges: tuple[int, ...]
    """Where each bin begins, in characters, and where the last one ends."""
    counts: tuple[int, ...]


@dataclass(frozen=True)
class Corpus:
    """What text went in and how it was changed."""

    sources: tuple[Source, ...]
    filters: tuple[Filter, ...]
    """In the order in which they act."""
    languages: tuple[Language, ...]
    """By bytes, the largest first."""
    changes: Mapping[str, int]
    """Documents repaired, and lines removed, by the name of the change."""
    redacted: Mapping[str, int]
    """Replacements in what was kept by placeholder."""
    tokens: Mapping[str, str]
    """Facts about tokenizer and tokens, in words."""
    contaminated: Mapping[str, int] = field(default_factory=dict)
    """Documents rejected because they hold text of a task's test set, by task."""
    lengths: Histogram | None = None
    clusters: tuple[Cluster, ...] = ()
    """The largest clusters of duplicates."""
    cluster_sizes: Mapping[str, int] = field(default_factory=dict)
    """Clusters by the number of their duplicates, in words."""
    throughput: tuple[Throughput, ...] = ()

    @property
    def documents_read(self) -> int:
        """Documents of all sources."""
        return sum(source.documents_read for source in self.sources)

    @property
    def documents_kept(self) -> int:
        """Documents of all sources that were kept."""
        return sum(source.documents_kept for source in self.sources)

    @property
    def bytes_read(self) -> int:
        """Bytes of all documents that could be read."""
        return sum(source.bytes_read for source in self.sources)

    @property
    def bytes_kept(self) -> int:
        """Bytes of all documents that were kept, after all changes."""
        return sum(source.bytes_kept for source in self.sources)

    def funnel(self) -> list[Stage]:
        """Return what is left after each filter."""
        documents, n_bytes = self.documents_read, self.bytes_read
        stages = []
        for item in self.filters:
            share = item.documents / max(1, documents)
            documents, n_bytes = documents - item.documents, n_bytes - (item.n_bytes or 0)
            bytes_share = n_bytes / max(1, self.bytes_read)
            stages.append(Stage(item, documents, n_bytes, share, bytes_share))
        return stages

    @property
    def bytes_changed(self) -> int:
        """Bytes that documents kept have lost by being repaired, stripped and redacted."""
        rejected = sum(item.n_bytes or 0 for item in self.filters)
        return self.bytes_read - rejected - self.bytes_kept
