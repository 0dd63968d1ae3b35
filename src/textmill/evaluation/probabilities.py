"""Scores of probabilities: calibration, and how well they rank."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

N_BINS = 15
"""Bins of equal width, as in Guo et al. 2017 (section 4)."""

Floats = NDArray[np.float64]


def calibration_gaps(confidences: Floats, is_right: NDArray[np.bool_]) -> Floats:
    """Return each prediction's part in the gap of its bin, (examples, N_BINS).

    The sums over examples are the differences between the number of correct predictions in a bin
    and their expected number, of which `calibration_error` is a function.

    Args:
        confidences: (examples,), the probability of each prediction, in [0, 1].
        is_right: (examples,).
    """
    # A bin contains its upper end: (0, 1/15], (1/15, 2/15], …
    bins = np.clip(np.ceil(confidences * N_BINS).astype(int) - 1, 0, N_BINS - 1)
    gaps = np.zeros((len(confidences), N_BINS))
    gaps[np.arange(len(confidences)), bins] = is_right - confidences
    return gaps


def calibration_error(gaps: Floats, n_examples: Floats) -> Floats:
    """Return the expected calibration error (Guo et al. 2017, equation 3) of summed gaps.

    Args:
        gaps: (..., N_BINS), sums of `calibration_gaps`.
        n_examples: (...), the number of examples.
    """
    return np.asarray(np.abs(gaps).sum(axis=-1) / np.maximum(1, n_examples))


def auroc_of(
    probabilities: Sequence[Mapping[str, float]], references: Sequence[Collection[str]]
) -> float | None:
    """Return the macro-averaged AUROC of examples, given the probabilities of all labels.

    None if it is not defined. Labels that a model does not know have no probability.
    """
    labels = sorted(set().union(*probabilities, *references))
    p = [[row.get(label, 0.0) for label in labels] for row in probabilities]
    is_label = [[label in row for label in labels] for row in references]
    return macro_auroc(np.array(p, np.float64), np.array(is_label, bool))


def macro_auroc(probabilities: Floats, is_label: NDArray[np.bool_]) -> float | None:
    """Return the area under the ROC curve of each label against the rest, averaged over labels.

    None if no label is that of some examples and not of others, of which there is no curve.

    Args:
        probabilities: (examples, labels).
        is_label: (examples, labels), whether it is a label of the example.
    """
    from sklearn.metrics import roc_auc_score

    shares = is_label.mean(axis=0) if len(is_label) else np.empty(0)
    usable = (shares > 0) & (shares < 1)
    if not usable.any():
        return None
    return float(roc_auc_score(is_label[:, usable], probabilities[:, usable], average="macro"))
