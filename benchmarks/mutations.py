"""Fault injection: mutated files of a store, and the result of each reader.

    python benchmarks/mutations.py [--triples 2400] [--store FOLDER] [--seed 0]

First it makes a small store: two runs of a reduced demo and a killed pretraining; FOLDER is the
working directory of an earlier run. A triple is a file of the store, a mutation, and a reader: the
implementation of a command, called in this process, that opens the file. Each file is restored
before the next.

    same      the result equals that of the undamaged store
    refused   an InputError or RunError
    remade    the damaged file is ignored with a warning, or computed again
    served    a different result without a message: wrong
    trace     any other exception of one of our readers: wrong
    hung      no result within a minute: wrong

`mlflow.pyfunc.load_model` belongs to MLflow, and may raise other exceptions. A database is only
damaged as a whole: it has no digest, because it contains the digests of all other files.
"""

from __future__ import annotations

import argparse
import logging
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mutation_changes import CHANGES, OF_DATABASES, OF_JSON, Change, Stored
from mutation_readers import IS_PARTIAL, Readers
from small_demo import SMALL

TEXTMILL = str(Path(sys.executable).with_name("textmill"))
KILLED = ["pretrain.max_steps=4000", "pretrain.checkpoint_every_steps=20", "pretrain.seed=9"]
MAX_S = 60
WRONG = ("served", "trace", "hung")


def make_store(folder: Path) -> None:
    """Run the reduced demo twice, and kill a pretraining."""
    for further in ([], ["finetune.seed=1"]):
        subprocess.run([TEXTMILL, "run", *SMALL, *further], cwd=folder, check=True)
    kill_training(folder)


def kill_training(folder: Path) -> None:
    """Start a pretraining, and kill its processes after two checkpoints."""
    command = [TEXTMILL, "pretrain", *SMALL, *KILLED]
    with subprocess.Popen(command, cwd=folder, start_new_session=True) as process:
        while len(list(folder.glob("mlruns/wip/**/checkpoints/step-*"))) < 2:
            if process.poll() is not None:
                raise SystemExit("the pretraining ended before it could be killed")
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)


class Recorder(logging.Handler):
    """Records warnings, and the files that a reader opens."""

    def __init__(self, home: Path) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []
        self.opened: set[Path] | None = None
        self._home = home.resolve()
        sys.addaudithook(self._audit)

    def emit(self, record: logging.LogRecord) -> None:
        """Record a warning."""
        self.messages.append(record.getMessage())

    def _audit(self, event: str, given: tuple[Any, ...]) -> None:
        if self.opened is None or event not in ("open", "sqlite3.connect"):
            return
        if isinstance(given[0], str | os.PathLike):
            path = Path(os.path.abspath(os.fspath(given[0])))
            if self._home in path.parents and "__pycache__" not in path.parts:
                self.opened.add(path)


@contextmanager
def limit(seconds: int) -> Iterator[None]:
    """Raise TimeoutError in the block after a number of seconds."""

    def end(*_: Any) -> None:
        raise TimeoutError

    signal.signal(signal.SIGALRM, end)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)


def try_reader(name: str, read: Callable[[], str], right: str, log: Recorder) -> tuple[str, str]:
    """Return the outcome of a reader on a damaged store, and its message."""
    from textmill.errors import InputError, RunError

    log.messages.clear()
    try:
        with limit(MAX_S):
            found = read()
    except TimeoutError:
        return "hung", ""
    except (InputError, RunError) as error:
        return "refused", str(error)
    except Exception as error:
        message = f"{type(error).__name__}: {error}"
        return "refused" if name.startswith("load_model") else "trace", message
    if found == right:
        return "same", ""
    if name in IS_PARTIAL and IS_PARTIAL[name](found, right):
        return "remade", ""
    message = "; ".join(log.messages)
    # The lineage of a text reports itself what it could not search.
    notifies = "Not searched: " in found or any(
        " not what was written" in line or "damaged" in line for line in log.messages
    )
    return ("remade" if notifies else "served"), message or f"{found[:300]}"


def put(path: Path, content: bytes | None) -> None:
    """Set the content of a file in place, because a database may be open."""
    if content is None:
        path.unlink()
    elif path.exists():
        with path.open("r+b") as stream:
            stream.write(content)
            stream.truncate()
    else:
        path.write_bytes(content)


