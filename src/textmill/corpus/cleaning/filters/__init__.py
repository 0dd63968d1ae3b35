"""Filters, one per file; `contract` defines their interface, and `chain` their order."""

from textmill.corpus.cleaning.document import Document, Edit, Prepared, Rejection, Verdict
from textmill.corpus.cleaning.filters.contract import Filter, Reason, SequenceFilter

__all__ = [
    "Document",
    "Edit",
    "Filter",
    "Prepared",
    "Reason",
    "Rejection",
    "SequenceFilter",
    "Verdict",
    "chain",
    "contract",
    "measures",
    "unreadable",
]
