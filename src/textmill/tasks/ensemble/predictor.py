"""Prediction with task models."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from textmill.config import UNREDACTED, Accelerator, RedactionConfig
from textmill.corpus.tokens.tokenizer import load_tokenizer
from textmill.model import GPT, choose_device, lora
from textmill.model.layout import check_sizes, load_state, load_weights, read_config
from textmill.tasks.ensemble.adapters import (
    load_adapter_weights,
    shared_backbone,
)
from textmill.tasks.ensemble.averaging import average
from textmill.tasks.ensemble.model_folder import (
    BASELINE_FOLDER,
    TaskModel,
    read_task,
    weights_folder,
)
from textmill.tasks.inputs import Input, size_of
from textmill.tasks.kinds import BASELINE, answers_of, baselines_of, network_of

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Scorer = Callable[[Sequence[Any]], Iterable[Any]]
"""Maps prepared inputs of a kind of task to their scores."""
BATCHES_BY_LENGTH = 16
"""Number of batches whose inputs are sorted by length, so that little of a batch is padding."""


class NetworkScorer(partial[Iterable[Any]]):
    """The scorer of a network: the `score` of its kind with network, tokenizer and spec."""


class Predictor:
    """Predicts with the models of a task for texts, or other inputs of its kind.

    Args:
        kind: name of the kind of task.
        spec: the kind's settings of the model.
        scorers: the models, with their weights: the scores of several are averaged, and the weight
            of one is the inverse of its temperature; 1 changes no score.
        redaction: the redaction of their training texts, applied to inputs as well.
    """

    def __init__(
        self,
        kind: str,
        spec: Any,
        scorers: Sequence[tuple[Scorer, float]],
        redaction: RedactionConfig = UNREDACTED,
    ) -> None:
        self.kind_name, self.kind = kind, answers_of(kind)
        self.spec = spec
        self.scorers = scorers
        self.redaction = redaction

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of an input; a single one is the text itself."""
        return self.kind.columns(self.spec)

    def __call__(self, inputs: Sequence[Any]) -> list[dict[str, Any]]:
        """Return one prediction for each input, in their order."""
        return list(self.stream(inputs))

    def check(self, given: Input) -> None:
        """Raise InputError if the kind of task rejects an input, such as an unknown predicate."""
        self.kind.prepare(self.spec, [given], self.redaction)

    @property
    def weights(self) -> list[float]:
        """The weights of the models."""
        return [weight for _, weight in self.scorers]

    def stream(self, inputs: Sequence[Any]) -> Iterator[dict[str, Any]]:
        """Yield one prediction for each input, in their order, computed in batches."""
        for (prediction,) in self.stream_weighted(inputs, [self.weights]):
            yield prediction

    @torch.inference_mode()
    def stream_weighted(
        self,
        inputs: Sequence[Any],
        weightings: Sequence[Sequence[float]],
        *,
        with_details: bool = False,
    ) -> Iterator[tuple[dict[str, Any], ...]]:
        """Yield for each input a prediction by each weighting of the models, which run once.

        Args:
            inputs: of the kind of task.
            weightings: weights of all models, in their order.
            with_details: add what metrics need besides, see `Answers.details`.
        """
        size = self.kind.PREDICT_BATCH
        for start in range(0, len(inputs), size * BATCHES_BY_LENGTH):
            stretch = inputs[start : start + size * BATCHES_BY_LENGTH]
            order = sorted(range(len(stretch)), key=lambda index: size_of(stretch[index]))
            found: dict[int, tuple[dict[str, Any], ...]] = {}
            for at in range(0, len(order), size):
                batch = order[at : at + size]
                given = [stretch[index] for index in batch]
                prepared = self.kind.prepare(self.spec, given, self.redaction)
                scores = [list(scorer(prepared)) for scorer, _ in self.scorers]
                answers = (self._answers(prepared, scores, w, with_details) for w in weightings)
                found.update(zip(batch, zip(*answers, strict=True), strict=True))
            yield from (found[index] for index in range(len(stretch)))

    def likelihoods(self, examples: Sequence[Any]) -> Iterable[dict[str, float]]:
        """Return what metrics need of the likelihood of each example's reference.

        Empty if they need nothing, or the model is not a network by itself.
        """
        measure, [(scorer, _), *others] = network_of(self.kind_name).likelihood, self.scorers
        if measure is None or others or not isinstance(scorer, NetworkScorer):
            return [{} for _ in examples]
        network, tokenizer, spec = scorer.args
        return measure(network, tokenizer, spec, examples)

    def _answers(
        self,
        prepared: Sequence[Any],
        scores: Sequence[Sequence[Any]],
        weights: Sequence[float],
        with_details: bool,
    ) -> Iterator[dict[str, Any]]:
        """Yield the answers that follow from the scores of the models with these weights."""
        pooled = scores[0]
        if [*weights] != [1.0]:  # of one model, a temperature
            pooled = [average(parts, weights) for parts in zip(*scores, strict=True)]
        details = self.kind.details if with_details else None
        answers = self.kind.answer(self.spec, prepared, pooled)
        for answer, score in zip(answers, pooled, strict=True):
            yield answer if details is None else answer | details(self.spec, score)


