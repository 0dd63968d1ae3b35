"""The step `clean`: preparation, filtering and deduplication of documents."""

__all__ = [
    "clean",
    "dedup",
    "filters",
    "language",
    "new_text",
    "receipts",
    "rejected",
    "repair",
    "shards",
    "summary",
    "workers",
]
