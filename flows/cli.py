"""The command line. Torch, MLflow and Prefect are imported by the commands that need them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

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
TriggerOption = Annotated[
    Literal["schedule", "data", "drift"],
    typer.Option(help="Always; when the data have changed; when new text has drifted."),
]


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
        from textmill.compose import compose

        composed = compose(config, overrides or [])
        from flows.server import set_up_environment, start_server

        set_up_environment(composed)
        wait_for_server = start_server(composed.tracking.prefect_port)
        from flows.schedule import serve_retraining

        serve_retraining(
            _place(config), list(overrides or []), cron, timezone, trigger, wait_for_server
        )


@app.command(epilog='Example: textmill generate "The train to the coast"')
def generate(
    prompt: Annotated[str, typer.Argument(help="Beginning of the text.")],
    overrides: Overrides = None,
    config: ConfigOption = "demo",
) -> None:
    """Write on from a prompt with the newest backbone, as it comes."""
    with _errors_in_words():
        from flows.answers import write

        for piece in write(prompt, config, overrides or []):
            sys.stdout.write(piece)
            sys.stdout.flush()
        sys.stdout.write("\n")


@app.command(epilog='Example: textmill predict sentiment "I would go there again at once."')
def predict(
    task: Annotated[str, typer.Argument(help="Name of a task of the configuration.")],
    text: Annotated[str | None, typer.Argument(help="The text; - or nothing reads lines.")] = None,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help="Read one text from each line of a file.")
    ] = None,
    config: ConfigOption = "demo",
) -> None:
    """Run the newest model of a task; one line of JSON for each text."""
    with _errors_in_words():
        from flows.answers import answer

        for prediction in answer(task, _texts(text, file), config):
            sys.stdout.write(json.dumps(prediction, ensure_ascii=False) + "\n")


@app.command(epilog="Example: textmill ui tracking.mlflow_port=5050")
def ui(overrides: Overrides = None, config: ConfigOption = "demo") -> None:
    """Start the MLflow and Prefect web pages on this store, until Ctrl-C."""
    with _errors_in_words():
        from flows.pages import serve_pages

        serve_pages(config, overrides or [])


@app.command(epilog="Example: textmill doctor --config benchmark data_root=data")
def doctor(overrides: Overrides = None, config: ConfigOption = "demo") -> None:
    """Say what is installed and reachable, what would fail, and how to mend it."""
    with _errors_in_words():
        from flows.checkup import check

        if not check(config, overrides or [], sys.stdout):
            raise typer.Exit(1)


def _run_flow(name: str, config: str, overrides: list[str] | None, *first: str | None) -> None:
    """Run a flow of the module of that name."""
    with _errors_in_words():
        # Composed before Prefect is loaded: a wrong key is reported at once.
        from textmill.compose import compose

        composed = compose(config, overrides or [])
        from flows.server import set_up_environment, start_server

        set_up_environment(composed)
        wait_for_server = start_server()
        from flows.start import load, start

        flow = load(name, composed)
        wait_for_server()
        start(flow, (*first, _place(config), list(overrides or [])))


def _place(config: str) -> str:
    """Return a configuration's name, or its absolute path, which Prefect's later runs find."""
    return str(Path(config).resolve()) if config.endswith((".yaml", ".yml")) else config


def _texts(text: str | None, file: Path | None) -> Iterator[str]:
    """Yield the texts to answer: the argument, a file's lines, or those of standard input."""
    if text is not None and text != "-":
        yield text
        return
    try:
        lines: Any = file.open(encoding="utf-8") if file is not None else sys.stdin
        with lines:
            yield from (line.rstrip("\r\n") for line in lines if line.strip())
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise InputError(f"{file or 'standard input'} is not UTF-8 text.") from None


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
        status = _fail("Stopped. Running the same command again goes on from here.", 130)
    except BrokenPipeError:
        status = 0  # the reader, such as head, has what it wanted
    if status is not None:
        raise typer.Exit(status)


def _fail(message: str, status: int) -> int:
    typer.echo(f"textmill: {message}", err=True)
    return status
