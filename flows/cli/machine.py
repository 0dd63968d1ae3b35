"""Commands about this machine: plan, ui, doctor."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from textmill_flows.cli.shared import (
    ConfigOption,
    Overrides,
    answering,
    app,
    exit_on_error,
    runs_and_settings,
)


@app.command(epilog="Example: textmill plan --hours 8 model=modern-5m")
def plan(
    overrides: Overrides = None,
    hours: Annotated[float | None, typer.Option(help="Budget: time on this machine.")] = None,
    flops: Annotated[float | None, typer.Option(help="Budget: operations, such as 1e16.")] = None,
    money: Annotated[
        float | None, typer.Option(help="Budget: money, at cluster.price_per_hour.")
    ] = None,
    fit: Annotated[
        bool, typer.Option("--fit", help="Fit the scaling law to finished runs, and draw it.")
    ] = False,
    plot: Annotated[Path, typer.Option(help="The picture of --fit, PNG.")] = Path(
        "scaling-law.png"
    ),
    config: ConfigOption = "demo",
) -> None:
    """Measure this machine: forecast pretraining, and plan the best model for a budget.

    With --fit, the arguments without a = are finished runs: textmill plan --fit RUN RUN ...
    """
    with exit_on_error():
        from textmill.compose import compose
        from textmill_flows.answering import forecast

        words = overrides or []
        if fit:
            runs, settings = runs_and_settings(words)
            lines = forecast.fit(compose(config, settings).tracking, runs, plot)
        else:
            lines = forecast.plan(compose(config, words), hours, flops, money)
        for line in lines:
            typer.echo(line)


@app.command(epilog="Example: textmill ui tracking.mlflow_port=5050")
def ui(overrides: Overrides = None, config: ConfigOption = "demo") -> None:
    """Start the MLflow and Prefect web pages on this store, until Ctrl-C."""
    with exit_on_error():
        from textmill.compose import compose
        from textmill_flows.servers.ui import serve_pages

        serve_pages(compose(config, overrides or []))


@app.command(epilog="Example: textmill doctor --config benchmark data_root=data")
def doctor(overrides: Overrides = None, config: ConfigOption = "demo") -> None:
    """Check installation, data and store, and show how to fix problems."""
    with answering():
        from textmill.compose import compose
        from textmill_flows.answering.checkup import check

        if not check(compose(config, overrides or []), sys.stdout):
            raise typer.Exit(1)
