"""The chain of filters, in the order of application."""

from __future__ import annotations

import re
from collections.abc import Iterable

from textmill.config import CorpusConfig
from textmill.config.extensions import modules
from textmill.corpus.cleaning.dedup.exact_duplicates import ExactDuplicates
from textmill.corpus.cleaning.dedup.near_duplicates import NearDuplicates
from textmill.corpus.cleaning.dedup.repeated_lines import RepeatedLines
from textmill.corpus.cleaning.filters.c4 import C4
from textmill.corpus.cleaning.filters.contamination import Contamination
from textmill.corpus.cleaning.filters.contract import (
    CHANGE_PREFIXES,
    Filter,
    Reason,
    SequenceFilter,
)
from textmill.corpus.cleaning.filters.fineweb import FineWeb
from textmill.corpus.cleaning.filters.gopher_quality import GopherQuality
from textmill.corpus.cleaning.filters.gopher_repetition import GopherRepetition
from textmill.corpus.cleaning.filters.other_language import OtherLanguage
from textmill.corpus.cleaning.filters.too_short import TooShort
from textmill.corpus.cleaning.filters.unreadable import EmptyPage, UnreadableRecord
from textmill.errors import InputError

_NAME = re.compile("[a-z][a-z0-9_]*")
_SECOND_TOO_SHORT = TooShort()
"""Rejects documents that are too short after the quality filters have changed their text."""

FILTERS: tuple[Reason, ...] = (
    UnreadableRecord(),
    EmptyPage(),
    TooShort(),
    OtherLanguage(),
    GopherRepetition(),  # the quality filters are in FineWeb's order
    GopherQuality(),
    C4(),
    FineWeb(),
    _SECOND_TOO_SHORT,
    Contamination(),
    ExactDuplicates(),
    RepeatedLines(),
    NearDuplicates(),
)


def filters_of(config: CorpusConfig) -> tuple[Reason, ...]:
    """Return the filters of a corpus in order, including disabled ones; a name may occur twice.

    Everything that runs, counts, describes or orders filters uses this function. The filters of
    extensions follow the quality filters; their sequence filters come last.

    Raises:
        InputError: an extension defines an object that is not a filter, or a name that is in use.
    """
    extensions = _extension_filters(config)
    single = [one for one in extensions if not isinstance(one, SequenceFilter)]
    in_sequence = [one for one in extensions if isinstance(one, SequenceFilter)]
    position = next(i for i, one in enumerate(FILTERS) if one is _SECOND_TOO_SHORT)
    return (*FILTERS[:position], *single, *FILTERS[position:], *in_sequence)


def _extension_filters(config: CorpusConfig) -> list[Reason]:
    """Return the validated filters of extensions."""
    taken = {one.name for one in FILTERS}
    found: list[Reason] = []
    for module in modules(config.filters):
        for one in getattr(module, "FILTERS", ()):
            if not isinstance(one, Filter | SequenceFilter):
                raise InputError(
                    f"extensions: FILTERS of {module.__file__} contains {one!r}, which is not a "
                    "filter: use an instance of a subclass of "
                    "textmill.corpus.cleaning.filters.Filter or SequenceFilter."
                )
            name = getattr(one, "name", None)
            if not isinstance(name, str) or not _NAME.fullmatch(name) or name in taken:
                problem = "already in use" if name in taken else "not a lower-case identifier"
                raise InputError(
                    f"extensions: the filter {type(one).__name__} of {module.__file__} has the "
                    f"name {name!r}, which is {problem}: set a different name in its class."
                )
            if wrong := [c for c in one.changes if not c.startswith(CHANGE_PREFIXES)]:
                raise InputError(
                    f"extensions: the filter {name!r} of {module.__file__} counts {wrong[0]!r}: "
                    f"start the name with {' or '.join(CHANGE_PREFIXES)}."
                )
            taken.add(name)
            found.append(one)
    return found


def described(config: CorpusConfig) -> dict[str, str]:
    """Return the descriptions of the enabled filters, by name and in order."""
    return {one.name: one.describe(config) for one in filters_of(config) if one.is_enabled(config)}


def in_order(names: Iterable[str], config: CorpusConfig) -> list[str]:
    """Return names of filters in the order of the chain, unknown names at the end."""
    positions: dict[str, int] = {}
    for position, one in enumerate(filters_of(config)):
        positions.setdefault(one.name, position)
    return sorted(names, key=lambda name: (positions.get(name, len(positions)), name))
