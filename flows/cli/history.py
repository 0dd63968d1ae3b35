"""Commands about the store: status, lineage, compare, prune."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from textmill_flows.cli.shared import ConfigOption, Overrides, answering, app, runs_and_settings


@app.command(epilog="Example: textmill status pretrain.max_steps=200")
def status(
    overrides: Overrides = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    config: ConfigOption = "demo",
) -> None:
    """Show for each step whether a run would reuse its result or compute it, and why."""
    with answering():
        from textmill.compose import compose
        from textmill.tracking.status import as_text, as_values, find_status

        found = find_status(compose(config, overrides or []))
        shown = json.dumps(as_values(found), indent=2) if as_json else as_text(found)
        sys.stdout.write(f"{shown}\n")


@app.command(epilog="Example: textmill lineage models:/demo.topic@champion")
def lineage(
    what: Annotated[
        str,
        typer.Argument(
            metavar="RUN|MODEL|FILE|DOCUMENT",
            help="A run's id or name, m-ID, models:/NAME/VERSION; a file, its SHA-256, a hub id; "
            "the id of a document.",
        ),
    ],
    overrides: Overrides = None,
    text: Annotated[
        bool, typer.Option("--text", help="Search for documents that contain the given text.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON instead of a tree.")] = False,
    config: ConfigOption = "demo",
) -> None:
    """Show the sources of a run or model, or the results that depend on a file or document."""
    with answering():
        from textmill.compose import compose
        from textmill.registry.drawing import render_tree, to_dict
        from textmill.registry.lineage import trace, trace_text
        from textmill.tracking.store import Store

        find = trace_text if text else trace
        found = find(Store(compose(config, overrides or []).tracking), what)
        shown = json.dumps(to_dict(found), indent=2) if as_json else render_tree(found)
        sys.stdout.write(f"{shown}\n")


@app.command(epilog="Example: textmill compare 3f2a 9c1b")
def compare(
    runs_and_overrides: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN RUN... [KEY=VALUE]...",
            help="Pipeline runs by id, beginning of an id, or name; settings to change.",
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    config: ConfigOption = "demo",
) -> None:
    """Show the differences between pipeline runs, and which scores differ significantly."""
    with answering():
        from textmill.compose import compose
        from textmill_flows.answering.comparing import compare_runs

        runs, overrides = runs_and_settings(runs_and_overrides)
        for line in compare_runs(runs, compose(config, overrides).tracking, as_json):
            sys.stdout.write(line)


@app.command(epilog="Example: textmill prune --keep 5 --yes")
def prune(
    overrides: Overrides = None,
    keep: Annotated[int, typer.Option(min=0, help="Newest pipeline runs to keep.")] = 10,
    yes: Annotated[bool, typer.Option("--yes", help="Remove the data; otherwise only list it.")] = (
        False
    ),
    config: ConfigOption = "demo",
) -> None:
    """List, and remove, data that no registered model and no recent run needs."""
    with answering():
        from textmill.compose import compose
        from textmill_flows.answering.housekeeping import prune_store

        prune_store(compose(config, overrides or []), keep, yes, sys.stdout)
