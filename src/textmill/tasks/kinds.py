"""The kinds of task: each is a folder of this package whose modules implement these protocols.

A new kind is another folder, and its name in config/tasks.py. Modules are loaded by name when they
are needed: reading examples does not import torch, and the key of a step contains only the modules
of its kind that it uses. The protocols of `page.py` and `statistics.py`, which are in no key, are
in shown.py and statistics.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from textmill.config import KINDS, LANGUAGE_MODEL, RedactionConfig
from textmill.config.extensions import modules

if TYPE_CHECKING:
    from torch import Tensor, nn

    from textmill.evaluation.metrics import Metric, Row
    from textmill.tasks.inputs import Input
    from textmill.tasks.rows import Rows
    from textmill.training.objectives import Batch


NETWORK, BASELINE = "network", "baseline"
"""The members of a task's model."""


class Examples(Protocol):
    """Reading and checking of labelled examples: `examples.py`; does not import torch."""

    SELECTION: str
    """The validation metric that selects the best epoch."""
    ONE_ANSWER: bool
    """Whether each text has one correct answer, so that examples with different ones conflict."""
    stratum: Callable[[Any], str] | None
    """Returns the label of an example, if each has one: subsets contain all labels, in the
    proportions of the whole; None: subsets are random."""
    group: Callable[[Any], str] | None
    """Returns what some examples have in common, such as their context, so that they are used for
    training or for validation alike; None: nothing."""
    Spec: Any
    """The class of the settings of a fine-tuned model besides its weights, such as its labels."""

    def read_examples(self, config: Any, split: str) -> Rows[Any]: ...
    def make_spec(self, config: Any, train: Sequence[Any]) -> Any: ...
    def check_examples(self, config: Any, spec: Any, examples: Sequence[Any]) -> None: ...
    def reference(self, example: Any) -> dict[str, Any]: ...
    def model_input(self, example: Any) -> Input: ...


class Network(Protocol):
    """Training and prediction: `network.py`.

    Training moves batches to the device of the network; `score` moves its own.
    """

    CAN_BE_RECURRENT: bool
    """Whether an LSTM can take the place of the backbone: if only final hidden states are used."""
    MAX_TRAINING_WINDOWS: float
    """Maximum windows of the context in which an example is read in training; other models read
    all. 1: its texts are truncated."""
    SEEN_EXAMPLES: int
    """Examples, counted as often as they are seen, of a training without a number of epochs."""
    EPOCHS_WITHOUT_DROPOUT: int
    """Maximum passes over the training examples without dropout, unless it is set."""
    likelihood: Callable[[Any, Any, Any, Sequence[Any]], Iterable[dict[str, float]]] | None
    """Returns what metrics need of the likelihood of each example's reference, given network,
    tokenizer and spec, as fields of its row of the predictions; None: nothing."""
    save_tokenizer: Callable[[Path, Path], None] | None
    """Writes the tokenizer's files of a model, given the folder of its backbone and its own; None:
    they are those of the backbone."""

    def build(self, backbone: Any, spec: Any, dropout: float, is_causal: bool) -> nn.Module: ...
    def encode(
        self, tokenizer: Any, spec: Any, examples: Sequence[Any], block_size: int
    ) -> list[Any]: ...
    def collate(self, examples: Sequence[Any]) -> Batch: ...
    def loss(self, network: Any, batch: Batch, label_smoothing: float) -> Tensor: ...
    def validate(self, network: Any, batches: Iterable[Batch]) -> dict[str, float]: ...
    def score(
        self, network: Any, tokenizer: Any, spec: Any, prepared: Sequence[Any]
    ) -> Iterable[Any]: ...