def score_in_batches(scorer: Scorer, prepared: Sequence[Any], batch_size: int) -> Iterator[Any]:
    """Yield the score of each prepared input, computed in batches without gradients."""
    for at in range(0, len(prepared), batch_size):
        with torch.inference_mode():
            scores = list(scorer(prepared[at : at + batch_size]))
        yield from scores


def network_scorer(
    kind: str,
    spec: Any,
    network: nn.Module,
    tokenizer: Tokenizer,
    accelerator: Accelerator = "auto",
) -> Scorer:
    """Return the scorer of a network, which is moved to its device; scores are on the CPU.

    Args:
        kind: name of the kind of task.
        spec: the kind's settings of the model.
        network: in eval mode.
        tokenizer: that of its backbone.
        accelerator: see `choose_device`.

    Raises:
        InputError: the machine lacks the device.
    """
    if isinstance(network.backbone, GPT):  # not an LSTM, of a learning curve
        network.backbone.compiles_attention = False
    network.to(choose_device(accelerator))
    return NetworkScorer(network_of(kind).score, network, tokenizer, spec)


def load_predictor(folder: Path | str, accelerator: Accelerator = "auto") -> Predictor:
    """Return the predictor of a task model folder.

    Args:
        folder: written by the step finetune.
        accelerator: see `choose_device`; classical baselines always use the CPU.

    Raises:
        InputError: the folder is not a task model, or the machine lacks the device.
    """
    folder = Path(folder)
    task = read_task(folder)
    names = [member for member in task.members if member != BASELINE]
    found = dict(zip(names, _load_networks(folder, task, names, accelerator), strict=True))
    if BASELINE in task.members:
        found[BASELINE] = _load_baseline(folder, task)
    scorers = [(found[member], weight) for member, weight in task.members.items()]
    return Predictor(task.kind, task.spec, scorers, task.redaction)


def _load_baseline(folder: Path, task: TaskModel) -> Scorer:
    return baselines_of(task.kind).load(task.spec, folder / BASELINE_FOLDER).score


def _load_networks(
    folder: Path, task: TaskModel, names: Sequence[str], accelerator: Accelerator
) -> Iterator[Scorer]:
    """Yield the scorers of networks, which have one configuration and one tokenizer."""
    if not names:
        return
    config, adapter = read_config(folder), task.adapter
    places = [weights_folder(folder, name) for name in names]
    for place in places if adapter is None else ():  # or else the backbone's are checked
        check_sizes(config, place)
    tokenizer = load_tokenizer(folder, config.vocab_size)
    device = choose_device(accelerator)
    for place in places:
        if adapter is None:
            network = network_of(task.kind).build(GPT(config), task.spec, 0.0, task.is_causal)
            load_state(network, load_weights(place), place)
        else:
            backbone = shared_backbone(folder, adapter.backbone, device)
            network = network_of(task.kind).build(backbone, task.spec, 0.0, task.is_causal)
            lora.attach(backbone, adapter.lora)
            load_adapter_weights(network, load_weights(place), place)
        yield network_scorer(task.kind, task.spec, network.eval(), tokenizer, accelerator)
