"""A store, and steps that succeed, fail and die: fixtures for the folders that track steps."""

from __future__ import annotations

import importlib
import itertools
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import TypeAdapter

from textmill.config import AnyTask, Config, ModelConfig, SampleConfig, TokenizerConfig
from textmill.corpus.tokens.tokenizer import load_tokenizer
from textmill.corpus.tokens.vocabulary import train_tokenizer
from textmill.steps import process
from textmill.steps.step import Step

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # MLflow warns of its own code when it is first imported
    importlib.import_module("mlflow.store.tracking.sqlalchemy_store")
    attempt = importlib.import_module("textmill.tracking.computing.attempt")
    Store = importlib.import_module("textmill.tracking.store").Store

__all__ = [
    "_none_left_running",
    "_not_stopping",
    "_probe",
    "_probe_steps",
    "calls",
    "config",
    "empty_database",
    "model_folder",
    "seed",
    "store",
    "task_of",
]
PROBES = """
import errno, json, os, signal, time
from textmill.errors import InputError, RunError

def _count():
    with open(os.environ["PROBE_CALLS"], "a") as calls:
        calls.write("x")

def write(config, inputs, out):
    _count()
    (out / "deep").mkdir()
    (out / "deep" / "more.bin").write_bytes(bytes(9))
    (out / "seed.txt").write_text(str(config.seed))
    (out / "metrics.json").write_text(json.dumps({"score": config.seed / 4}))
    (out / "tags.json").write_text(json.dumps({"signature.score": "seed|per:4"}))

def choose_sizes(config, inputs, out):
    sizes = {"pretrain": {"max_steps": 70, "warmup_steps": 7}, "reasons": ["Because."]}
    (out / "sizes.json").write_text(json.dumps(sizes))

def slow(config, inputs, out):
    _count()
    time.sleep(0.7)
    (out / "seed.txt").write_text(str(config.seed))

def hang(config, inputs, out):
    time.sleep(60)

def staged(config, inputs, out):
    from textmill.stage_times import StageTimer
    timer = StageTimer()
    for stage in ("reading", "writing"):
        timer.start()
        timer.end(stage)
    timer.stop(10)
    (out / "metrics.json").write_text(json.dumps({"score": 1}))

def bad_input(config, inputs, out):
    (out / "half").write_text("x")
    raise InputError("data.csv:3: no label")

def run_error(config, inputs, out):
    raise RunError("the hub is down")

def wordy(config, inputs, out):
    raise InputError("at first " + "x" * 200_000 + " at last")

def full_disk(config, inputs, out):
    raise OSError(errno.ENOSPC, "No space left on device")

def no_memory(config, inputs, out):
    raise MemoryError

def bug(config, inputs, out):
    print("before the bug")
    raise KeyError("lost")

def killed(config, inputs, out):
    print("last words", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

def exits(config, inputs, out):
    os._exit(7)

def _point(work, step):
    with (work / "metrics.jsonl").open("a") as stream:
        point = {"step": step, "time_ms": 1000 + step, "metrics": {"train/loss": 1 / step}}
        stream.write(json.dumps(point) + "\\n")

def train(config, inputs, out, work):
    _count()
    mark = work / "checkpoint"
    if not mark.exists():
        (work / "metrics.jsonl").write_text(json.dumps({"total_steps": 6}) + "\\n")
        for step in (1, 2, 3):
            _point(work, step)
        mark.write_text("3")
        os.kill(os.getpid(), signal.SIGKILL)
    for step in (4, 5, 6):
        _point(work, step)
    (out / "weights").write_text("w")

def train_in_view(config, inputs, out, work):
    _count()
    with (work / "metrics.jsonl").open("w") as stream:
        for step in range(1, 31):
            point = {"step": step, "time_ms": 1000 + step, "metrics": {"train/loss": 1 / step}}
            stream.write(json.dumps(point) + "\\n")
            stream.flush()
            time.sleep(0.05)
    (out / "weights").write_text("w")
    (out / "metrics.json").write_text(json.dumps({"score": 0.5}))

def train_and_hang(config, inputs, out, work):
    _point(work, 1)
    time.sleep(60)
"""


def probe(name: str) -> Step:
    return Step(name, f"probe_steps:{name}", is_training=name.startswith("train"))


