"""Generation and prediction with the champion, or the newest finished model."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from textmill.compose import unknown_name
from textmill.config import Config
from textmill.errors import InputError
from textmill.registry.versions import MODEL_RUN_TAG, Registry
from textmill.steps.graph import FINETUNE, PRETRAIN
from textmill.steps.step import Step
from textmill.tasks.inputs import Input, checked
from textmill.tracking.artifacts import output_folder
from textmill.tracking.store import Store
from textmill.tracking.tags import BACKBONE, TRIAL_TAG

BATCH_TEXTS = 256


def write(prompt: str, config: Config) -> Iterator[str]:
    """Yield the prompt, and stream its completion by the experiment's backbone.

    Raises:
        InputError: nothing has been pretrained yet.
    """
    folder = choose_model(config, PRETRAIN).folder
    from textmill.corpus.tokens.tokenizer import load_tokenizer
    from textmill.model import choose_device, load
    from textmill.safety.model_redaction import read_redaction
    from textmill.safety.redaction import redact
    from textmill.training.writing import stream_text

    network = load(folder).to(choose_device())
    tokenizer = load_tokenizer(folder, network.config.vocab_size)
    yield prompt
    asked = redact(prompt, read_redaction(folder))[0]
    yield from stream_text(network, tokenizer, asked, config.generation)


def answer(task: str, texts: Iterable[str], config: Config) -> Iterator[dict[str, Any]]:
    """Yield the task model's prediction for each text, and the run that made the model.

    If the model has several columns, a text is an object of JSON with them.

    Raises:
        InputError: there is no such task, or it has not been fine-tuned yet; or a text is not such
            an object.
    """
    names = [t.name for t in config.tasks]
    if task not in names:
        raise InputError(unknown_name("task", task, names).capitalize())
    model = choose_model(config, FINETUNE, task)
    from textmill.tasks.ensemble.predictor import load_predictor

    predictor = load_predictor(model.folder)
    remaining = (read_input(*line, predictor.columns) for line in enumerate(texts, 1))
    while batch := list(islice(remaining, BATCH_TEXTS)):
        for given, prediction in zip(batch, predictor.stream(batch), strict=True):
            shown = given if isinstance(given, dict) else {"text": given}
            yield {**shown, **prediction, "run": model.run_id}


def read_input(number: int, text: str, columns: Sequence[str]) -> Input:
    """Return the input in a line: the line itself, or the columns of an object of JSON."""
    if len(columns) == 1:
        return text
    example = json.dumps(dict.fromkeys(columns, "…"), ensure_ascii=False)
    try:
        return checked(json.loads(text), columns)
    except json.JSONDecodeError:
        raise InputError(f"Line {number} is not JSON: write {example} for each input.") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"Line {number}: {error}; write {example} for each.") from None


@dataclass(frozen=True)
class Chosen:
    """A model to use."""

    run_id: str
    """MLflow run of the step that trained it, for `textmill lineage`."""
    folder: Path


def choose_model(config: Config, step: Step, task: str | None = None) -> Chosen:
    """Return the champion, or else the model of the newest finished run in the experiment.

    Raises:
        InputError: there is no model.
        RunError: the model is missing or damaged.
    """
    store = Store(config.tracking)
    champion = Registry(store, config.experiment).champion(task or BACKBONE)
    if champion is not None and MODEL_RUN_TAG in champion.tags:
        run_id = champion.tags[MODEL_RUN_TAG]
        return Chosen(run_id, output_folder(store, run_id))
    # Trials of a sweep are models of nobody's choice, until a run uses one.
    condition = (
        f"attributes.status='FINISHED' and tags.`textmill.step`='{step.name}' "
        f"and tags.`{TRIAL_TAG}` IS NULL"
    )
    if task is not None:
        condition += f" and tags.`textmill.task`='{task}'"
    experiment = store.find_experiment(config.experiment)
    for run in store.search(condition, 1, experiment) if experiment is not None else ():
        return Chosen(run.info.run_id, output_folder(store, run.info.run_id))
    command = f"textmill finetune {task}" if task else "textmill pretrain"
    raise InputError(f"The experiment {config.experiment!r} has no such model yet: run {command}.")
