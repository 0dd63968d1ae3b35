"""Specifies textmill export: which model, what is written, what is refused."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.exporting.conftest import *  # noqa: F403  # the fixtures, by its __all__
from tests.tasks.language_model.harness.conftest import TEXTS
from tests.tracked import write_manifest
from textmill.config import Config, key_values
from textmill.errors import InputError
from textmill.files import digest_file
from textmill.tracking.artifacts import output_folder, publish
from textmill.tracking.store import Store
from textmill_flows.answering import export
from textmill_flows.answering.export import ExportRequest, export_model

_numbers = count(1)
Trained = Callable[..., str]
ROWS = [("the room", "bad"), ("a lovely meal", "good"), ("sad staff", "bad")]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of all tests; each has an experiment of its own."""
    return tmp_path_factory.mktemp("home") / "mlruns"


@pytest.fixture
def config(tmp_path: Path, home: Path) -> Config:
    test = tmp_path / "test.jsonl"
    lines = [json.dumps({"text": text, "label": label}) for text, label in ROWS]
    test.write_text("".join(f"{line}\n" for line in lines))
    task = {"kind": "classification", "name": "mood", "train": str(test), "test": str(test)}
    return Config.model_validate(
        {
            "experiment": f"export {next(_numbers)}",
            "corpus": {"sources": [{"name": "own", "path": "own.jsonl"}]},
            "tasks": [task],
            "tracking": {"home": str(home), "system_metrics": False},
        }
    )


@pytest.fixture
def trained(config: Config, tmp_path: Path) -> Trained:
    """Returns a function that stores a folder as the result of a step; it returns the run's id."""
    store = Store(config.tracking)

    def make(step: str, folder: Path, task: str = "", **inputs: str) -> str:
        tags = {"textmill.step": step, "textmill.kind": "step", "textmill.key": "k" * 64}
        tags |= {"textmill.task": task, "textmill.digest": "d" * 64} if task else {}
        run_id = store.start_run(store.experiment(config.experiment), step, tags)
        out = tmp_path / run_id
        shutil.copytree(folder, out)
        read = {name: {"run_id": of, "digest": "d"} for name, of in inputs.items()}
        settings = key_values(config.tasks[0]) if task else {}
        sources = {
            f"{task}/{name}": {
                "place": config.tasks[0].test,
                "digest": digest_file(Path(config.tasks[0].test)),
                "context": name,
                "files": {},
            }
            for name in ("train", "test")
        }
        write_manifest(
            out, step=step, inputs=read, config=settings, sources=sources if task else {}
        )
        publish(store, run_id, out)
        store.end_run(run_id, "FINISHED")
        return run_id

    return make


def exported(config: Config, model: str, form: str, out: Path, quantization: Any = None) -> str:
    return "".join(export_model(model, ExportRequest(form, quantization, out), config))


