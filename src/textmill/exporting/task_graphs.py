"""Task models that run without torch: their networks as graphs, and the code around them."""

from __future__ import annotations

import json
import shutil
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

from textmill.config import KINDS
from textmill.corpus.tokens.tokenizer import TOKENIZER_FILES
from textmill.errors import InputError, listed
from textmill.exporting.onnx_files import check_difference, max_difference, quantize, write_graph
from textmill.files import write_json
from textmill.model import lora
from textmill.model.layout import read_config
from textmill.tasks.ensemble.model_folder import BASELINE_FOLDER, TASK_FILE, read_task
from textmill.tasks.ensemble.predictor import NetworkScorer, Predictor, load_predictor
from textmill.tasks.kinds import BASELINE
from textmill.tasks.portable.onnx_predictor import (
    SETTINGS,
    constants_file,
    graph_file,
    load_graph,
    load_scorer,
)
from textmill.tasks.portable.protocols import ROWS, has_onnx_form, onnx_form_of
from textmill.tasks.portable.row_graph import RowGraph

CODE = "code"
SCRIPT = "predict.py"
REQUIREMENTS = "requirements.txt"
PACKAGES = ("numpy", "onnxruntime", "pydantic", "safetensors", "tokenizers")
REDACTION_PACKAGES = ("phonenumbers", "python-stdnum")
BASELINE_PACKAGES = ("scikit-learn", "scipy")
CHECKED_ROWS = (1, 3)

PREDICT = '''"""Predict with this model, without torch: python predict.py "text" ["text" ...]."""

import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "code"))

from textmill.tasks.portable.onnx_predictor import OnnxPredictor  # noqa: E402

predict = OnnxPredictor(HERE)
has_columns = len(predict.columns) > 1  # such as question and context: an object of JSON
inputs = [json.loads(word) if has_columns else word for word in sys.argv[1:]]
for answer in predict(inputs):
    print(json.dumps(answer, ensure_ascii=False))
'''


def reject_without_graph(kind: str) -> None:
    """Raise InputError if networks of a kind of task cannot be graphs.

    Raises:
        InputError: they cannot.
    """
    if not has_onnx_form(kind):
        kinds = listed(sorted(name for name in KINDS if has_onnx_form(name)))
        raise InputError(
            f"A model of the kind {kind} has no ONNX form, as its answer is no single pass through "
            f"a network; those with one are {kinds}. Use textmill predict, or the model in MLflow."
        )


def reject_hugging_face(kind: str) -> None:
    """Raise InputError, which explains what to use instead.

    Raises:
        InputError: always.
    """
    instead = "--to onnx, which needs no torch" if has_onnx_form(kind) else "textmill predict"
    raise InputError(
        f"A model of the kind {kind} has no form in transformers. The classes of its families "
        "read a text from left to right there, and classifiers decide by its last token; this "
        "network reads in both directions, and averages or copies words, so that its answers "
        f"would differ. Use {instead}, or the model in MLflow. Backbones have a Hugging Face form."
    )


