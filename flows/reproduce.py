"""Reproduction of a recorded run, and comparison of the results."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from pathlib import Path

from textmill.compose import redact_override
from textmill.config import Config
from textmill.config.masked import is_masked
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
from textmill_flows.invocation import Composed
from textmill_flows.running.context import log, opened
from textmill_flows.running.prefect_tasks import run_parts
from textmill_flows.running.recording import recorded_flow

ANEW = ("tracking", "notify", "cluster")
"""Sections that can be changed, because they do not affect results."""


def plan(
    words: str,
    is_forced: bool,
    moved: list[str],
    composed: Composed,
    use_recorded_extensions: bool = False,
) -> tuple[Recorded, list[str]]:
    """Return the recorded run to reproduce, and the differences from it here.

    Args:
        words: id, beginning of an id, or name of the run.
        is_forced: whether to continue if data, code, packages or devices differ.
        moved: `OLD=NEW` for moved data folders.
        composed: the configuration of the store and execution.
        use_recorded_extensions: see `load_recorded`.

    Raises:
        InputError: there is no such run, or something differs and `is_forced` is False.
    """
    overrides = composed.overrides
    sections = [re.split("[.=]", setting.lstrip("+~"))[0] for setting in overrides]
    others = [
        redact_override(s) for s, name in zip(overrides, sections, strict=True) if name not in ANEW
    ]
    if others:
        raise InputError(
            f"{listed(others)}: a run is reproduced with its recorded settings, and only "
            f"{', '.join(ANEW)} can be set: remove the others."
        )
    present = composed.config
    anew = {name: getattr(present, name) for name in {"tracking", *sections}}
    recorded = load_recorded(Store(present.tracking), words, anew, use_recorded_extensions)
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
            f"The run {recorded.run.info.run_name} cannot be reproduced exactly:\n{lines}\n"
            "Fix that, or continue with --anyway."
        )
    found += [
        f"machine: {name} is {now}, was {then}"
        for name, (then, now) in machine_differences(recorded).items()
    ]
    for line in found:
        log.warning("%s", line)
    return replace(recorded, config=with_available_devices(config)), found


def without_masked(config: Config) -> Config:
    """Return a recorded configuration without entries whose secrets were masked.

    Raises:
        InputError: the address of the Ray cluster was masked.
    """
    address = config.cluster.address
    if config.cluster.kind == "ray" and is_masked(address):
        raise InputError(
            f"cluster.address was recorded without its credentials ({address}): add "
            "cluster.address=… with them, or cluster=local."
        )
    masked = [entry for entry in config.notify if is_masked(entry.command or entry.block)]
    for entry in masked:
        log.warning(
            "notify: %s, for %s, was recorded without its secrets and is skipped: add notify=[…] "
            "with the complete entry, its secrets as ${oc.env:NAME}.",
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
    recorded_extensions: bool,
    composed: Composed,
) -> None:
    """Recompute every step of a recorded run, and compare digests and metrics."""
    recorded, differences = plan(run, anyway, moved, composed, recorded_extensions)
    run_id, name = recorded.run_id, recorded.run.info.run_name
    scope = reproduction_scope(Store(recorded.config.tracking), run_id)
    command = shlex.join(["textmill", "reproduce", run_id, *(["--anyway"] if anyway else [])])
    tags = {REPRODUCES_TAG: run_id, SCOPE_TAG: scope}
    again = Composed(recorded.config, recorded.run.data.tags["textmill.config"])
    with opened("reproduce", again, command, tags, scope) as context:
        context.threads = {k: step.threads for k, step in recorded.steps.items() if step.threads}
        known = {part.label for part in GRAPH.parts(context.config)}
        run_parts(context, GRAPH.up_to(context.config, *(known & recorded.steps.keys())))
        comparisons = compare_steps(recorded, context.pipeline.results, tolerance)
        log_reproduction(context.pipeline, comparisons, differences, tolerance)
    log.info("\n%s", table(comparisons, tolerance))
    verdict = overall(comparisons)
    if verdict == "equal":
        log.info("%s was reproduced: all digests and metrics are equal.", name)
        return
    near = f"all metrics are within the tolerance of {tolerance:g}, but digests differ"
    raise RunError(
        f"{name} was recomputed, and "
        f"{near if verdict == 'equal within' else 'its results differ'} (see the table)."
    )
