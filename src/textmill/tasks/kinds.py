"""The kinds of task: a folder of this package for each, whose modules define the names listed here.

A new kind is a folder beside the others, and its name in config/tasks.py. Its modules are loaded by
name where they are needed: reading examples needs no torch, a model of one kind is not made of the
code of another, and how answers are shown and compared is part of no result: what `page.py` and
`statistics.py` define stands in shown.py and statistics.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module
from itertools import chain
from typing import TYPE_CHECKING, Any, Protocol, cast

from textmill.config import KINDS, LANGUAGE_MODEL, RedactionConfig
from textmill.config.extensions import modules
from textmill.tasks.rows import Rows

if TYPE_CHECKING:
    from torch import Tensor, nn

    from textmill.evaluation.metrics import Metric, Row
    from textmill.training.objectives import Batch


class Examples(Protocol):
    """Reads and checks labelled examples: `examples.py`; no torch."""

    SELECTION: str
    """The validation metric by which the best epoch is kept."""
    ONE_ANSWER: bool
    """Whether a text has one right answer, so that two examples with others are in conflict."""
    Spec: Any
    """What a fine-tuned model has to know besides its weights."""

    def read_examples(self, config: Any, split: str) -> Rows[Any]: ...
    def make_spec(self, config: Any, train: Sequence[Any]) -> Any: ...
    def check_examples(self, config: Any, spec: Any, examples: Sequence[Any]) -> None: ...
    def reference(self, example: Any) -> dict[str, Any]: ...
    def model_input(self, example: Any) -> Any: ...


class Network(Protocol):
    """Trains and asks a model: `network.py`."""

    PREDICT_BATCH: int
    """Texts that are answered at once."""

    def build(self, backbone: Any, spec: Any, dropout: float, is_causal: bool) -> nn.Module: ...
    def encode(
        self, tokenizer: Any, spec: Any, examples: Sequence[Any], block_size: int
    ) -> list[Any]: ...
    def collate(self, examples: Sequence[Any]) -> Batch: ...
    def loss(self, network: Any, batch: Batch, label_smoothing: float) -> Tensor: ...
    def validate(self, network: Any, batches: Iterable[Batch]) -> dict[str, float]: ...
    def predict(
        self,
        network: Any,
        tokenizer: Any,
        spec: Any,
        inputs: Sequence[Any],
        redaction: RedactionConfig,
    ) -> Iterator[dict[str, Any]]: ...


class Baselines(Protocol):
    """Simple models to compare with: `baselines.py`; no torch."""

    CLASSICAL_BASELINE: str
    """The baseline whose scores stand beside the model's."""
    TRIVIAL_BASELINE: str
    """The baseline that learns next to nothing."""

    def baselines(
        self, train: Sequence[Any], test: Sequence[Any]
    ) -> Iterator[tuple[str, list[dict[str, Any]], str]]: ...


class Metrics(Protocol):
    """Scores predictions: `metrics.py`; no torch."""

    METRICS: tuple[Metric, ...]
    """What is known of its metrics; what has no definition is a detail of one that has."""

    def score(self, config: Any, rows: Sequence[Row]) -> dict[str, float]: ...
    def signatures(self, config: Any) -> dict[str, str]: ...


def examples_of(kind: str) -> Examples:
    """Return how a kind reads its examples.

    Raises:
        KeyError: there is no such kind.
    """
    return cast(Examples, load_part(kind, "examples"))


def network_of(kind: str) -> Network:
    """Return how a kind trains and asks a model; loads torch.

    Raises:
        KeyError: there is no such kind.
    """
    return cast(Network, load_part(kind, "network"))


def baselines_of(kind: str) -> Baselines:
    """Return the simple models of a kind.

    Raises:
        KeyError: there is no such kind.
    """
    return cast(Baselines, load_part(kind, "baselines"))


def metrics_of(kind: str) -> Metrics:
    """Return the metrics of a kind, or of the language model.

    Raises:
        KeyError: there is no such kind.
    """
    return cast(Metrics, load_part(kind, "metrics"))


def definitions(kind: str, extensions: Iterable[str] = ()) -> tuple[Metric, ...]:
    """Return what is known of the metrics of a kind, or of the language model.

    Args:
        kind: the kind.
        extensions: names of those that define further ones; what this process does not know is
            left out.
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