def write_task_graphs(folder: Path, quantization: str, out: Path) -> float:
    """Write a task model without torch; return the maximum difference of its graphs from torch.

    All members are written: a graph for each network, with adapters merged, and the classical
    baseline.

    Args:
        folder: of the task model.
        quantization: float32 or int8, of the networks.
        out: an empty folder.

    Raises:
        InputError: the kind of task has no such form, or the folder is no task model.
        RunError: a graph computes something else.
    """
    task = read_task(folder)
    reject_without_graph(task.kind)
    networks = networks_of(load_predictor(folder, "cpu"))
    if not networks:
        raise InputError(
            "This model is the classical baseline, which is no network: it needs no torch as it "
            "is. For a network, fine-tune with finetune.candidates=[network]."
        )
    names = [member for member in task.members if member != BASELINE]
    worst = 0.0
    for name, network in zip(names, networks, strict=True):
        lora.merge(network)
        graph = RowGraph(network, onnx_form_of(task.kind))
        file = out / graph_file(name)
        worst = max(worst, _write_checked(graph, file))
        if quantization == "int8":
            quantize(file)
        if constants := onnx_form_of(task.kind).constants(network):
            tensors = {key: value.detach().contiguous() for key, value in constants.items()}
            save_file(tensors, out / constants_file(name))
    if BASELINE in task.members:
        (out / BASELINE).mkdir()
        for part in (folder / BASELINE_FOLDER).iterdir():
            shutil.copyfile(part, out / BASELINE / part.name)  # a store may be read-only
    settings = json.loads((folder / TASK_FILE).read_text(encoding="utf-8"))
    settings.pop("adapter", None)
    settings |= {"members": dict(task.members), "redaction": task.redaction.model_dump(mode="json")}
    settings["block_size"] = read_config(folder).block_size
    write_json(out / SETTINGS, settings)
    for name in TOKENIZER_FILES:
        shutil.copyfile(folder / name, out / name)
    return worst


def write_code(package: Path, out: Path, has_baseline: bool) -> None:
    """Write the script that predicts, textmill's code, and what both need.

    Args:
        package: folder of textmill's package.
        out: the folder of the model.
        has_baseline: whether the classical baseline is a member.
    """
    shutil.copytree(package, out / CODE / "textmill", ignore=shutil.ignore_patterns("__pycache__"))
    (out / SCRIPT).write_text(PREDICT, encoding="utf-8")
    packages = (*PACKAGES, *REDACTION_PACKAGES, *(BASELINE_PACKAGES if has_baseline else ()))
    from importlib.metadata import version

    lines = "".join(f"{name}=={version(name)}\n" for name in packages)
    (out / REQUIREMENTS).write_text(lines, encoding="utf-8")


def exported_predictor(folder: Path, out: Path) -> Predictor:
    """Return the predictor of an exported model.

    Args:
        folder: of the original.
        out: of the exported one.
    """
    task = read_task(folder)
    block_size = json.loads((out / SETTINGS).read_text(encoding="utf-8"))["block_size"]
    load = partial(load_scorer, out, kind=task.kind, spec=task.spec, block_size=block_size)
    scorers = [(load(member), weight) for member, weight in task.members.items()]
    return Predictor(task.kind, task.spec, scorers, task.redaction)


def networks_of(predictor: Predictor) -> list[nn.Module]:
    """Return the networks of a predictor, in their order."""
    return [scorer.args[0] for scorer, _ in predictor.scorers if isinstance(scorer, NetworkScorer)]


def describe_graph(kind: str) -> str:
    """Return a description of inputs and output of the graph of a kind."""
    form = onnx_form_of(kind)
    axes = {"input_ids": ROWS, "attention_mask": ROWS, **form.AXES}
    shapes = ", ".join(f"{name} ({', '.join(own.values())})" for name, own in axes.items())
    return f"Inputs of the graph, all int64: {shapes}. Output: {form.OUTPUT}."


def _write_checked(graph: RowGraph, file: Path) -> float:
    """Write a graph; return its maximum difference from torch on random inputs of several sizes."""
    graph.eval()
    block_size = graph.backbone.config.block_size
    names = [*graph.axes], ["logits"]
    inputs, axes = [*graph.inputs(2, 3).values()], [*graph.axes.values()]
    write_graph(graph, {"inputs": inputs}, {"inputs": axes}, {"tokens": block_size}, names, file)
    run = load_graph(file)
    worst = 0.0
    for n_rows in CHECKED_ROWS:
        for n_tokens in sorted({1, 2, block_size // 2, block_size}):
            given = graph.inputs(n_rows, n_tokens)
            with torch.inference_mode():
                expected = graph([*given.values()])
            found = run({name: tensor.numpy() for name, tensor in given.items()})
            worst = max(worst, max_difference([expected], [found]))
    return check_difference(worst, "The ONNX graph")
