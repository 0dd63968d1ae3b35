"""Texts that a backbone writes."""

from textmill.training.writing.text_batch import Piece, stream_text, write_texts

__all__ = ["Piece", "engine", "stream_text", "text_batch", "write_texts"]
