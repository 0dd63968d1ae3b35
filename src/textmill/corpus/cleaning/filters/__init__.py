"""Filters: what rejects a document by its text alone."""
