"""Overhead of orchestration and tracking, and the time of an unchanged pipeline.

    python benchmarks/pipeline.py [overhead] [reuse] [logging] [store]

Without names, all measurements are taken; `overhead` takes as long as three demo runs. Each
measurement uses new processes and folders.

    overhead  the demo as a flow, compared with the same step functions in one script
    reuse     a pipeline of eight small tasks: unchanged, and with one task changed
    logging   a metric point written by the training thread, compared with MLflow's own call
    store     looking up a result, comparing two pipelines, and tracing lineage backward and
              forward, among 500 runs and 5 million metric points
"""

from __future__ import annotations

import contextlib
import cProfile
import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

if TYPE_CHECKING:
    from textmill.tracking.store import Store

TEXTMILL = str(Path(sys.executable).with_name("textmill"))
OURS = [Path(__file__).parents[1] / name for name in ("src", "flows")]
N_RUNS = 500
POINTS_PER_RUN = 10_000
LOGGED_POINTS = 2_000


def bare(folder: Path) -> None:
    """Call the step functions of the demo in sequence, without Prefect and MLflow."""
    from textmill.compose import compose
    from textmill.config import (
        CleanConfig,
        LanguageModelStepConfig,
        PretrainStepConfig,
        TokensConfig,
    )
    from textmill.corpus.cleaning.clean import clean
    from textmill.corpus.tokens.corpus_tokens import tokenize
    from textmill.corpus.tokens.vocabulary import train_tokenizer
    from textmill.hardware import n_cores, set_up_torch
    from textmill.sample.generate import generate
    from textmill.tasks.baseline import baseline
    from textmill.tasks.evaluate import evaluate
    from textmill.tasks.finetune import finetune
    from textmill.tasks.language_model.evaluate import evaluate_lm
    from textmill.tracking.raw_data import with_sample
    from textmill.training.pretrain import pretrain

    set_up_torch(n_cores())

    def out(name: str) -> Path:
        place = folder / name
        place.mkdir(parents=True)
        return place

    config = compose("demo")
    assert config.sample is not None
    sample = out("sample")
    generate(config.sample, {}, sample)
    config = with_sample(config, str(sample))
    corpus, tokenizer, tokens, backbone = map(out, ("corpus", "tokenizer", "tokens", "backbone"))
    clean(CleanConfig(**dict(config.corpus)), {}, corpus)
    train_tokenizer(config.tokenizer.sized(), {"corpus": corpus}, tokenizer)
    tokenize(TokensConfig(), {"corpus": corpus, "tokenizer": tokenizer}, tokens)
    step = PretrainStepConfig(
        model=config.model.sized(),
        pretrain=config.pretrain.sized(),
        weights=config.source_weights,
    )
    pretrain(step, {"tokens": tokens, "tokenizer": tokenizer}, backbone, out("work"))
    evaluate_lm(
        LanguageModelStepConfig(**dict(config.generation)),
        {"backbone": backbone, "tokens": tokens},
        out("lm"),
    )
    for task in config.tasks:
        baseline(task, {}, out(f"baseline-{task.name}"))
        model = out(f"model-{task.name}")
        finetune(task, {"backbone": backbone}, model, out(f"work-{task.name}"))
        evaluate(task, {"model": model}, out(f"scores-{task.name}"))


def timed_s(command: list[str], folder: Path, **environment: str) -> float:
    """Return the wall time of a command in a folder, in seconds."""
    started_s = time.perf_counter()
    done = subprocess.run(
        command, cwd=folder, env=os.environ | environment, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr}")
    return time.perf_counter() - started_s


def overhead(folder: Path) -> None:
    """Time the demo as a script, as a flow on a new store, again, and with a Prefect database."""
    run = [TEXTMILL, "run"]
    new, made = folder / "new", folder / "made"
    new.mkdir()
    made.mkdir()
    bare_s = timed_s([sys.executable, __file__, "--bare", str(folder / "bare")], folder)
    new_s = timed_s(run, new)
    again_s = timed_s(run, new)
    made_s = timed_s(run, made, PREFECT_HOME=str(new / "mlruns" / "prefect"))
    print(f"bare script                          {bare_s:7.1f} s")
    for what, seconds in (("new store", new_s), ("with Prefect database", made_s)):
        cost_s = seconds - bare_s
        print(f"textmill run, {what:<23}{seconds:7.1f} s  {cost_s:+.1f} s, {cost_s / bare_s:+.1%}")
    print(f"unchanged again                      {again_s:7.1f} s")


