"""Reasons of rejections before any filter: unreadable records, and pages without main content.

They are rejected while reading and extracting; this module only defines the reasons.
"""

from __future__ import annotations

from textmill.config import CorpusConfig
from textmill.corpus.cleaning.filters.contract import Reason


class UnreadableRecord(Reason):
    """An unreadable record; its raw text may be truncated, and has no size."""

    name = "bad_record"
    description = "records that cannot be read"


class EmptyPage(Reason):
    """An HTML page without extractable main content."""

    name = "no_main_content"
    description = "pages without main content"

    def is_enabled(self, config: CorpusConfig) -> bool:
        """Return False: the settings do not determine whether a source contains HTML."""
        return False
