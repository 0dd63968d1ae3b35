"""Commands that promote models."""

from __future__ import annotations

from typing import Annotated

import typer

from textmill_flows.cli.shared import ConfigOption, Overrides, answering, app


@app.command(epilog="Example: textmill promote topic --version 3")
def promote(
    model: Annotated[str, typer.Argument(help="Name of a task, or backbone.")],
    overrides: Overrides = None,
    version: Annotated[
        int | None, typer.Option("--version", min=1, help="Which; the newest if not given.")
    ] = None,
    config: ConfigOption = "demo",
) -> None:
    """Promote a registered model to champion by hand, regardless of the gate."""
    with answering():
        from textmill.compose import compose
        from textmill_flows.answering.champions import promote_model

        number = None if version is None else str(version)
        typer.echo(promote_model(model, number, compose(config, overrides or [])))


@app.command(epilog="Example: textmill rollback topic")
def rollback(
    model: Annotated[str, typer.Argument(help="Name of a task, or backbone.")],
    overrides: Overrides = None,
    config: ConfigOption = "demo",
) -> None:
    """Roll back to the previous champion."""
    with answering():
        from textmill.compose import compose
        from textmill_flows.answering.champions import rollback_model

        typer.echo(rollback_model(model, compose(config, overrides or [])))
