"""The content of the data section of a page: sources, filters, languages, duplicates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Source:
    """One source of raw text, with counts of kept and rejected documents."""

    name: str
    place: str
    languages: Mapping[str, int]
    """Kept documents by language, most frequent first."""
    documents_read: int
    documents_kept: int
    bytes_read: int
    bytes_kept: int
    rejected: Mapping[str, int]
    """Rejected documents by filter."""
    is_identified: bool = False
    """Whether languages were identified automatically, not configured."""
    encodings: Mapping[str, int] = field(default_factory=dict)
    """Number of files by encoding, if it is not UTF-8."""

    def main_reasons(self, max_filters: int = 3) -> list[tuple[str, int]]:
        """Return the filters that rejected the most documents, with their number."""
        used = [(name, count) for name, count in self.rejected.items() if count]
        return sorted(used, key=lambda item: -item[1])[:max_filters]


@dataclass(frozen=True)
class Rejected:
    """An example of a rejected document."""

    place: str
    detail: str
    text: str


@dataclass(frozen=True)
class Filter:
    """A filter with the number and examples of rejected documents."""

    name: str
    documents: int
    n_bytes: int | None
    """Bytes of rejected documents as they were read; None if unknown."""
    examples: tuple[Rejected, ...] = ()
    description: str = ""
    """What it filters out; empty if unknown, as for filters of earlier versions."""


@dataclass(frozen=True)
class Stage:
    """A filter in the funnel, with what remains after it."""

    filter: Filter
    documents_left: int
    bytes_left: int
    share: float
    """Share of its input documents that it rejected."""
    bytes_share: float
    """Share of all bytes read that remain."""


@dataclass(frozen=True)
class Language:
    """The kept documents in one language."""

    tag: str
    documents: int
    n_bytes: int
    bytes_per_token: float | None = None
    """On the validation split, like `tokens_per_word`."""
    tokens_per_word: float | None = None
    is_by_character: bool = False
    """Whether `tokens_per_word` is per character, as the script has no spaces."""
    bits_per_byte: float | None = None
    """By the language model, on the validation split; None: not evaluated by language."""
    unigram_bits_per_byte: float | None = None
    """The same by token frequencies."""


@dataclass(frozen=True)
class Cluster:
    """A kept document and its rejected duplicates."""

    text: str | None
    """Of the kept document; None if unknown."""
    source: str
    exact: int
    """Number of rejected exact duplicates."""
    near: int
    """Number of rejected near duplicates."""
    copy: str
    """The least similar duplicate."""
    copy_source: str
    similarity: float
    """Jaccard similarity of that duplicate, from 0 to 1."""


@dataclass(frozen=True)
class Throughput:
    """The time that a step or stage took to process text."""

    name: str
    n_bytes: int
    seconds: float
    """Wall time; for a stage, CPU time."""
    is_stage: bool = False
    """Whether it is a stage of the preceding step."""

    @property
    def bytes_per_s(self) -> float:
        """Bytes of text per second."""
        return self.n_bytes / max(self.seconds, 1e-3)


@dataclass(frozen=True)
class Histogram:
    """A histogram of document lengths."""

    edges: tuple[int, ...]
    """Edges of the bins, in characters."""
    counts: tuple[int, ...]


@dataclass(frozen=True)
class Corpus:
    """The content of the data section."""

    sources: tuple[Source, ...]
    filters: tuple[Filter, ...]
    """In the order of application."""
    languages: tuple[Language, ...]
    """By bytes, largest first."""
    changes: Mapping[str, int]
    """Numbers of repaired documents and removed lines, by change."""
    redacted: Mapping[str, int]
    """Numbers of replacements in kept documents, by placeholder."""
    tokens: Mapping[str, str]
    """Formatted facts about tokenizer and tokens."""
    contaminated: Mapping[str, int] = field(default_factory=dict)
    """Documents rejected because they contain text of a test set, by task."""
    lengths: Histogram | None = None
    clusters: tuple[Cluster, ...] = ()
    """The largest clusters of duplicates."""
    cluster_sizes: Mapping[str, int] = field(default_factory=dict)
    """Numbers of clusters, by range of the number of duplicates."""
    throughput: tuple[Throughput, ...] = ()

    @property
    def documents_read(self) -> int:
        """Documents of all sources."""
        return sum(source.documents_read for source in self.sources)

    @property
    def documents_kept(self) -> int:
        """Kept documents of all sources."""
        return sum(source.documents_kept for source in self.sources)

    @property
    def bytes_read(self) -> int:
        """Bytes of all readable documents."""
        return sum(source.bytes_read for source in self.sources)

    @property
    def bytes_kept(self) -> int:
        """Bytes of all kept documents, after all changes."""
        return sum(source.bytes_kept for source in self.sources)

    def funnel(self) -> list[Stage]:
        """Return the remaining documents and bytes after each filter."""
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
        """Bytes removed from kept documents by repair, stripping and redaction."""
        rejected = sum(item.n_bytes or 0 for item in self.filters)
        return self.bytes_read - rejected - self.bytes_kept
