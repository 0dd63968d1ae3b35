"""The metrics of tagging.

Not computed by seqeval, which tests compare with: it confuses the types `A` and `A-`, and fails for
a type named `micro avg`.
"""

from __future__ import annotations

from collections.abc import Sequence

from textmill.evaluation.metrics import Metric, Row, compute
from textmill.tasks.tagging.iob2 import count_all_entities, entity_scores, overall
from textmill.tasks.tagging.settings import TaggingConfig

METRICS = (Metric("f1", leads=True), Metric("precision"), Metric("recall"))
"""Metrics on the parent run; each entity type has them as well."""


def score(config: TaggingConfig, rows: Sequence[Row]) -> dict[str, float]:
    """Return the metrics of rows with predicted and reference tags."""
    import datasets

    values = datasets.List(datasets.Value("string"))
    features = datasets.Features({"predictions": values, "references": values})
    tags, references = [row["tags"] for row in rows], [row["reference"] for row in rows]
    return compute(scores_by_type, features, tags, references)


def scores_by_type(predictions: list[list[str]], references: list[list[str]]) -> dict[str, float]:
    """Entity-level precision, recall and F1, overall and by type.

    An entity is correct if its span and type are; an I- tag does not begin an entity.
    """
    counts = count_all_entities(predictions, references)
    scores = entity_scores(overall(counts.values()))
    for entity_type, own in counts.items():
        for name, value in entity_scores(own).items():
            scores[f"type/{entity_type}/{name}"] = value
    return scores


def signatures(config: TaggingConfig) -> dict[str, str]:
    """Return the signature of each metric, in the format of sacreBLEU."""
    signature = "average:micro|match:span and type|scheme:IOB2|version:1"
    return dict.fromkeys(("precision", "recall", "f1"), signature)
