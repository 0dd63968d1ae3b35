"""The command line. Torch, MLflow and Prefect are imported by the commands that need them."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from flows.process import (
    as_json,
    as_text,
    refuse_stray_bytes,
    set_up_streams,
    spare_collections,
)
from textmill.errors import InputError, RunError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Raw text in, evaluated GPT models out; every step tracked, every result repeatable.",
)

ConfigOption = Annotated[
    str, typer.Option("--config", "-c", help="Name of a file in conf/, or path of a YAML file.")
]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="[KEY=VALUE]...", help="Settings to change, in Hydra's grammar."),
]
SETTING = re.compile(r"[+~]{0,2}[\w.@/-]+=")
"""How an override begins, where a text may stand too."""
LAST_SENDING_S = 15
"""For Prefect to send its states and logs after Ctrl-C; a server that is away costs no more."""
TAKE_TEXT = ("generate", "predict")
"""Commands that read an argument as a text."""
TriggerOption = Annotated[
    Literal["schedule", "data", "drift"],
    typer.Option(help="Always; when the data have changed; when new text has drifted."),
]


def _print_version(is_asked: bool) -> None:
    if is_asked:
        from importlib.metadata import version

        typer.echo(f"textmill {version('textmill')}")
        raise typer.Exit


@app.callback()
def begin(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Set up the process of the command, whichever it is."""
    spare_collections()
    set_up_streams()
    if context.invoked_subcommand not in TAKE_TEXT:
        with _errors_in_words():
            refuse_stray_bytes(sys.argv[1:])


@app.command(epilog="Example: textmill run pretrain.max_steps=200 tasks=[sample-topic]")
def run(overrides: Overrides = None, config: ConfigOption = "demo") -> None:
    """Run the whole chain: clean, tokenize, pretrain, fine-tune, evaluate."""
    _run_flow("pipeline", config, overrides)


@app.command(epilog="Example: textmill prepare corpus.min_chars=50")
def prepare(overrides: Overrides = None, config: ConfigOption = "demo") -> None:
    """Clean the sources, train the tokenizer, encode the corpus."""
    _run_flow("prepare", config, overrides)


@app.command(epilog="Example: textmill pretrain model=gpt2-tiny pretrain.learning_rate=0.001")
def pretrain(overrides: Overrides = None, config: ConfigOption = "demo") -> None:
    """Pretrain the backbone, and compute first what that needs."""
    _run_flow("pretrain", config, overrides)


@app.command(epilog="Example: textmill finetune topic tasks.topic.finetune.epochs=5")
def finetune(
    task: Annotated[str, typer.Argument(help="Name of a task of the configuration.")],
    overrides: Overrides = None,
    config: ConfigOption = "demo",
) -> None:
    """Fine-tune for one task, and compute first what that needs."""
    _run_flow("finetune", config, overrides, task)


@app.command(epilog="Example: textmill evaluate topic")
def evaluate(
    task_and_overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[TASK] [KEY=VALUE]...")
    ] = None,
    config: ConfigOption = "demo",
) -> None:
    """Evaluate one task, or all of them and the language model."""
    words = task_and_overrides or []
    has_task = bool(words) and "=" not in words[0]
    task = [words[0]] if has_task else [None]
    _run_flow("evaluate", config, words[has_task:], *task)


@app.command(epilog="Example: textmill reproduce 3f9a2c")
def reproduce(
    run_words: Annotated[
        str, typer.Argument(metavar="RUN", help="Pipeline run: its id, a beginning of it, or name.")
    ],
    overrides: Overrides = None,
    anyway: Annotated[
        bool, typer.Option(help="Go on where data, code or packages are others than they were.")
    ] = False,
    moved: Annotated[
        list[str] | None,
        typer.Option(metavar="OLD=NEW", help="Look in folder NEW for data that lay in OLD."),
    ] = None,
    tolerance: Annotated[
        float, typer.Option(min=0.0, help="How far a metric may be off to be equal within it.")
    ] = 0.02,
    config: ConfigOption = "demo",
) -> None:
    """Compute a finished run again from what MLflow recorded, and say what came out equal.

    Exits with 0 if every digest and metric is equal, and with 1 if not. Settings say where results
    live (tracking.uri, tracking.home); all others are those that were recorded.
    """
    _run_flow("reproduce", config, overrides, run_words, anyway, moved or [], tolerance)


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
        bool, typer.Option("--text", help="Ask for the documents that hold the given words.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON instead of a tree.")] = False,
    config: ConfigOption = "demo",
) -> None:
    """Say what a run or model was made from, or what has seen a file or a document."""
    with _answer():
        from textmill.compose import compose
        from textmill.registry.lineage import as_text, as_values, trace, trace_text
        from textmill.tracking.store import Store

        find = trace_text if text else trace
        found = find(Store(compose(config, overrides or []).tracking), what)
        shown = json.dumps(as_values(found), indent=2) if as_json else as_text(found)
        sys.stdout.write(f"{shown}\n")


