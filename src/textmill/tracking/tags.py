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
TRIAL_TAG = "textmill.trial"
"""Number of the trial of a sweep that computed a step, until a pipeline uses the result."""
PRUNED_TAG = "textmill.pruned"
"""Of the run of a training that a sweep has stopped because of its scores."""
BACKBONE = "backbone"
"""Name of the backbone among the models of tasks."""
