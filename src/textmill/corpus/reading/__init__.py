"""Bytes in, raw documents and labelled records out: files, encodings, tables, the hub."""