class Answers(Protocol):
    """The inputs and answers of all models of the kind: `answers.py`; does not import torch.

    A model gives each prepared input a score, such as the probabilities of its labels.
    """

    PREDICT_BATCH: int
    """Batch size of prediction."""
    WRITES: str | None
    """The field of an answer with a text that the model writes, which content filters check; None:
    it writes none."""
    targets: Callable[[Any, Any], Sequence[int]] | None
    """Returns the numbers of an example's correct labels, one for each row of its probabilities, to
    which the weights of an average are fitted; None if scores are no probabilities."""
    fit_decision: Callable[[Any, Sequence[Any], Sequence[Any]], Any] | None
    """Returns the settings of a model with the decision that its leading metric is highest with,
    from its scores of some examples; None: the likeliest answer."""

    details: Callable[[Any, Any], dict[str, Any]] | None
    """Returns what metrics need of the score of a test example besides its answer, such as all
    probabilities, as fields of its row of the predictions; None: nothing."""

    def columns(self, spec: Any) -> tuple[str, ...]:
        """Return the columns of a model's input; a single one is the text itself."""

    def prepare(
        self, spec: Any, inputs: Sequence[Any], redaction: RedactionConfig
    ) -> Sequence[Any]: ...
    def answer(
        self, spec: Any, prepared: Sequence[Any], scores: Sequence[Any]
    ) -> Iterator[dict[str, Any]]: ...


class Baseline(Protocol):
    """A fitted classical baseline, which can be a task's model, or part of it."""

    @property
    def n_parameters(self) -> int: ...
    def score(self, prepared: Sequence[Any]) -> Iterable[Any]: ...
    def save(self, folder: Path) -> None: ...


class Baselines(Protocol):
    """Simple models, for comparison and as candidates: `baselines.py`; does not import torch."""

    CLASSICAL_BASELINE: str
    """The baseline that the model is compared with."""
    TRIVIAL_BASELINE: str
    """The baseline that learns almost nothing."""

    def baselines(
        self, spec: Any, train: Sequence[Any], test: Sequence[Any]
    ) -> Iterator[tuple[str, list[dict[str, Any]], str]]: ...
    def fit(self, spec: Any, train: Sequence[Any]) -> Baseline: ...
    def load(self, spec: Any, folder: Path) -> Baseline: ...


class Metrics(Protocol):
    """Scoring of predictions: `metrics.py`; does not import torch."""

    METRICS: tuple[Metric, ...]
    """The definitions of its metrics; scores without one, such as of a class, are details."""

    def score(self, config: Any, rows: Sequence[Row]) -> dict[str, float]: ...
    def signatures(self, config: Any) -> dict[str, str]: ...


def examples_of(kind: str) -> Examples:
    """Return the examples module of a kind.

    Raises:
        KeyError: there is no such kind.
    """
    return cast(Examples, load_part(kind, "examples"))


def network_of(kind: str) -> Network:
    """Return the network module of a kind; imports torch.

    Raises:
        KeyError: there is no such kind.
    """
    return cast(Network, load_part(kind, "network"))


def answers_of(kind: str) -> Answers:
    """Return the answers module of a kind.

    Raises:
        KeyError: there is no such kind.
    """
    return cast(Answers, load_part(kind, "answers"))


def baselines_of(kind: str) -> Baselines:
    """Return the baselines module of a kind.

    Raises:
        KeyError: there is no such kind.
    """
    return cast(Baselines, load_part(kind, "baselines"))


def metrics_of(kind: str) -> Metrics:
    """Return the metrics module of a kind, or of the language model.

    Raises:
        KeyError: there is no such kind.
    """
    return cast(Metrics, load_part(kind, "metrics"))


def definitions(kind: str, extensions: Iterable[str] = ()) -> tuple[Metric, ...]:
    """Return the definitions of the metrics of a kind, or of the language model.

    Args:
        kind: the kind.
        extensions: names of extensions with further metrics; those that are not loaded are
            ignored.
    """
    further = (module.METRICS.get(kind, ()) for module in modules(extensions))
    return (*metrics_of(kind).METRICS, *chain.from_iterable(further))


def load_part(kind: str, part: str) -> Any:
    """Return a module of a kind, or of the language model.

    Raises:
        KeyError: there is no such kind.
    """
    package = f"{__package__}.{kind}" if kind == LANGUAGE_MODEL else KINDS[kind]
    return import_module(f"{package}.{part}")
