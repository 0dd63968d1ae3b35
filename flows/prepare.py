"""From sources to tokens: sample, clean, tokenizer, tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from prefect.client.schemas.objects import State

from flows.context import Context, command, outcome, run_step, say, step_task
from flows.recording import recorded_flow
from textmill.compose import SAMPLE as SAMPLE_PREFIX
from textmill.config import (
    CleanConfig,
    Config,
    CorpusConfig,
    SourceConfig,
    TaskConfig,
    TestSetConfig,
    TokensConfig,
)
from textmill.corpus.reading.folders import check_inside
from textmill.corpus.reading.sources import digest_source, source_files
from textmill.errors import InputError
from textmill.files import check_kind, digest_file, join_digests
from textmill.reports.data import NAME as DATA
from textmill.reports.data import log_data_page
from textmill.steps.sources import INIT_FROM, Source
from textmill.steps.step import CLEAN, SAMPLE, TOKENIZER, TOKENS
from textmill.tasks.rows import digest_split, location, settings_of
from textmill.tracking.results import Result
from textmill.tracking.store import artifact_url


@dataclass(frozen=True)
class Prepared:
    """The folders that pretraining starts from."""

    tokenizer: Result
    tokens: Result


@step_task("sample")
def make_sample(context: Context) -> State[Any]:
    """Generate the sample data."""
    assert context.config.sample is not None
    return run_step(context, SAMPLE, context.config.sample)


@step_task("clean")
def clean(context: Context) -> State[Any]:
    """Clean the sources."""
    config = context.config
    tasks = config.tasks if config.corpus.decontamination.enabled else ()
    step_config = CleanConfig(**dict(config.corpus), test_sets=tuple(map(as_test_set, tasks)))
    tests = [source for task in tasks for source in split_sources(task, "test")]
    return run_step(context, CLEAN, step_config, sources=(*corpus_sources(config.corpus), *tests))


def as_test_set(task: TaskConfig) -> TestSetConfig:
    """Return what the corpus is compared with of a task."""
    return TestSetConfig(
        name=task.name,
        places=tuple(location(task, setting) for setting in settings_of(task, "test")),
        hub=task.hub,
        subset=task.subset,
        revision=task.revision,
        encoding=task.encoding,
        columns=tuple(getattr(task, setting) for setting in task.TEXT_SETTINGS),
    )


def corpus_sources(corpus: CorpusConfig) -> tuple[Source, ...]:
    """Return the raw text as sources of a step.

    Raises:
        InputError: there are no such files.
        RunError: the hub cannot be asked.
    """
    return tuple(map(_corpus_source, corpus.sources))


def _corpus_source(config: SourceConfig) -> Source:
    """Return a source of the corpus with its digest, and those of its files."""
    digest_now = partial(digest_source, config)
    if config.hub is not None:
        digest = digest_source(config)
        return Source(config.name, config.hub, digest, "pretraining", digest_now=digest_now)
    files = {file: digest_file(file) for file in source_files(config)}
    return Source(
        config.name,
        str(config.path),
        join_digests(files),
        "pretraining",
        {str(file): digest for file, digest in files.items()},
        digest_now,
    )


def split_sources(config: TaskConfig, *splits: str) -> tuple[Source, ...]:
    """Return the labelled files of a task as sources of a step."""
    return tuple(
        Source(
            f"{config.name}/{name}",
            location(config, name),
            digest_split(config, name),
            split,
            digest_now=partial(digest_split, config, name),
        )
        for split in splits
        for name in settings_of(config, split)
    )


@step_task("tokenizer")
def train_tokenizer(context: Context, corpus: Result) -> State[Any]:
    """Train the tokenizer."""
    config = context.config.tokenizer
    sources = folder_sources("tokenizer.init_from", config.init_from, ["tokenizer.json"])
    return run_step(context, TOKENIZER, config, {"corpus": corpus}, sources)


def folder_sources(key: str, place: str | None, names: Sequence[str]) -> tuple[Source, ...]:
    """Return a folder that a step begins from as its source, with the digests of these files.

    Raises:
        InputError: one of them is not there.
    """
    if place is None:
        return ()
    files = [Path(place) / name for name in names]
    for file in files:
        check_kind(file)
        if not file.is_file():
            raise InputError(f"{key}={place}: {file} is missing: name a folder that holds it.")
        check_inside(file, Path(place))

    def digests() -> dict[Path, str]:
        return {file: digest_file(file) for file in files}

    found = digests()
    return (
        Source(
            INIT_FROM,
            place,
            join_digests(found),
            key.partition(".")[0],
            {str(file): digest for file, digest in found.items()},
            lambda: join_digests(digests()),
        ),
    )


@step_task("tokens")
def tokenize(context: Context, corpus: Result, tokenizer: Result) -> State[Any]:
    """Encode the corpus."""
    inputs = {"corpus": corpus, "tokenizer": tokenizer}
    return run_step(context, TOKENS, TokensConfig(), inputs)


def place_sample(context: Context) -> None:
    """Generate the sample data if the configuration names it, and fill in where it lies."""
    if context.config.sample is not None:
        folder = outcome(make_sample(context)).folder
        context.config = with_sample(context.config, str(folder))


def with_sample(config: Config, folder: str) -> Config:
    """Return the configuration with `sample:` paths inside a folder."""

    def place(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: place(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [place(item) for item in value]
        if isinstance(value, str) and value.startswith(SAMPLE_PREFIX):
            return f"{folder}/{value.removeprefix(SAMPLE_PREFIX)}"
        return value

    return Config.model_validate(place(config.model_dump()))


def prepare_parts(context: Context) -> Prepared:
    """Run the steps of this flow inside another one."""
    corpus = outcome(clean(context))
    tokenizer = outcome(train_tokenizer(context, corpus))
    return Prepared(tokenizer, outcome(tokenize(context, corpus, tokenizer)))


@recorded_flow("prepare")
def prepare(config: str = "demo", overrides: list[str] | None = None) -> None:
    """Clean the sources, train the tokenizer, encode the corpus."""
    with command("prepare", config, overrides or []) as context:
        place_sample(context)
        prepare_parts(context)
        place = log_data_page(context.pipeline, context.config)
        context.page.link(artifact_url(context.pipeline.url, DATA), "data of this run", "data")
        say(f"data: {place}")