def plan_triples(
    reads: dict[str, set[Path]], n: int, rng: random.Random
) -> list[tuple[str, Path, str]]:
    """Return triples of a reader, a file that it opens and a mutation, balanced by kind of file."""
    pools: dict[tuple[str, str], list[tuple[str, Path, str]]] = defaultdict(list)
    for reader, files in reads.items():
        for file in sorted(files):
            for change in [*changes_of(file), "delete"]:
                pools[reader, kind_of(file)].append((reader, file, change))
    for pool in pools.values():
        rng.shuffle(pool)
    chosen: list[tuple[str, Path, str]] = []
    while len(chosen) < n and any(pools.values()):
        for pool in pools.values():
            if pool and len(chosen) < n:
                chosen.append(pool.pop())
    return chosen


def changes_of(file: Path) -> dict[str, Change]:
    """Return the mutations of a file, except deleting it."""
    if file.suffix == ".db":
        return OF_DATABASES
    return CHANGES | (OF_JSON if file.suffix in (".json", ".jsonl") else {})


def kind_of(file: Path) -> str:
    """Return the kind of a file, independent of its run."""
    parts = file.parts
    if "code" in parts:
        return "code of a model"
    place = next((p for p in ("models", "wip", "prepared", "output") if p in parts), "records")
    return (
        f"{place}: *{file.suffix}"
        if file.suffix in (".npy", ".parquet", ".png")
        else (f"{place}: {file.name}")
    )


def measure(n_triples: int, seed: int) -> Counter[str]:
    """Print every wrong outcome; return the number of triples by outcome."""
    home = Path("mlruns").resolve()
    log = Recorder(home)
    logging.getLogger().addHandler(log)
    readers = Readers()
    right: dict[str, str] = {}
    reads: dict[str, set[Path]] = {}
    for name, read in readers.all().items():
        read()  # warm-up: files that are cached are not opened again
        log.opened = reads[name] = set()
        right[name] = read()
        log.opened = None
        reads[name] = {file for file in reads[name] if is_stored(file)}
        if read() != right[name]:
            raise SystemExit(f"{name} is not deterministic: its results differ between two calls")
    by_name: dict[str, list[Path]] = defaultdict(list)
    for file in sorted(set.union(*reads.values())):
        by_name[file.name].append(file)
    rng = random.Random(seed)
    counts: Counter[str] = Counter()
    for number, (name, path, change) in enumerate(plan_triples(reads, n_triples, rng)):
        others = [other for other in by_name[path.name] if other != path]
        stored = Stored(path, path.read_bytes(), others)
        changed = None if change == "delete" else changes_of(path)[change](stored, rng)
        if changed is None and change != "delete":
            continue
        if changed == stored.content:
            continue
        put(path, changed)
        try:
            outcome, message = try_reader(name, readers.all()[name], right[name], log)
        finally:
            put(path, stored.content)
        counts[outcome] += 1
        if outcome in WRONG:
            print(
                f"{outcome.upper()}  {name} | {change} | {path.relative_to(home)} | {message[:400]}"
            )
        if number % 100 == 99:
            print(f"{number + 1} of {n_triples}: {dict(counts)}", file=sys.stderr, flush=True)
    return counts


def is_stored(file: Path) -> bool:
    """Return whether a file has data to read, unlike locks, logs, journals and reports."""
    suffixes = (".lock", ".log", ".html", ".md", ".db-journal", ".pyc")
    return file.is_file() and not file.name.endswith(suffixes) and file.name != "reserve"


def main() -> None:
    """Run the command line; exit with 1 if any outcome is wrong."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--triples", type=int, default=2400)
    parser.add_argument("--store", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    folder = given.store or Path(tempfile.mkdtemp())
    if given.store is None:
        make_store(folder)
    os.chdir(folder)
    warnings.simplefilter("ignore")
    began_s = time.monotonic()
    counts = measure(given.triples, given.seed)
    listed = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
    print(f"{counts.total()} triples in {time.monotonic() - began_s:.0f} s: {listed}")
    sys.exit(any(counts[name] for name in WRONG))


if __name__ == "__main__":
    main()
