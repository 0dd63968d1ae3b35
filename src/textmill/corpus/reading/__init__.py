"""Reading of raw documents and labelled records: files, encodings, tables, the hub."""

__all__ = [
    "columns",
    "decoding",
    "folders",
    "html",
    "hub",
    "labelled",
    "line_ends",
    "lines",
    "outcomes",
    "records",
    "sources",
]
