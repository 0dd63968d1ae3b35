"""The check that an experiment does not mix pipelines on different data."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Mapping
from typing import Any

from textmill.config import Config
from textmill.errors import InputError, RunError, listed
from textmill.tracking.artifacts import read_config
from textmill.tracking.store import Store, StoreError

CONFIG_TAG = "textmill.config"
PIPELINE_TAG = "textmill.pipeline"
"""The flow of a run: `pipeline` for all steps, or the name of a part."""
REPRODUCE = "reproduce"


def reject_other_pipeline(
    store: Store, experiment_id: str, config: Config, config_name: str
) -> None:
    """Raise InputError if the experiment contains runs of another pipeline.

    Changed data and configurations that share data are allowed. A run belongs to another pipeline
    if it was composed from another file and shares no data with the configuration, although its
    data still exists (otherwise it may have been moved, or be on another machine).

    Args:
        store: that contains the experiment.
        experiment_id: of the experiment of the configuration.
        config: the configuration.
        config_name: the name or file that it was composed from.

    Raises:
        InputError: the experiment contains runs of another pipeline.
    """
    condition = f"attributes.status='FINISHED' and tags.`{PIPELINE_TAG}` != '{REPRODUCE}'"
    found = store.search(condition, 1, experiment_id)
    if not found or found[0].data.tags[CONFIG_TAG] == config_name:
        return
    newest = found[0]
    try:
        theirs = set(_data_locations(read_config(store, newest)))
    except StoreError:
        raise
    except (RunError, LookupError, TypeError, AttributeError):
        return  # missing or damaged: its data is unknown
    ours = set(_data_locations(config.model_dump(mode="json")))
    if theirs & ours or not any(map(_exists, theirs)):
        return
    raise InputError(
        f"The experiment {config.experiment!r} contains runs of {newest.data.tags[CONFIG_TAG]} on "
        f"other data ({listed(sorted(theirs))}), none of which {config_name} uses: their "
        "champions, triggers and comparisons would mix. Set experiment=NAME in one of the two. "
        "Nothing was changed."
    )


def _data_locations(values: Mapping[str, Any]) -> Iterator[str]:
    """Yield the locations of a configuration's data: files, globs, or hub:ID."""
    for part in (*values["corpus"]["sources"], *values["tasks"]):
        if part.get("hub"):
            yield f"hub:{part['hub']}"
        else:
            yield from (part[name] for name in ("path", "train", "test") if part.get(name))


def _exists(location: str) -> bool:
    return location.startswith(("hub:", "sample:")) or bool(glob.glob(location))
