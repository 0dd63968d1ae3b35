"""Commands that make models available to other programs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from textmill_flows.cli.shared import ConfigOption, Overrides, answering, app, exit_on_error


@app.command(epilog="Example: textmill serve --port 8000")
def serve(
    overrides: Overrides = None,
    config: ConfigOption = "demo",
    port: Annotated[
        int | None, typer.Option("--port", min=0, max=65535, help="Instead of serve.port.")
    ] = None,
) -> None:
    """Serve the champions over HTTP, until Ctrl-C.

    Routes are described by /openapi.json. TEXTMILL_TOKEN is required if other machines
    reach the server, directly or through a proxy.
    """
    with answering():
        from textmill.compose import compose
        from textmill.serving.listening import serve as run
        from textmill.serving.playground.child_run import RunCommand
        from textmill_flows.answering.filtering import content_filter
        from textmill_flows.invocation import Composed

        ports = [] if port is None else [f"serve.port={port}"]
        composed = compose(config, [*(overrides or []), *ports])
        tasks, own = composed.serve.tasks, [task.name for task in composed.tasks]
        names = ", ".join(own if tasks is None else tasks) or "the backbone"

        def announce(url: str) -> None:
            typer.echo(f"Serving {names} on {url}. Press Ctrl-C to stop.")

        given = overrides or []
        words = [sys.executable, "-P", "-m", "textmill_flows", "run", "--config", config, *given]
        shown = Composed(composed, config, given).command_line("pipeline")
        run(composed, content_filter(composed), announce, RunCommand(words, shown))


@app.command(epilog="Example: textmill export topic --to onnx --quantization int8")
def export(
    model: Annotated[
        str, typer.Argument(help="backbone, the name of a task, or the run of a training.")
    ],
    to: Annotated[
        Literal["hf", "onnx", "ctranslate2"],
        typer.Option(help="A Hugging Face folder, a graph for ONNX Runtime, or CTranslate2."),
    ],
    overrides: Overrides = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="A new folder; MODEL-FORM if not given.")
    ] = None,
    quantization: Annotated[
        Literal["float32", "int8", "bf16"] | None,
        typer.Option(help="Type of the weights; float32 if not given."),
    ] = None,
    config: ConfigOption = "demo",
) -> None:
    """Export the champion or newest model to run it in other programs.

    It is compared with the original: on random inputs, and on held-out data for loss and speed.
    """
    with exit_on_error():  # models are read with all of MLflow
        from textmill.compose import compose
        from textmill_flows.answering.export import ExportRequest, export_model

        request = ExportRequest(to, quantization, out)
        for text in export_model(model, request, compose(config, overrides or [])):
            sys.stdout.write(text)