@app.command(epilog="Example: textmill prune --keep 5 --yes")
def prune(
    overrides: Overrides = None,
    keep: Annotated[int, typer.Option(min=0, help="Newest pipeline runs whose results stay.")] = 10,
    yes: Annotated[bool, typer.Option("--yes", help="Remove it; else it is only shown.")] = False,
    config: ConfigOption = "demo",
) -> None:
    """Show, and remove, what no registered model and no recent run needs."""
    with _answer():
        from flows.housekeeping import prune_store
        from textmill.compose import compose

        prune_store(compose(config, overrides or []), keep, yes, sys.stdout)


@app.command(epilog="Example: textmill retrain --trigger drift retrain.drift.path=new.jsonl")
def retrain(
    overrides: Overrides = None, trigger: TriggerOption = "data", config: ConfigOption = "demo"
) -> None:
    """Run the whole chain if a trigger has an event for it; say so if it has none."""
    _run_flow("retrain", config, overrides, trigger)


@app.command(epilog='Example: textmill schedule --cron "0 2 * * *" --trigger data')
def schedule(
    cron: Annotated[str, typer.Option(help="Minute, hour, day, month and weekday.")],
    overrides: Overrides = None,
    trigger: TriggerOption = "data",
    timezone: Annotated[str, typer.Option(help="Time zone of the cron line.")] = "UTC",
    config: ConfigOption = "demo",
) -> None:
    """Retrain by itself: ask a trigger at the times of a cron line, until Ctrl-C."""
    with _errors_in_words():
        from textmill.compose import compose, place_of

        composed = compose(config, overrides or [])
        from flows.server import set_up_environment, start_server

        set_up_environment(composed)
        wait_for_server = start_server(composed.tracking, is_full=True)
        from flows.schedule import serve_retraining

        serve_retraining(
            place_of(config), list(overrides or []), cron, timezone, trigger, wait_for_server
        )


@app.command(epilog='Example: textmill generate "The train to the coast"')
def generate(
    prompt: Annotated[str, typer.Argument(help="Beginning of the text.")],
    overrides: Overrides = None,
    config: ConfigOption = "demo",
) -> None:
    """Write on from a prompt with the champion or newest backbone, as it comes."""
    with _answer():
        from flows.answers import write

        for piece in write(as_text(prompt), config, overrides or []):
            sys.stdout.write(piece)
            sys.stdout.flush()
        sys.stdout.write("\n")


@app.command(epilog='Example: textmill predict sentiment "I would go there again at once."')
def predict(
    task: Annotated[str, typer.Argument(help="Name of a task of the configuration.")],
    text_and_overrides: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TEXT] [KEY=VALUE]...", help="The text; - or nothing reads lines. Settings."
        ),
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help="Read one text from each line of a file.")
    ] = None,
    config: ConfigOption = "demo",
) -> None:
    """Run the champion or newest model of a task; one line of JSON for each text.

    The run in each line is that of the model: textmill lineage RUN says what it was made from.
    """
    with _answer():
        from flows.answers import answer

        words = text_and_overrides or []
        has_text = bool(words) and not _is_setting(words[0])
        text = as_text(words[0]) if has_text else None
        if text is not None and file is not None:
            raise InputError(f"Both a text and --file {file} were given: leave one of them out.")
        for prediction in answer(task, _texts(text, file), config, words[has_text:]):
            sys.stdout.write(f"{as_json(prediction)}\n")


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
    """Say what differs between pipeline runs, and which scores differ more than by chance."""
    with _answer():
        from flows.comparing import compare_runs

        runs, overrides = _runs_and_settings(runs_and_overrides)
        for line in compare_runs(runs, config, overrides, as_json):
            sys.stdout.write(line)


@app.command(epilog="Example: textmill promote topic --version 3")
def promote(
    model: Annotated[str, typer.Argument(help="Name of a task, or backbone.")],
    overrides: Overrides = None,
    version: Annotated[
        int | None, typer.Option("--version", min=1, help="Which; the newest if not given.")
    ] = None,
    config: ConfigOption = "demo",
) -> None:
    """Make a registered model the champion by hand, whatever the gate said."""
    with _answer():
        from flows.models import promote_model

        number = None if version is None else str(version)
        typer.echo(promote_model(model, number, config, overrides or []))


