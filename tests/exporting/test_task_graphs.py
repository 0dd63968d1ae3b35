"""Specifies exported task models: the predictions of the original, without torch."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import textmill
from textmill.errors import InputError
from textmill.exporting.task_graphs import (
    exported_predictor,
    reject_hugging_face,
    write_code,
    write_task_graphs,
)
from textmill.tasks.ensemble.predictor import load_predictor

TEXTS = ["the room", "a lovely meal " * 20, "sad staff in a lovely room"]
QUESTIONS = [{"question": "Where was the meal?", "context": text} for text in TEXTS]
INPUTS: dict[str, list[Any]] = {
    "classification": TEXTS,
    "multilabel": TEXTS,
    "tagging": TEXTS,
    "question_answering": QUESTIONS,
}
WITHOUT = (
    "torch",
    "lightning",
    "mlflow",
    "prefect",
    "hydra",
    "datasets",
    "transformers",
    "pyarrow",
)
# What a user of the folder does, where these packages are not installed.
RUN = """
import runpy, sys
sys.modules.update(dict.fromkeys({without!r}))
sys.path[:] = [place for place in sys.path if "textmill" not in place and {root!r} not in place]
sys.argv[1:] = {words!r}
runpy.run_path({script!r}, run_name="__main__")
"""


@pytest.mark.parametrize(
    "kind",
    [
        "tagging",
        *(
            pytest.param(kind, marks=pytest.mark.slow)
            for kind in ("classification", "multilabel", "question_answering")
        ),
    ],
)
def test_an_exported_model_predicts_as_the_original(
    model_folder: Callable[[str], Path], tmp_path: Path, kind: str
) -> None:
    place = model_folder(kind)
    assert write_task_graphs(place, "float32", tmp_path) < 1e-5
    expected = load_predictor(place, "cpu")(INPUTS[kind])
    check(exported_predictor(place, tmp_path)(INPUTS[kind]), expected)
    write_code(Path(textmill.__file__).parent, tmp_path, has_baseline=False)
    check(run_script(tmp_path, INPUTS[kind]), expected)


def run_script(folder: Path, inputs: list[Any]) -> list[dict[str, Any]]:
    """Return what predict.py prints."""
    words = [item if isinstance(item, str) else json.dumps(item) for item in inputs]
    root = str(Path(textmill.__file__).parents[1])
    code = RUN.format(without=WITHOUT, root=root, words=words, script=str(folder / "predict.py"))
    command = [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def check(found: Any, wanted: Any) -> None:
    """Compare answers, whose probabilities may differ a little."""
    if isinstance(wanted, float):
        assert found == pytest.approx(wanted, abs=1e-4)
    elif isinstance(wanted, dict):
        assert found.keys() == wanted.keys()
        for key, value in wanted.items():
            check(found[key], value)
    elif isinstance(wanted, list):
        for own, value in zip(found, wanted, strict=True):
            check(own, value)
    else:
        assert found == wanted


@pytest.mark.slow
def test_a_causal_model_is_exported_as_well(
    model_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    place, out = tmp_path / "model", tmp_path / "out"
    shutil.copytree(model_folder("classification"), place)
    out.mkdir()
    settings = json.loads((place / "task.json").read_text())
    (place / "task.json").write_text(json.dumps(settings | {"is_causal": True}))
    assert write_task_graphs(place, "float32", out) < 1e-5
    check(exported_predictor(place, out)(TEXTS), load_predictor(place, "cpu")(TEXTS))


@pytest.mark.slow
def test_8_bits_make_it_smaller(model_folder: Callable[[str], Path], tmp_path: Path) -> None:
    sizes = {}
    for quantization in ("float32", "int8"):
        out = tmp_path / quantization
        out.mkdir()
        write_task_graphs(model_folder("classification"), quantization, out)
        sizes[quantization] = (out / "model.onnx").stat().st_size
        assert exported_predictor(model_folder("classification"), out)(TEXTS)
    assert sizes["int8"] < sizes["float32"]


@pytest.mark.parametrize("kind", ["translation", "generation"])
def test_a_model_that_writes_has_no_graph(
    model_folder: Callable[[str], Path], tmp_path: Path, kind: str
) -> None:
    with pytest.raises(InputError, match=f"kind {kind} has no ONNX form.*classification"):
        write_task_graphs(model_folder(kind), "float32", tmp_path)


def test_a_classical_baseline_has_no_graph(
    model_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    from textmill.tasks.kinds import baselines_of, examples_of

    place, out = tmp_path / "model", tmp_path / "out"
    shutil.copytree(model_folder("classification"), place)
    out.mkdir()
    settings = json.loads((place / "task.json").read_text())
    (place / "task.json").write_text(json.dumps(settings | {"members": {"baseline": 1.0}}))
    kind = examples_of("classification")
    spec = kind.Spec(tuple(settings["spec"]["labels"]))
    from textmill.tasks.classification.examples import Example

    train = [Example(text, label, "a:1") for text in TEXTS for label in ("bad", "good")]
    (place / "baseline").mkdir()
    baselines_of("classification").fit(spec, train).save(place / "baseline")
    with pytest.raises(InputError, match=r"is the classical baseline.*candidates=\[network\]"):
        write_task_graphs(place, "float32", out)


@pytest.mark.parametrize(
    ("kind", "instead"), [("tagging", "--to onnx"), ("translation", "predict")]
)
def test_no_task_model_has_a_form_in_transformers(kind: str, instead: str) -> None:
    with pytest.raises(InputError, match=f"kind {kind} has no form in transformers.*{instead}"):
        reject_hugging_face(kind)
