"""Commands that run flows: the pipeline and parts of it, and its retraining."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from textmill.errors import InputError
from textmill_flows.cli.shared import ConfigOption, Overrides, answering, app, exit_on_error

TriggerOption = Annotated[
    Literal["schedule", "data", "drift"],
    typer.Option(help="Always; when the data have changed; when new text has drifted."),
]


@app.command(epilog="Example: textmill run pretrain.max_steps=200 tasks=[sample-topic]")
def run(
    overrides: Overrides = None,
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="STEP",
            help="Step to start at, such as finetune or 'evaluate topic'; only reuse earlier ones.",
        ),
    ] = None,
    config: ConfigOption = "demo",
) -> None:
    """Run the whole pipeline: clean, tokenize, pretrain, fine-tune, evaluate."""
    if start is None:
        _run_flow("pipeline:pipeline", config, overrides)
    else:
        _run_flow("pipeline:pipeline_from", config, overrides, start)


@app.command(epilog="Example: textmill prepare corpus.min_chars=50")
def prepare(overrides: Overrides = None, config: ConfigOption = "demo") -> None:
    """Clean the sources, train the tokenizer, encode the corpus."""
    _run_flow("pipeline:prepare", config, overrides)


@app.command(epilog="Example: textmill pretrain model=gpt2-tiny pretrain.learning_rate=0.001")
def pretrain(overrides: Overrides = None, config: ConfigOption = "demo") -> None:
    """Pretrain the backbone, and compute first what that needs."""
    _run_flow("pipeline:pretrain", config, overrides)


@app.command(epilog="Example: textmill finetune topic tasks.topic.finetune.epochs=5")
def finetune(
    task: Annotated[str, typer.Argument(help="Name of a task of the configuration.")],
    overrides: Overrides = None,
    config: ConfigOption = "demo",
) -> None:
    """Fine-tune for one task, and compute first what that needs."""
    _run_flow("pipeline:finetune", config, overrides, task)


@app.command(epilog="Example: textmill evaluate topic")
def evaluate(
    what_and_overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[TASK|MODEL] [KEY=VALUE]...")
    ] = None,
    harness: Annotated[
        str | None,
        typer.Option(
            metavar="TASKS",
            help="Evaluate the language model on tasks of lm-eval instead, such as arc_easy,piqa. "
            "MODEL: a run, models:/NAME/VERSION, or a folder; the champion if not given.",
        ),
    ] = None,
    include: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="With task files of lm-eval, *.yaml.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="First examples of each task of lm-eval; not logged.")
    ] = None,
    shots: Annotated[
        int | None, typer.Option(min=0, help="Examples before each prompt of lm-eval.")
    ] = None,
    trust_code: Annotated[
        bool, typer.Option("--trust-code", help="Run code that task files of lm-eval name.")
    ] = False,
    config: ConfigOption = "demo",
) -> None:
    """Evaluate one task, or all of them and the language model; or that on tasks of lm-eval."""
    words = what_and_overrides or []
    has_name = bool(words) and "=" not in words[0]
    name, overrides = words[0] if has_name else None, words[has_name:]
    if harness is not None:
        options = (include, limit, shots, trust_code)
        _evaluate_harness(harness, name, overrides, config, options)
        return
    with exit_on_error():
        if trust_code or (include, limit, shots) != (None, None, None):
            raise InputError(
                "--include, --limit, --shots and --trust-code are about tasks of lm-eval: add "
                "--harness TASKS."
            )
    _run_flow("pipeline:evaluate", config, overrides, name)


def _evaluate_harness(
    names: str, model: str | None, overrides: list[str], config: str, options: tuple[Any, ...]
) -> None:
    """Print the scores of a language model on tasks of lm-eval, separated by commas."""
    with answering():
        from textmill.compose import compose
        from textmill_flows.answering.harness import HarnessRequest, evaluate_model

        tasks = [name.strip() for name in names.split(",") if name.strip()]
        if not tasks:
            raise InputError("--harness: name tasks of lm-eval, such as arc_easy,piqa.")
        request = HarnessRequest(tasks, *options)
        for text in evaluate_model(model, request, compose(config, overrides)):
            sys.stdout.write(text)
            sys.stdout.flush()


@app.command(epilog="Example: textmill curve topic tasks.topic.curve.labels=[50,500]")
def curve(
    task: Annotated[str, typer.Argument(help="Name of a task of the configuration.")],
    overrides: Overrides = None,
    config: ConfigOption = "demo",
) -> None:
    """Measure whether pretraining pays for a task: scores by number of labels.

    Trains the classical baseline, the network from random weights and from the pretrained ones (and
    an LSTM, if the kind of task allows) on more and more labels, with several seeds.
    """
    _run_flow("pipeline:curve", config, overrides, task)


@app.command(epilog="Example: textmill sweep topic tasks.topic.sweep.trials=10")
def sweep(
    task: Annotated[str, typer.Argument(help="Name of a task of the configuration.")],
    overrides: Overrides = None,
    config: ConfigOption = "demo",
) -> None:
    """Search the best settings of a task's fine-tuning, by its validation score.

    Prints the best trials, and the settings to copy. Run again, it continues an interrupted search.
    """
    _run_flow("sweeping.sweep:sweep", config, overrides, task)


@app.command(epilog="Example: textmill reproduce 3f9a2c")
def reproduce(
    run_words: Annotated[
        str, typer.Argument(metavar="RUN", help="Pipeline run: its id, a beginning of it, or name.")
    ],
    overrides: Overrides = None,
    anyway: Annotated[
        bool, typer.Option(help="Continue even if data, code or packages have changed.")
    ] = False,
    moved: Annotated[
        list[str] | None,
        typer.Option(metavar="OLD=NEW", help="Look in folder NEW for data that lay in OLD."),
    ] = None,
    tolerance: Annotated[
        float, typer.Option(min=0.0, help="Absolute tolerance for metrics, relative above 1.")
    ] = 0.02,
    recorded_extensions: Annotated[
        bool,
        typer.Option(
            "--recorded-extensions",
            help="Trust and run the code of extensions that the run recorded.",
        ),
    ] = False,
    config: ConfigOption = "demo",
) -> None:
    """Reproduce a finished run from its MLflow records, and compare the results.

    Exits with 0 if every digest and metric is equal, and with 1 if not. Only settings of the store
    and execution can be changed (such as tracking.home); all others are the recorded ones.
    """
    options = (anyway, moved or [], tolerance, recorded_extensions)
    _run_flow("reproduce:reproduce", config, overrides, run_words, *options)


@app.command(epilog="Example: textmill retrain --trigger drift retrain.drift.path=new.jsonl")
def retrain(
    overrides: Overrides = None, trigger: TriggerOption = "data", config: ConfigOption = "demo"
) -> None:
    """Run the whole pipeline if a trigger has an event."""
    _run_flow("scheduling.retrain:retrain", config, overrides, trigger)


@app.command(epilog='Example: textmill schedule --cron "0 2 * * *" --trigger data')
def schedule(
    cron: Annotated[str, typer.Option(help="Minute, hour, day, month and weekday.")],
    overrides: Overrides = None,
    trigger: TriggerOption = "data",
    timezone: Annotated[str, typer.Option(help="Time zone of the cron line.")] = "UTC",
    config: ConfigOption = "demo",
) -> None:
    """Retrain automatically: check a trigger on a cron schedule, until Ctrl-C."""
    with exit_on_error():
        from textmill_flows.invocation import Composed

        composed = Composed.of(config, overrides or [])
        from textmill_flows.servers.server import set_up_environment, start_server

        set_up_environment(composed.config)
        wait_for_server = start_server(composed.config.tracking, is_full=True)
        from textmill_flows.scheduling.schedule import serve_retraining

        serve_retraining(composed, cron, timezone, trigger, wait_for_server)


def _run_flow(place: str, config: str, overrides: list[str] | None, *first: Any) -> None:
    """Run a flow, `module:flow` below textmill_flows; `first` are its leading arguments."""
    with exit_on_error():
        # Composed before Prefect is loaded: a wrong key is reported at once.
        from textmill_flows.invocation import Composed

        composed = Composed.of(config, overrides or [])
        from textmill_flows.servers.server import ready_flow

        flow = ready_flow(f"textmill_flows.{place}", composed.config)
        from textmill_flows.running.start import start

        start(flow, (*first, composed))
