"""What a kind of task needs so that its networks run without torch: `onnx_form.py` in its folder.

It says which part of a network, from tokens to logits, becomes an ONNX graph, and makes scores of
the output with NumPy. It imports torch only in what is needed to export.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Protocol, cast

from numpy.typing import NDArray

from textmill.config import KINDS
from textmill.tasks.kinds import load_part

if TYPE_CHECKING:
    from torch import Tensor

Run = Callable[[Mapping[str, NDArray[Any]]], NDArray[Any]]
"""Maps the inputs of a graph, by name, to its output."""
Arrays = Mapping[str, NDArray[Any]]

ROWS = {0: "rows", 1: "tokens"}
"""Names of the axes of `input_ids` and `attention_mask`, which all graphs have."""


class OnnxForm(Protocol):
    """The module `onnx_form.py`."""

    AXES: Mapping[str, Mapping[int, str]]
    """The names of the axes of variable length, by further input of the graph."""
    OUTPUT: str
    """What the graph returns, for readers of an exported folder."""

    def logits(self, network: Any, hidden: Tensor, inputs: Mapping[str, Tensor]) -> Tensor:
        """Return the output of the graph, without loops over words or texts.

        Args:
            network: of the kind, in eval mode.
            hidden: (B, T, C), the final hidden states; those of padding mean nothing.
            inputs: all inputs, by name.
        """

    def further_inputs(self, network: Any, rows: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return random further inputs for random rows."""

    def constants(self, network: Any) -> dict[str, Tensor]:
        """Return what `score` needs of the network besides the output of the graph."""

    def score(
        self,
        run: Run,
        constants: Arrays,
        tokenizer: Any,
        spec: Any,
        prepared: Sequence[Any],
        block_size: int,
    ) -> Iterator[Any]:
        """Yield the score of each prepared input, as `score` of `network.py`."""


def has_onnx_form(kind: str) -> bool:
    """Return whether networks of a kind of task can be exported as graphs."""
    return find_spec(f"{KINDS[kind]}.onnx_form") is not None


def onnx_form_of(kind: str) -> OnnxForm:
    """Return the ONNX form of a kind."""
    return cast(OnnxForm, load_part(kind, "onnx_form"))
