"""Statistics of question answering: all of its metrics are means over examples."""

from textmill.evaluation.significance import no_counts

EXAMPLE_FIELDS = ("question", "context", "reference")
"""The fields of a row that identify its test example."""

count = no_counts
