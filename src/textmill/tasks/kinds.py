"""The kinds of task: modules that all define the names listed here.

A new kind is one file beside this one, its settings in config/tasks.py, and an entry in `KINDS`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor, nn

from textmill.config import RedactionConfig
from textmill.tasks import classification, tagging, translation
from textmill.tasks.rows import Rows
from textmill.training.objectives import Batch


class Kind(Protocol):
    """What a module of this package defines; see classification.py for the meaning of each."""

    SELECTION: str
    CLASSICAL_BASELINE: str
    TRIVIAL_BASELINE: str
    PREDICT_BATCH: int
    ONE_ANSWER: bool
    Spec: Any

    def read_examples(self, config: Any, split: str) -> Rows[Any]: ...
    def make_spec(self, config: Any, train: Sequence[Any]) -> Any: ...
    def check_examples(self, config: Any, spec: Any, examples: Sequence[Any]) -> None: ...
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
    def reference(self, example: Any) -> dict[str, Any]: ...
    def model_input(self, example: Any) -> Any: ...
    def score(self, config: Any, rows: Sequence[dict[str, Any]]) -> dict[str, float]: ...
    def signatures(self, config: Any) -> dict[str, str]: ...
    def plot(self, rows: Sequence[dict[str, Any]], out: Path) -> None: ...
    def baselines(
        self, train: Sequence[Any], test: Sequence[Any]
    ) -> Iterator[tuple[str, list[dict[str, Any]], str]]: ...


KINDS: dict[str, Kind] = {
    "classification": classification,
    "tagging": tagging,
    "translation": translation,
}
