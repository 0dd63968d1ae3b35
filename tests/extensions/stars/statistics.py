"""The statistics of a classification."""

from textmill.tasks.classification.statistics import EXAMPLE_FIELDS, count

__all__ = ["EXAMPLE_FIELDS", "count"]
