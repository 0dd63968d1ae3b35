"""Raw data that steps read, which may change at any time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from textmill.errors import InputError
from textmill.files import digest_values

INIT_FROM = "init_from"
"""Name of the source that is a step's initial folder."""


@dataclass(frozen=True)
class Source:
    """Raw input of a step: its location and content digest."""

    name: str
    place: str
    digest: str
    context: str
    files: Mapping[str, str] = field(default_factory=dict)
    """Digests of its files by path, if there may be several."""
    digest_now: Callable[[], str] | None = field(default=None, compare=False)
    """Computes the digest again; None for data that cannot change."""

    def check(self) -> None:
        """Raise InputError if the content no longer matches the digest.

        Raises:
            InputError: it has changed, or is missing.
            RunError: the hub cannot be reached.
        """
        if self.digest_now is not None and self.digest_now() != self.digest:
            raise InputError(
                f"{self.name}: {self.place} changed while it was read: run again, and do not "
                "modify the data until the step has finished."
            )


def is_in_corpus(source: Mapping[str, Any]) -> bool:
    """Return whether a source in the manifest of `clean` or `task-texts` is part of the corpus.

    The other sources are the tasks' test sets, which the corpus is decontaminated from.
    """
    return source.get("context") != "test"


def data_digest(sources: Iterable[Source]) -> str:
    """Return one content digest of sources, independent of their order and locations."""
    return digest_values({f"{s.context}/{s.name}": s.digest for s in sources})