def record_of(folder: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((folder / "textmill.json").read_text())
    files = {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}
    assert {*record["files"], "textmill.json"} == files
    assert all(digest_file(folder / name) == digest for name, digest in record["files"].items())
    return record


def test_a_backbone_becomes_a_hugging_face_folder_with_its_origin(
    config: Config, trained: Trained, make_backbone: Callable[[str], Path], tmp_path: Path
) -> None:
    run_id, out = trained("pretrain", make_backbone("qwen3")), tmp_path / "out"
    assert exported(config, "backbone", "hf", out).endswith(f"{out}\n")
    record = record_of(out)
    assert (record["model"], record["run_id"], record["key"]) == ("backbone", run_id, "k" * 64)
    assert record["difference"] < 1e-5
    assert {"config.json", "model.safetensors", "tokenizer.json"} < {*record["files"]}
    assert "AutoModelForCausalLM" in (out / "README.md").read_text()


def test_a_backbone_is_measured_on_the_validation_documents_of_its_tokens(
    config: Config,
    trained: Trained,
    make_backbone: Callable[[str], Path],
    folders: dict[str, Path],
    tmp_path: Path,
) -> None:
    tokens = trained("tokens", folders["tokens"])
    run_id = trained("pretrain", make_backbone("gpt2"), tokens=tokens)
    generation = config.generation.model_copy(update={"precision": "auto"})
    config = config.model_copy(update={"generation": generation})
    text = exported(config, run_id[:12], "ctranslate2", tmp_path / "out", "int8")
    record = record_of(tmp_path / "out")
    assert record["measured_on"] == (
        f"{len(TEXTS)} beginnings of validation documents; textmill generated with "
        "generation.precision=auto"
    )
    measured = {one["name"]: one for one in record["measured"]}
    bits = measured["bits per byte"]
    assert bits["exported"] == pytest.approx(bits["original"], rel=0.05)
    assert bits["exported"] != bits["original"]
    assert measured["equal next tokens"]["exported"] > 0.8
    assert measured["weights in MiB"]["exported"] < measured["weights in MiB"]["original"]
    assert "| bits per byte |" in text
    assert "| bits per byte |" in (tmp_path / "out" / "README.md").read_text()


def test_without_the_documents_random_tokens_are_compared(
    config: Config,
    trained: Trained,
    make_backbone: Callable[[str], Path],
    folders: dict[str, Path],
    tmp_path: Path,
) -> None:
    tokens = trained("tokens", folders["tokens"])
    trained("pretrain", make_backbone("gpt2"), tokens=tokens)
    shutil.rmtree(output_folder(Store(config.tracking), tokens))  # as textmill prune does
    exported(config, "backbone", "ctranslate2", tmp_path / "out")
    assert "random tokens" in record_of(tmp_path / "out")["measured_on"]


@pytest.mark.slow
def test_a_task_model_becomes_a_graph_that_is_measured_on_the_test_examples(
    config: Config, trained: Trained, model_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    run_id = trained("finetune", model_folder("classification"), "mood")
    for quantization in ("float32", "int8"):
        out = tmp_path / quantization
        exported(config, "mood", "onnx", out, quantization)
        record = record_of(out)
        assert (record["run_id"], record["quantization"]) == (run_id, quantization)
        assert record["difference"] < 1e-5
        assert record["measured_on"] == f"{len(ROWS)} test examples"
        accuracy, equal, *_ = record["measured"]
        assert accuracy["name"] == "accuracy"
        assert quantization == "int8" or equal["exported"] == 1.0
        assert {"model.onnx", "predict.py", "requirements.txt", "task.json"} < {*record["files"]}


def test_a_task_is_measured_on_its_own_test_examples_only(
    config: Config, trained: Trained, model_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    run_id = trained("finetune", model_folder("classification"), "mood")
    store = Store(config.tracking)
    other = tmp_path / "other.jsonl"
    other.write_text(json.dumps({"words": "of another task", "label": "x"}))
    namesake = config.tasks[0].model_copy(update={"test": str(other), "text": "words"})
    task, examples, measured_on = export._examples(
        store, run_id, config.model_copy(update={"tasks": (namesake,)})
    )
    assert task is not None
    assert [example.text for example in examples] == [text for text, _ in ROWS]
    assert measured_on == f"{len(ROWS)} test examples"
    Path(config.tasks[0].test).unlink()
    task, examples, measured_on = export._examples(store, run_id, config)
    assert (task, examples) == (None, [])
    assert re.match("no test examples: .* are not in .*test.jsonl any more", measured_on)


@pytest.mark.slow
def test_the_snippets_of_the_readme_run(
    config: Config, trained: Trained, make_backbone: Callable[[str], Path], tmp_path: Path
) -> None:
    trained("pretrain", make_backbone("qwen3"))
    for form in ("hf", "onnx", "ctranslate2"):
        exported(config, "backbone", form, tmp_path / form)
        [code] = re.findall(
            "```python\n(.*?)```", (tmp_path / form / "README.md").read_text(), re.S
        )
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path / form, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip()


@pytest.mark.parametrize(
    ("model", "form", "quantization", "problem"),
    [
        ("moood", "onnx", None, "There is no model 'moood'; did you mean 'mood'.*Or give the run"),
        ("backbone", "onnx", None, "no such model yet: run textmill pretrain"),
        ("mood", "hf", None, "kind classification has no form in transformers"),
        ("mood", "ctranslate2", None, "CTranslate2 runs backbones"),
        ("mood", "onnx", "bf16", "--to onnx has no --quantization bf16: it has float32 and int8"),
        ("mood", "hf", "int8", "--to hf has no --quantization int8"),
    ],
)
def test_what_has_no_such_form_is_refused_and_nothing_is_written(
    config: Config,
    trained: Trained,
    model_folder: Callable[[str], Path],
    tmp_path: Path,
    model: str,
    form: str,
    quantization: str | None,
    problem: str,
) -> None:
    trained("finetune", model_folder("classification"), "mood")
    before = {*tmp_path.iterdir()}
    with pytest.raises(InputError, match=problem):
        exported(config, model, form, tmp_path / "out", quantization)
    assert {*tmp_path.iterdir()} == before


def test_a_run_without_a_model_is_refused(
    config: Config, trained: Trained, folders: dict[str, Path], tmp_path: Path
) -> None:
    run_id = trained("tokens", folders["tokens"])
    with pytest.raises(InputError, match="that of the step tokens, and has no model"):
        exported(config, run_id, "hf", tmp_path / "out")


def test_an_existing_folder_is_kept(
    config: Config, trained: Trained, make_backbone: Callable[[str], Path], tmp_path: Path
) -> None:
    trained("pretrain", make_backbone("qwen3"))
    out = tmp_path / "out"
    out.mkdir()
    (out / "own.txt").write_text("mine")
    with pytest.raises(InputError, match="exists: remove it, or set another folder"):
        exported(config, "backbone", "hf", out)
    assert [file.name for file in out.iterdir()] == ["own.txt"]


@pytest.mark.parametrize(("form", "package"), [("onnx", "onnxruntime"), ("ctranslate2", "ctrans")])
def test_the_missing_extra_is_named(
    config: Config, monkeypatch: pytest.MonkeyPatch, form: str, package: str
) -> None:
    found = export.find_spec
    monkeypatch.setattr(
        export, "find_spec", lambda name: None if name.startswith(package) else found(name)
    )
    with pytest.raises(InputError, match=rf"needs {package}.*pip install textmill\[export\]"):
        next(export_model("backbone", ExportRequest(form), config))


def test_the_folder_is_named_after_model_and_form(
    config: Config,
    trained: Trained,
    make_backbone: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trained("pretrain", make_backbone("gpt2"))
    monkeypatch.chdir(tmp_path)
    for quantization, name in (
        (None, "backbone-ctranslate2"),
        ("bf16", "backbone-ctranslate2-bf16"),
    ):
        [text] = export_model("backbone", ExportRequest("ctranslate2", quantization), config)
        assert text.splitlines()[-1] == name
        assert (tmp_path / name / "model.bin").exists()
