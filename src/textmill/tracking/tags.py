"""Names of tags that more than one part reads; apart, so that reading one loads little."""

from __future__ import annotations

THREADS_TAG = "textmill.threads"
PLACES_TAG = "textmill.places"
DIGEST_TAG = "textmill.digest"
DATA_TAG = "textmill.data"
"""Digest of all raw files that a finished pipeline has read."""
COMMAND_TAG = "textmill.command"
"""The words of a terminal that do the same."""
TESTED_RUN_TAG = "textmill.run.evaluate"
BACKBONE = "backbone"
"""What the backbone is called beside the models of tasks."""