@pytest.fixture(scope="session", autouse=True)
def _probe_steps(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("probes")
    (folder / "probe_steps.py").write_text(PROBES)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.setattr(attempt, "warm_up", lambda: None)  # none of these steps needs torch
        yield


@pytest.fixture(autouse=True)
def _not_stopping() -> Iterator[None]:
    yield
    process._stopping.clear()


@pytest.fixture(name="probe")
def _probe() -> Callable[[str], Step]:
    return probe


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """How often a counting probe has been computed in this test."""
    file = tmp_path / "calls"
    file.touch()
    monkeypatch.setenv("PROBE_CALLS", str(file))
    return lambda: len(file.read_text())


TEXTS = ["the room", "a lovely meal", "sad staff"]
CORPUS = [*TEXTS, "The waiter was friendly, and the soup was warm, and windows looked splendid."]
SPECS: dict[str, tuple[Any, ...]] = {
    "classification": (("bad", "good"),),
    "generation": (0.5,),
    "multilabel": (("bad", "good"), False, (), (0.5, 0.5), 0.3),
    "question_answering": (("where",), (), (0.0, 0.5), True),
    "tagging": (("O", "B-LOC", "I-LOC", "B-PER", "I-PER"), False),
    "translation": (0.5,),
}
"""What a task model of each kind has to know, for its Spec."""


def make_task(kind: str, name: str) -> Any:
    values = {"kind": kind, "name": name, "train": "a.csv", "test": "b.csv"}
    return TypeAdapter(AnyTask).validate_python(values)


@pytest.fixture(scope="session")
def task_of() -> Callable[[str, str], Any]:
    """Returns the configuration of a task of a kind and a name."""
    return make_task


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Returns the folder of an untrained task model of a kind: 2 layers of 16 channels."""

    @cache
    def make(kind: str) -> Path:
        import torch

        from textmill.model import GPT
        from textmill.tasks.ensemble.model_folder import Choice, save_task_model
        from textmill.tasks.kinds import examples_of, network_of

        corpus, tokenizer = tmp_path_factory.mktemp("corpus"), tmp_path_factory.mktemp("tokenizer")
        (corpus / "train").mkdir()
        pq.write_table(pa.table({"text": CORPUS * 9}), corpus / "train" / "00000.parquet")
        train_tokenizer(TokenizerConfig(vocab_size=300), {"corpus": corpus}, tokenizer)
        size = load_tokenizer(tokenizer).get_vocab_size()
        torch.manual_seed(0)
        shape = ModelConfig(n_layer=2, n_head=2, n_embd=16, block_size=48, vocab_size=size)
        task, spec = make_task(kind, "mood"), examples_of(kind).Spec(*SPECS[kind])
        is_causal = task.finetune.attention == "causal"
        network = network_of(kind).build(GPT(shape), spec, 0.0, is_causal)
        out = tmp_path_factory.mktemp("task-model")
        alone = Choice({"network": 1.0}, None, "the fine-tuned network", {}, spec)
        save_task_model(task, alone, [network], tokenizer, out)
        return out

    return make


_seeds = itertools.count(1)


@pytest.fixture
def seed() -> SampleConfig:
    """A configuration that no other test uses, so that tests can share a store."""
    return SampleConfig(seed=next(_seeds))


@pytest.fixture(scope="session")
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    home = tmp_path_factory.mktemp("home") / "mlruns"
    return Config.model_validate(
        {
            "experiment": "tests",
            "corpus": {"sources": [{"name": "own", "path": "own.jsonl"}]},
            "tracking": {"home": str(home), "system_metrics": False},
        }
    )


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The database of a store without runs, to be copied: MLflow takes seconds to make one."""
    file = tmp_path_factory.mktemp("empty") / "mlflow.db"
    importlib.import_module("textmill.tracking.database.opening").make_database(file)
    return file


@pytest.fixture(scope="session")
def store(config: Config) -> Any:
    return Store(config.tracking)


@pytest.fixture(scope="module", autouse=True)
def _none_left_running(store: Any) -> Iterator[None]:
    """Leave no run open to the tests of another file, which may count those that are."""
    yield
    for run in store.search("attributes.status='RUNNING'"):
        store.end_run(run.info.run_id, "KILLED")
