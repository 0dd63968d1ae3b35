"""Names of tags that several modules read; in a module of its own that imports nothing."""

from __future__ import annotations

THREADS_TAG = "textmill.threads"
PLACES_TAG = "textmill.places"
DIGEST_TAG = "textmill.digest"
DATA_TAG = "textmill.data"
"""Digest of all raw files that a finished pipeline has read."""
COMMAND_TAG = "textmill.command"
"""The command line of the run, without credentials."""
TESTED_RUN_TAG = "textmill.run.evaluate"
BACKBONE = "backbone"
"""Name of the backbone among the models of tasks."""
