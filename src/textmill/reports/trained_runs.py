"""Finished pretraining runs, as data points for a scaling law."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from textmill.errors import InputError
from textmill.model import GPT
from textmill.model.layout import read_config
from textmill.reports.comparison import find_finished, open_runs
from textmill.steps.graph import CLEAN, PRETRAIN
from textmill.tracking.artifacts import output_file
from textmill.tracking.store import Store
from textmill.training.planning.scaling import TrainedRun

LOSS = "validation/loss"


def trained_runs(store: Store, names: Sequence[str]) -> tuple[list[TrainedRun], str]:
    """Return the pretraining of each pipeline run, and the names of the sources of their corpus.

    Args:
        store: that contains the runs.
        names: ids, prefixes of ids, or names of pipeline runs.

    Raises:
        InputError: a run is invalid or has no pretraining; or the runs were trained on different
            tokens, so that their losses cannot be compared.
        RunError: a result is missing or damaged.
    """
    found: list[TrainedRun] = []
    tokens: dict[str, str] = {}
    sources = ""
    for name in names:
        [run] = open_runs(store, [find_finished(store, name)])
        step = run.steps.get(PRETRAIN.name)
        if step is None:
            raise InputError(f"The run {name!r} has no pretrained backbone: use one that has.")
        tokens[run.manifests[PRETRAIN.name]["inputs"]["tokens"]["digest"]] = name
        if len(tokens) > 1:
            one, other = list(tokens.values())[:2]
            raise InputError(
                f"The runs {one!r} and {other!r} were trained on different tokens, so their losses "
                "cannot be compared: use runs with the same corpus and tokenizer."
            )
        metrics = step.data.metrics
        config = read_config(output_file(store, step, "config.json").parent)
        with torch.device("meta"):
            parameters = GPT(config).n_matmul_parameters()
        found.append(TrainedRun(name, parameters, int(metrics["tokens_seen"]), metrics[LOSS]))
        sources = ", ".join(run.manifests.get(CLEAN.name, {}).get("sources", {}))
    return found, sources
