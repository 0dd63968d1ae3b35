"""Division of examples into folds, with labels in proportion and similar texts in one fold."""

from __future__ import annotations

import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from textmill.config import NearDuplicatesConfig, TaskConfig
from textmill.corpus.cleaning.dedup.near_duplicates import Sketcher, jaccard
from textmill.errors import InputError
from textmill.tasks.inputs import text_key, text_of
from textmill.tasks.kinds import Examples


def divide(config: TaskConfig, kind: Examples, examples: Sequence[Any]) -> list[list[int]]:
    """Return the indices of the examples of each fold, ascending.

    Folds contain all labels in about the proportions of the whole, if examples have one each.
    Examples with equal or nearly equal texts, or with something in common such as their context,
    are in one fold: others would be scored by a network that has seen their answer.

    Args:
        config: the task, with the number of folds and the seed.
        kind: the examples module of its kind.
        examples: the training examples.

    Raises:
        InputError: there are fewer different examples than folds.
    """
    from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

    n_folds = config.finetune.folds
    assert n_folds is not None
    groups = group_similar(kind, examples)
    n_groups = len({*groups})
    if n_groups < n_folds:
        setting = f"tasks.{config.name}.finetune.folds"
        shared = f" ({n_groups} that differ enough)" if n_groups < len(examples) else ""
        raise InputError(
            f"{setting}={n_folds}: there are only {len(examples)} training examples{shared}: add "
            f"more, or {f'set it to {n_groups} or less' if n_groups > 1 else 'set it to null'}."
        )
    strata = _strata(kind, examples, n_folds)
    seed = config.finetune.seed
    stratified = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # All rare labels together may be fewer than folds, which is no reason to have fewer folds.
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        found = [held_out for _, held_out in stratified.split(strata, strata, groups)]
    if not all(map(len, found)):  # as it may be with hardly more groups than folds
        by_group = GroupKFold(n_folds, shuffle=True, random_state=seed)
        found = [held_out for _, held_out in by_group.split(strata, groups=groups)]
    return [sorted(held_out.tolist()) for held_out in found]


def _strata(kind: Examples, examples: Sequence[Any], n_folds: int) -> list[str]:
    """Return the label of each example; one for all labels with fewer examples than folds."""
    if kind.stratum is None:
        return [""] * len(examples)
    labels = [kind.stratum(example) for example in examples]
    counts = Counter(labels)
    return [label if counts[label] >= n_folds else "" for label in labels]


def group_similar(kind: Examples, examples: Sequence[Any]) -> list[int]:
    """Return the group of each example, the index of its first example.

    Groups are transitive: of a chain of nearly equal texts, the first and the last may differ.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = len(examples)
    pairs = np.array([*_similar_pairs(kind, examples)], np.int64).reshape(-1, 2)
    graph = coo_array((np.ones(len(pairs), np.bool_), pairs.T), shape=(n, n))
    _, groups = connected_components(graph, directed=False)
    _, first = np.unique(groups, return_index=True)
    return [int(index) for index in first[groups]]


def _similar_pairs(kind: Examples, examples: Sequence[Any]) -> Iterator[tuple[int, int]]:
    """Yield pairs of examples that belong to one group: each with an earlier one."""
    inputs = [kind.model_input(example) for example in examples]
    seen: dict[bytes, int] = {}
    different = []
    for index, given in enumerate(inputs):
        earlier = seen.setdefault(text_key(given), index)
        if earlier == index:
            different.append(index)
        else:
            yield index, earlier
    if kind.group is not None:
        common: dict[str, int] = {}
        for index, example in enumerate(examples):
            yield index, common.setdefault(kind.group(example), index)
    texts = {index: text_of(inputs[index]) for index in different}
    yield from _near_duplicates(texts)


def _near_duplicates(texts: Mapping[int, str]) -> Iterator[tuple[int, int]]:
    """Yield pairs of nearly equal texts, as cleaning defines them: each with an earlier one."""
    settings = NearDuplicatesConfig()
    sketches = dict(zip(texts, Sketcher(settings).sketch([*texts.values()]), strict=True))
    buckets: dict[int, list[int]] = defaultdict(list)
    for index, sketch in sketches.items():
        compared: set[int] = set()
        for band in sketch.bands.tolist():
            compared.update(buckets[band][: settings.max_candidates])
            buckets[band].append(index)
        for other in sorted(compared):
            if jaccard(sketch.shingles, sketches[other].shingles) >= settings.threshold:
                yield index, other
