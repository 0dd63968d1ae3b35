"""What filters decided about a text, and how often."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from threading import Lock
from typing import Any

from textmill.config import FilterAction, FilterSide

log = logging.getLogger(__name__)

Count = tuple[str, FilterAction, FilterSide, str]
"""Category, action, side, and language; the language is empty if it is unknown."""


@dataclass(frozen=True)
class Decision:
    """What was done about a part of a text."""

    category: str
    action: FilterAction
    side: FilterSide
    start: int
    """Offset in the text before anything was masked; in an output, in all of it."""
    end: int
    """Exclusive."""
    language: str | None = None
    """That of the shipped list; None: found by the user's patterns, a model, or redaction."""

    def shown(self) -> dict[str, Any]:
        """Return it for a response, as plain values; without the text."""
        return asdict(self)


class FilterCounts:
    """The numbers of decisions since the start of a process; several threads may add to them."""

    def __init__(self) -> None:
        self._counts: Counter[Count] = Counter()
        self._lock = Lock()

    def record(self, decisions: Iterable[Decision]) -> None:
        """Count the decisions about a text, and log their numbers."""
        new: Counter[Count] = Counter(
            (one.category, one.action, one.side, one.language or "") for one in decisions
        )
        with self._lock:
            self._counts += new
        for (category, action, side, language), count in new.items():
            log.info(
                "filter category=%s action=%s side=%s language=%s count=%d",
                *(category, action, side, language or "-", count),
            )

    def as_dict(self) -> dict[Count, int]:
        """Return the numbers so far."""
        with self._lock:
            return dict(self._counts)


def describe(decisions: Iterable[Decision]) -> str:
    """Return decisions as a line for people: `insults (block, prompt), sexual (flag, output)`."""
    seen = dict.fromkeys(f"{one.category} ({one.action}, {one.side})" for one in decisions)
    return ", ".join(seen)
