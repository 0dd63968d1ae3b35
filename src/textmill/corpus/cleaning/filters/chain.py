"""Every filter, in the order in which they act."""

from __future__ import annotations

from collections.abc import Iterable

from textmill.config import CorpusConfig
from textmill.corpus.cleaning.dedup.exact_duplicates import ExactDuplicates
from textmill.corpus.cleaning.dedup.near_duplicates import NearDuplicates
from textmill.corpus.cleaning.dedup.repeated_lines import RepeatedLines
from textmill.corpus.cleaning.filters.c4 import C4
from textmill.corpus.cleaning.filters.contamination import Contamination
from textmill.corpus.cleaning.filters.contract import Reason
from textmill.corpus.cleaning.filters.fineweb import FineWeb
from textmill.corpus.cleaning.filters.gopher_quality import GopherQuality
from textmill.corpus.cleaning.filters.gopher_repetition import GopherRepetition
from textmill.corpus.cleaning.filters.other_language import OtherLanguage
from textmill.corpus.cleaning.filters.too_short import TooShort
from textmill.corpus.cleaning.filters.unreadable import EmptyPage, UnreadableRecord

FILTERS: tuple[Reason, ...] = (
    UnreadableRecord(),
    EmptyPage(),
    TooShort(),
    OtherLanguage(),
    GopherRepetition(),  # the quality filters stand in the order of FineWeb
    GopherQuality(),
    C4(),
    FineWeb(),
    TooShort(),  # again, for what C4 leaves
    Contamination(),
    ExactDuplicates(),
    RepeatedLines(),
    NearDuplicates(),
)


def filters_of(config: CorpusConfig) -> tuple[Reason, ...]:
    """Return the filters of a corpus in order, those that are off too; one may stand there twice.

    Everything that runs, counts, describes or orders filters asks this function.
    """
    return FILTERS


def described(config: CorpusConfig) -> dict[str, str]:
    """Return what each filter that is on filters out, by name and in order."""
    return {one.name: one.describe(config) for one in filters_of(config) if one.is_enabled(config)}


def in_order(names: Iterable[str], config: CorpusConfig) -> list[str]:
    """Return names of filters in the order in which they act, any others at the end."""
    places: dict[str, int] = {}
    for place, one in enumerate(filters_of(config)):
        places.setdefault(one.name, place)
    return sorted(names, key=lambda name: (places.get(name, len(places)), name))
