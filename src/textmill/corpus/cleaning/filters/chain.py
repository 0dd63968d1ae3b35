"""Every filter, in the order in which they act."""

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
_AGAIN = TooShort()
"""Judges what filters leave that change texts."""

FILTERS: tuple[Reason, ...] = (
    UnreadableRecord(),
    EmptyPage(),
    TooShort(),
    OtherLanguage(),
    GopherRepetition(),  # the quality filters stand in the order of FineWeb
    GopherQuality(),
    C4(),
    FineWeb(),
    _AGAIN,
    Contamination(),
    ExactDuplicates(),
    RepeatedLines(),
    NearDuplicates(),
)


def filters_of(config: CorpusConfig) -> tuple[Reason, ...]:
    """Return the filters of a corpus in order, those that are off too; one may stand there twice.

    Everything that runs, counts, describes or orders filters asks this function. The filters of
    extensions follow the quality filters; those that compare documents come last.

    Raises:
        InputError: an extension defines what is no filter, or one with a name that is taken.
    """
    further = _further(config)
    by_themselves = [one for one in further if not isinstance(one, SequenceFilter)]
    in_sequence = [one for one in further if isinstance(one, SequenceFilter)]
    place = next(place for place, one in enumerate(FILTERS) if one is _AGAIN)
    return (*FILTERS[:place], *by_themselves, *FILTERS[place:], *in_sequence)


def _further(config: CorpusConfig) -> list[Reason]:
    """Return the filters of extensions, by the contract of all others."""
    taken = {one.name for one in FILTERS}
    found: list[Reason] = []
    for module in modules(config.filters):
        for one in getattr(module, "FILTERS", ()):
            if not isinstance(one, Filter | SequenceFilter):
                raise InputError(
                    f"extensions: FILTERS of {module.__file__} holds {one!r}, which is no filter: "
                    "give it an instance of a class made from textmill.corpus.cleaning.filters."
                    "Filter or SequenceFilter."
                )
            name = getattr(one, "name", None)
            if not isinstance(name, str) or not _NAME.fullmatch(name) or name in taken:
                problem = "which is taken" if name in taken else "which is no lower-case word"
                raise InputError(
                    f"extensions: a filter of {module.__file__} ({type(one).__name__}) is called "
                    f"{name!r}, {problem}: give its class another name."
                )
            if wrong := [c for c in one.changes if not c.startswith(CHANGE_PREFIXES)]:
                raise InputError(
                    f"extensions: the filter {name!r} of {module.__file__} counts {wrong[0]!r}: "
                    f"begin the name with {' or '.join(CHANGE_PREFIXES)}."
                )
            taken.add(name)
            found.append(one)
    return found


def described(config: CorpusConfig) -> dict[str, str]:
    """Return what each filter that is on filters out, by name and in order."""
    return {one.name: one.describe(config) for one in filters_of(config) if one.is_enabled(config)}


def in_order(names: Iterable[str], config: CorpusConfig) -> list[str]:
    """Return names of filters in the order in which they act, any others at the end."""
    places: dict[str, int] = {}
    for place, one in enumerate(filters_of(config)):
        places.setdefault(one.name, place)
    return sorted(names, key=lambda name: (places.get(name, len(places)), name))
