"""Whose an experiment is: two pipelines on different data are not to mix in one."""

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
"""What runs: pipeline for the whole chain, or the name of a part."""
REPRODUCE = "reproduce"


def refuse_another(store: Store, experiment_id: str, config: Config, config_name: str) -> None:
    """Return unless the experiment holds another pipeline, whose data are others.

    Data that change are ordinary, and so are configurations that share data. Another pipeline is
    one from another file, none of whose data the configuration names, though they are still there
    (else the whole may have been moved, or belong to another machine).

    Args:
        store: where to look.
        experiment_id: of the experiment that the configuration names.
        config: the configuration.
        config_name: what it was composed from.

    Raises:
        InputError: it does.
    """
    condition = f"attributes.status='FINISHED' and tags.`{PIPELINE_TAG}` != '{REPRODUCE}'"
    found = store.search(condition, 1, experiment_id)
    if not found or found[0].data.tags[CONFIG_TAG] == config_name:
        return
    newest = found[0]
    try:
        theirs = set(_places(read_config(store, newest)))
    except StoreError:
        raise
    except (RunError, LookupError, TypeError, AttributeError):
        return  # lost or damaged: nothing is known of its data
    if theirs & set(_places(config.model_dump(mode="json"))) or not any(map(_is_there, theirs)):
        return
    raise InputError(
        f"The experiment {config.experiment!r} holds runs of {newest.data.tags[CONFIG_TAG]} on "
        f"other data ({listed(sorted(theirs))}), and {config_name} names "
        "none of these: their champions, triggers and comparisons would mix. Set experiment=NAME "
        "in one of the two. Nothing was changed."
    )


def _places(values: Mapping[str, Any]) -> Iterator[str]:
    """Yield where a configuration's data lie: files, globs, or hub:ID."""
    for part in (*values["corpus"]["sources"], *values["tasks"]):
        if part.get("hub"):
            yield f"hub:{part['hub']}"
        else:
            yield from (part[name] for name in ("path", "train", "test") if part.get(name))


def _is_there(place: str) -> bool:
    return place.startswith(("hub:", "sample:")) or bool(glob.glob(place))
