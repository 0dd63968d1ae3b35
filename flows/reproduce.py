"""A recorded run computed again, and what of it came out equal."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from pathlib import Path

from textmill.compose import redact_override
from textmill.config import Config
from textmill.config.secrets import is_masked
from textmill.errors import InputError, RunError, listed
from textmill.registry.recorded import (
    Recorded,
    load_recorded,
    machine_differences,
    problems,
    with_available_devices,
    with_moved_data,
)
from textmill.registry.reproduction import (
    REPRODUCES_TAG,
    SCOPE_TAG,
    compare_steps,
    log_reproduction,
    overall,
    reproduction_scope,
    table,
)
from textmill.steps.graph import GRAPH
from textmill.tracking.store import Store
from textmill_flows.composed import Composed
from textmill_flows.running.context import log, opened
from textmill_flows.running.recording import recorded_flow
from textmill_flows.running.steps import run_parts

ANEW = ("tracking", "notify", "cluster")
"""What can be set: where results live, who is told and where it is computed."""


def plan(
    words: str, is_forced: bool, moved: list[str], composed: Composed
) -> tuple[Recorded, list[str]]:
    """Return what to compute again, and what differs here from when it was computed first.

    Args:
        words: what names the run.
        is_forced: whether to go on where data, code, packages or devices are others.
        moved: `OLD=NEW` for folders of data that lie elsewhere now.
        composed: what says where results live, with whatever else cannot change a result.

    Raises:
        InputError: there is no such run, or, unless forced, something differs.
    """
    overrides = composed.overrides
    sections = [re.split("[.=]", setting.lstrip("+~"))[0] for setting in overrides]
    others = [
        redact_override(s) for s, name in zip(overrides, sections, strict=True) if name not in ANEW
    ]
    if others:
        raise InputError(
            f"{listed(others)}: what a run is computed from again is what was recorded, and "
            f"only {', '.join(ANEW)} can be set."
        )
    present = composed.config
    anew = {name: getattr(present, name) for name in {"tracking", *sections}}
    recorded = load_recorded(Store(present.tracking), words, anew)
    config = without_masked(recorded.config)
    for pair in moved:
        old, _, new = pair.partition("=")
        if not old or not new:
            raise InputError(f"--moved {pair}: write OLD=NEW, two folders.")
        config = with_moved_data(config, *(str(Path(part).absolute()) for part in (old, new)))
    recorded = replace(recorded, config=config)
    found = problems(recorded)
    if found and not is_forced:
        lines = "\n".join(f"  {line}." for line in found)
        raise InputError(
            f"The run {recorded.run.info.run_name} cannot be computed here as it was:\n{lines}\n"
            "Fix that, or compute it nevertheless with --anyway."
        )
    found += [
        f"machine: {name} is {now}, and was {then}"
        for name, (then, now) in machine_differences(recorded).items()
    ]
    for line in found:
        log.warning("%s", line)
    return replace(recorded, config=with_available_devices(config)), found


def without_masked(config: Config) -> Config:
    """Return a recorded configuration without what was recorded without its secrets.

    Raises:
        InputError: the address of the Ray cluster is that.
    """
    address = config.cluster.address
    if config.cluster.kind == "ray" and is_masked(address):
        raise InputError(
            f"cluster.address was recorded without its credentials ({address}): add "
            "cluster.address=… as it is, or cluster=local."
        )
    masked = [entry for entry in config.notify if is_masked(entry.command or entry.block)]
    for entry in masked:
        log.warning(
            "notify: %s, for %s, was recorded without what may be secret, so nobody is told: add "
            "notify=[…] with it as it is, its secrets as ${oc.env:NAME}.",
            entry.command or entry.block,
            entry.event,
        )
    kept = tuple(entry for entry in config.notify if entry not in masked)
    return config.model_copy(update={"notify": kept})


@recorded_flow("reproduce")
def reproduce(
    run: str,
    anyway: bool,
    moved: list[str],
    tolerance: float,
    composed: Composed,
) -> None:
    """Compute every step of a recorded run again, and compare digests and metrics."""
    recorded, differences = plan(run, anyway, moved, composed)
    run_id, name = recorded.run_id, recorded.run.info.run_name
    scope = reproduction_scope(Store(recorded.config.tracking), run_id)
    command = shlex.join(["textmill", "reproduce", run_id, *(["--anyway"] if anyway else [])])
    tags = {REPRODUCES_TAG: run_id, SCOPE_TAG: scope}
    again = Composed(recorded.config, recorded.run.data.tags["textmill.config"])
    with opened("reproduce", again, command, tags, scope) as context:
        context.threads = {k: step.threads for k, step in recorded.steps.items() if step.threads}
        parts = GRAPH.parts(context.config)
        run_parts(context, tuple(part for part in parts if part.label in recorded.steps))
        comparisons = compare_steps(recorded, context.pipeline.results, tolerance)
        log_reproduction(context.pipeline, comparisons, differences, tolerance)
    log.info("\n%s", table(comparisons, tolerance))
    verdict = overall(comparisons)
    if verdict == "equal":
        log.info("%s was computed again: all digests and metrics are equal.", name)
        return
    near = f"all metrics are within {tolerance:g} of what they were, but digests differ"
    raise RunError(
        f"{name} was computed again, and "
        f"{near if verdict == 'equal within' else 'something else came out'} (see the table)."
    )