@app.command(epilog="Example: textmill rollback topic")
def rollback(
    model: Annotated[str, typer.Argument(help="Name of a task, or backbone.")],
    overrides: Overrides = None,
    config: ConfigOption = "demo",
) -> None:
    """Make the champion before the present one champion again."""
    with _answer():
        from flows.models import rollback_model

        typer.echo(rollback_model(model, config, overrides or []))


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
    """Measure this machine: say what pretraining takes, and what to train for a budget.

    With --fit, the arguments without a = are finished runs: textmill plan --fit RUN RUN ...
    """
    with _errors_in_words():
        from flows import planning

        words = overrides or []
        if fit:
            runs, settings = _runs_and_settings(words)
            lines = planning.fit(config, settings, runs, plot)
        else:
            lines = planning.plan(config, words, hours, flops, money)
        for line in lines:
            typer.echo(line)


@app.command(epilog="Example: textmill ui tracking.mlflow_port=5050")
def ui(overrides: Overrides = None, config: ConfigOption = "demo") -> None:
    """Start the MLflow and Prefect web pages on this store, until Ctrl-C."""
    with _errors_in_words():
        from flows.pages import serve_pages

        serve_pages(config, overrides or [])


@app.command(epilog="Example: textmill doctor --config benchmark data_root=data")
def doctor(overrides: Overrides = None, config: ConfigOption = "demo") -> None:
    """Say what is installed and reachable, what would fail, and how to mend it."""
    with _answer():
        from flows.checkup import check

        if not check(config, overrides or [], sys.stdout):
            raise typer.Exit(1)


def _run_flow(name: str, config: str, overrides: list[str] | None, *first: Any) -> None:
    """Run a flow of the module of that name."""
    with _errors_in_words():
        # Composed before Prefect is loaded: a wrong key is reported at once.
        from textmill.compose import compose, place_of

        composed = compose(config, overrides or [])
        from flows.server import ready_flow

        flow = ready_flow(name, composed)
        from flows.start import start

        start(flow, (*first, place_of(config), list(overrides or [])))


def _runs_and_settings(words: list[str]) -> tuple[list[str], list[str]]:
    return [word for word in words if "=" not in word], [word for word in words if "=" in word]


def _is_setting(word: str) -> bool:
    """Whether a word changes a setting; a text may have an equals sign in it too."""
    from textmill.config import Config

    key = re.split(r"[.=]", word.lstrip("+~"), maxsplit=1)[0]
    return SETTING.match(word) is not None and key in {*Config.model_fields, "data_root"}


def _texts(text: str | None, file: Path | None) -> Iterator[str]:
    """Yield the texts to answer: the argument, a file's lines, or those of standard input.

    A file is read as those are that models are trained on, whatever its encoding.
    """
    if text is not None and text != "-":
        yield text
        return
    try:
        if file is not None:
            from textmill.corpus.reading.sources import read_line_texts

            yield from read_line_texts(file)
            return
        lines: Any = sys.stdin
        with lines:
            yield from (line.rstrip("\r\n") for line in lines)  # an answer for each line
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise InputError("standard input is not UTF-8 text.") from None


@contextmanager
def _answer() -> Iterator[None]:
    """Do what `_errors_in_words` does for a command that reads the store, and is waited for."""
    with _errors_in_words():
        from textmill.tracking.database.skinny import load_skinny

        load_skinny()
        yield


@contextmanager
def _errors_in_words() -> Iterator[None]:
    """Turn the failures that a user can mend into one message and an exit status."""
    status: int | None = None
    try:
        yield
    except InputError as error:
        status = _fail(str(error), 2)
    except RunError as error:
        status = _fail(str(error), 1)
    except KeyboardInterrupt:
        _end_undisturbed()
        status = _fail("Stopped. Running the same command again goes on from here.", 130)
    except BrokenPipeError:
        status = 0  # the reader, such as head, has what it wanted
    if status is not None:
        raise typer.Exit(status)


def _end_undisturbed() -> None:
    """Let no further Ctrl-C break off what is still to be said and sent; it has a time limit."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    timer = threading.Timer(LAST_SENDING_S, os._exit, (130,))
    timer.daemon = True
    timer.start()


def _fail(message: str, status: int) -> int:
    typer.echo(f"textmill: {message}", err=True)
    return status


if __name__ == "__main__":
    app(prog_name="python -m flows.cli")
