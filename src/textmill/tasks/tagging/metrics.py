"""The metrics of a tagging task.

Entities are counted by ourselves: seqeval, which tests compare with, takes the types `A` and `A-`
for one, and knows none that is called `micro avg`.
"""

from __future__ import annotations

from collections.abc import Sequence

from textmill.evaluation.metrics import Metric, Row, compute
from textmill.tasks.tagging.iob2 import count_all_entities, entity_scores, overall
from textmill.tasks.tagging.settings import TaggingConfig

METRICS = (Metric("f1", leads=True), Metric("precision"), Metric("recall"))
"""What the parent run carries; every type of entity has the same."""


def score(config: TaggingConfig, rows: Sequence[Row]) -> dict[str, float]:
    """Return the metrics of rows that hold tags and their reference."""
    import datasets

    values = datasets.List(datasets.Value("string"))
    features = datasets.Features({"predictions": values, "references": values})
    tags, references = [row["tags"] for row in rows], [row["reference"] for row in rows]
    return compute(scores_by_type, features, tags, references)


def scores_by_type(predictions: list[list[str]], references: list[list[str]]) -> dict[str, float]:
    """Entity-level precision, recall and F1, overall and by type.

    An entity is right where its span and its type are; an I- tag that continues nothing begins
    none.
    """
    counts = count_all_entities(predictions, references)
    scores = entity_scores(overall(counts.values()))
    for entity_type, own in counts.items():
        for name, value in entity_scores(own).items():
            scores[f"type/{entity_type}/{name}"] = value
    return scores


def signatures(config: TaggingConfig) -> dict[str, str]:
    """Return how each metric was computed, in the form of sacrebleu's signatures."""
    signature = "average:micro|match:span and type|scheme:IOB2|version:1"
    return dict.fromkeys(("precision", "recall", "f1"), signature)
