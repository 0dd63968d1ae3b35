"""The raw data that steps read, which nobody but their owner keeps from changing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from textmill.errors import InputError
from textmill.files import digest_values

INIT_FROM = "init_from"
"""Name of the source that is a folder which a step begins from."""


@dataclass(frozen=True)
class Source:
    """Raw input of a step: where it lies, and the digest of its content."""

    name: str
    place: str
    digest: str
    context: str
    files: Mapping[str, str] = field(default_factory=dict)
    """Digest of each of its files by path, where there may be several."""
    digest_now: Callable[[], str] | None = field(default=None, compare=False)
    """Digests the content again, as it is by then; None for what cannot change."""

    def check(self) -> None:
        """Raise InputError unless the content is still that of the digest.

        Raises:
            InputError: it has changed, or is gone.
            RunError: the hub cannot be asked.
        """
        if self.digest_now is not None and self.digest_now() != self.digest:
            raise InputError(
                f"{self.name}: {self.place} changed while it was read: run again, with data that "
                "stay as they are until the step has ended."
            )


def is_in_corpus(source: Mapping[str, Any]) -> bool:
    """Whether a corpus holds a source, by its entry in the manifest of the clean step.

    The test sets of tasks are sources of that step too: what it has cleared the corpus of.
    """
    return source.get("context") != "test"


def data_digest(sources: Iterable[Source]) -> str:
    """Return one digest of the content of sources; their order and places do not matter."""
    return digest_values({f"{s.context}/{s.name}": s.digest for s in sources})