def reuse(folder: Path) -> None:
    """Time a pipeline of eight small tasks: unchanged, and with one task changed."""
    run = small_pipeline(folder)
    timed_s(run, folder)
    started_s = time.perf_counter()
    with subprocess.Popen(run, cwd=folder, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        lines_s = {line[10:]: time.perf_counter() for line in running.stderr}
    ended_s = time.perf_counter()
    steps_s = [at for line, at in lines_s.items() if ": reused" in line]
    (pipeline_s,) = (at for line, at in lines_s.items() if line.startswith("pipeline: "))
    print(f"eight tasks, unchanged               {ended_s - started_s:7.1f} s")
    print(f"  until the parent run is open       {pipeline_s - started_s:7.1f} s")
    print(f"  {len(steps_s)} steps looked up, as tasks        {max(steps_s) - pipeline_s:7.1f} s")
    print(f"  report and registry                {max(lines_s.values()) - max(steps_s):7.1f} s")
    print(f"  exit of Prefect and Python         {ended_s - max(lines_s.values()):7.1f} s")
    profiled = [sys.executable, __file__, "--profiled", *run[1:]]
    done = subprocess.run(profiled, cwd=folder, capture_output=True, text=True, check=True)
    print(f"  in our own code, by a profiler     {float(done.stdout.split()[-1]):7.1f} s")
    changed = [*run, "tasks.topic-2.finetune.seed=1"]
    done = subprocess.run(changed, cwd=folder, capture_output=True, text=True, check=True)
    computed = [line.split("  ")[1] for line in done.stderr.splitlines() if ": computed" in line]
    print(f"one task's seed changed              computed: {', '.join(computed)}")


def profile(words: list[str]) -> None:
    """Run textmill, and print the seconds that all threads spent in our own code.

    This is the time in our functions and the built-in functions called by them, including the
    overhead of the profiler, but not in Prefect, MLflow and other libraries.
    """
    from textmill_flows.cli import app

    run_thread = threading.Thread.run
    profiles: list[cProfile.Profile] = []

    def run(thread: threading.Thread) -> None:
        profiles.append(cProfile.Profile())
        profiles[-1].runcall(run_thread, thread)

    threading.Thread.run = run  # type: ignore[method-assign]
    profiles.append(cProfile.Profile())
    with contextlib.suppress(SystemExit):
        profiles[-1].runcall(app, words)
    total_s = 0.0
    for measured in profiles:
        measured.create_stats()
        for (file, _, _), (_, _, own_s, _, callers) in measured.stats.items():  # type: ignore[attr-defined]
            if is_ours(file):
                total_s += own_s
            elif file == "~":
                total_s += sum(s for (by, *_), (_, _, s, _) in callers.items() if is_ours(by))
    print(total_s)


def is_ours(file: str) -> bool:
    """Return whether a source file belongs to the package or the flows."""
    return any(Path(file).is_relative_to(folder) for folder in OURS)


def small_pipeline(folder: Path) -> list[str]:
    """Write a pipeline of eight small tasks to a folder; return the command that runs it."""
    tasks = [
        {"name": f"{kind}-{number}", "kind": "classification", "text": "text", "label": "label",
         "train": f"sample:{kind}/train.jsonl", "test": f"sample:{kind}/test.jsonl"}
        for kind in ("topic", "sentiment")
        for number in range(4)
    ]  # fmt: skip
    config = {
        "defaults": ["demo", "_self_"],
        "sample": {"n_documents": 400, "n_train": 200, "n_test": 60},
        "tokenizer": {"vocab_size": 600},
        "model": {"n_layer": 2, "n_head": 2, "n_embd": 32, "block_size": 64},
        "pretrain": {"max_steps": 40, "warmup_steps": 4, "validate_every_steps": 20},
        "tasks": tasks,
    }
    (folder / "eight.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    return [TEXTMILL, "run", "--config", "eight.yaml"]


def logging(folder: Path) -> None:
    """Time the logging of a metric point in the training thread, and MLflow's own call."""
    from mlflow.tracking import MlflowClient

    from textmill.training.metrics_file import MetricsFile

    metrics = MetricsFile(folder, LOGGED_POINTS)
    ours_us = mean_us(lambda step: metrics.write(step, {"train/loss": 1 / (step + 1)}))
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    run_id = client.create_run("0").info.run_id
    direct_us = mean_us(lambda step: client.log_metric(run_id, "loss", 1 / (step + 1), step=step))
    print(f"a point, from the training thread    {ours_us:7.1f} us")
    print(f"a point, MlflowClient.log_metric     {direct_us:7.1f} us")


def mean_us(call: Callable[[int], object]) -> float:
    """Return the mean time of a call with a step number, in microseconds."""
    started_s = time.perf_counter()
    for step in range(LOGGED_POINTS):
        call(step)
    return (time.perf_counter() - started_s) / LOGGED_POINTS * 1e6


def store(folder: Path) -> None:
    """Time look-ups in a store with two pipelines, many other runs and many metric points."""
    from textmill.config import TrackingConfig
    from textmill.registry.lineage import trace
    from textmill.reports.comparison import compare
    from textmill.tracking.store import Store

    run = small_pipeline(folder)
    timed_s(run, folder)
    timed_s([*run, "pretrain.seed=1"], folder)
    tracked = Store(TrackingConfig(home=str(folder / "mlruns")))
    fill(tracked, folder / "mlruns" / "mlflow.db")
    pipelines = [run.info.run_id for run in tracked.search("tags.`textmill.kind` = 'pipeline'")]
    (source,) = folder.glob("mlruns/**/output/topic/train.jsonl")

    def look_up() -> None:
        condition = f"attributes.status='FINISHED' and tags.`textmill.key`='{N_RUNS // 2:064}'"
        (found,) = tracked.search(condition)
        assert found.info.run_name == f"run {N_RUNS // 2}"

    for what, call in (
        ("a result by its key", look_up),
        ("compare two pipelines of eight tasks", lambda: compare(tracked, pipelines)),
        ("lineage of a pipeline", lambda: trace(tracked, pipelines[0])),
        ("lineage of a file, forward", lambda: trace(tracked, str(source))),
    ):
        started_s = time.perf_counter()
        call()
        print(f"{what:<37}{(time.perf_counter() - started_s) * 1000:7.1f} ms")


def fill(tracked: Store, database: Path) -> None:
    """Add finished runs with keys and metric points to a store."""
    experiment_id = tracked.experiment("many")
    run_ids = [
        tracked.start_run(
            experiment_id, f"run {i}", {"textmill.key": f"{i:064}", "textmill.kind": "step"}
        )
        for i in range(N_RUNS)
    ]
    for run_id in run_ids:
        tracked.end_run(run_id, "FINISHED")
    rows = (
        ("train/loss", 1 / (step + 1), step, run_id, step, 0)
        for run_id in run_ids
        for step in range(POINTS_PER_RUN)
    )
    with sqlite3.connect(database) as opened:
        opened.executemany(
            "INSERT INTO metrics (key, value, timestamp, run_uuid, step, is_nan) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            rows,
        )


MEASUREMENTS = (overhead, reuse, logging, store)


def main(names: list[str]) -> None:
    """Take the named measurements, or all."""
    for measure in MEASUREMENTS:
        if not names or measure.__name__ in names:
            with tempfile.TemporaryDirectory() as folder:
                measure(Path(folder))
                sys.stdout.flush()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--bare"]:
        bare(Path(sys.argv[2]))
    elif sys.argv[1:2] == ["--profiled"]:
        profile(sys.argv[2:])
    else:
        main(sys.argv[1:])
