"""What never comes before a filter: records that cannot be read, and pages without text.

Reading and extraction reject them; here they have their names.
"""

from __future__ import annotations

from textmill.config import CorpusConfig
from textmill.corpus.cleaning.filters.contract import Reason


class UnreadableRecord(Reason):
    """A record that cannot be read; it may be cut off, and has no size."""

    name = "bad_record"
    description = "records that cannot be read"


class EmptyPage(Reason):
    """An HTML page of which no main content can be extracted."""

    name = "no_main_content"
    description = "pages without main content"

    def is_enabled(self, config: CorpusConfig) -> bool:
        """Return False: no setting tells whether a source holds HTML."""
        return False
