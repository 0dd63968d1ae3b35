"""The step clean: what is done to each document, and which are kept."""

__all__ = ["clean", "filters", "language", "new_text", "receipts", "rejected", "summary", "workers"]
