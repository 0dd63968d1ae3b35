"""Prediction with an exported task model: ONNX Runtime and NumPy, without torch.

The folder is that of a task model whose networks are graphs: task.json, the tokenizer's files, a
graph and constants for each network, and the classical baseline, if it is a member.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter
from safetensors.numpy import load_file

from textmill.config import RedactionConfig
from textmill.corpus.tokens.tokenizer import load_tokenizer
from textmill.tasks.ensemble.averaging import average
from textmill.tasks.kinds import BASELINE, NETWORK, answers_of, baselines_of, examples_of
from textmill.tasks.portable.protocols import Run, onnx_form_of

if TYPE_CHECKING:
    import onnxruntime

SETTINGS = "task.json"
Scorer = Callable[[Sequence[Any]], Iterable[Any]]


def graph_file(member: str) -> str:
    """Return the name of the file with the graph of a network."""
    return f"{member.replace(NETWORK, 'model')}.onnx"


def constants_file(member: str) -> str:
    """Return the name of the file with what scores need besides the graph."""
    return f"{member.replace(NETWORK, 'constants')}.safetensors"


class OnnxPredictor:
    """Predicts as `textmill predict` does.

    Args:
        folder: written by `textmill export TASK --to onnx`.
    """

    def __init__(self, folder: Path) -> None:
        settings = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
        kind = settings["kind"]
        self.kind = answers_of(kind)
        self.spec = TypeAdapter(examples_of(kind).Spec).validate_python(settings["spec"])
        self.redaction = RedactionConfig.model_validate(settings["redaction"])
        self.columns = self.kind.columns(self.spec)
        """The columns of an input; a single one is the text itself."""
        members = settings["members"]
        self.weights: list[float] = [*members.values()]
        self.scorers = [
            load_scorer(folder, member, kind, self.spec, settings["block_size"])
            for member in members
        ]

    def __call__(self, inputs: Sequence[Any]) -> Iterator[dict[str, Any]]:
        """Yield one prediction for each input, in their order."""
        size = self.kind.PREDICT_BATCH
        for start in range(0, len(inputs), size):
            prepared = self.kind.prepare(self.spec, inputs[start : start + size], self.redaction)
            scores = [list(scorer(prepared)) for scorer in self.scorers]
            pooled = scores[0]
            if self.weights != [1.0]:
                pooled = [average(parts, self.weights) for parts in zip(*scores, strict=True)]
            yield from self.kind.answer(self.spec, prepared, pooled)


def load_scorer(folder: Path, member: str, kind: str, spec: Any, block_size: int) -> Scorer:
    """Return the scorer of a member of an exported model: a network or the baseline."""
    if member == BASELINE:
        return baselines_of(kind).load(spec, folder / BASELINE).score
    file = folder / constants_file(member)
    return partial(
        _score,
        onnx_form_of(kind).score,
        load_graph(folder / graph_file(member)),
        load_file(file) if file.exists() else {},
        load_tokenizer(folder),
        spec,
        block_size,
    )


def _score(
    score: Callable[..., Iterator[Any]],
    run: Run,
    constants: Any,
    tokenizer: Any,
    spec: Any,
    block_size: int,
    prepared: Sequence[Any],
) -> Iterator[Any]:
    return score(run, constants, tokenizer, spec, prepared, block_size)


def load_graph(file: Path) -> Run:
    """Return the function that a graph computes, on the CPU."""
    session = open_session(file, n_usable_cores())

    def run(inputs: Any) -> NDArray[np.float32]:
        output: NDArray[np.float32] = session.run(None, dict(inputs))[0]
        return output

    return run


def open_session(file: Path, n_threads: int) -> onnxruntime.InferenceSession:
    """Return a session that runs a graph on the CPU.

    Args:
        file: of the graph.
        n_threads: of a product. The default of ONNX Runtime is the cores of the machine, also those
            that this process may not use.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = n_threads
    return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])


def n_usable_cores() -> int:
    """Return the number of cores by affinity, without the packages of `textmill.hardware`."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # macOS has no affinity
