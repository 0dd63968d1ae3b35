"""CPU time, user and system, of commands that read a small store of finished runs.

    python benchmarks/commands.py [--runs 7] [--folder FOLDER]

First it makes two runs with a tiny model; FOLDER keeps them for the next time. The import times of
the libraries that the commands load are a reference for the machine and its load.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from small_demo import SMALL

TEXTMILL = str(Path(sys.executable).with_name("textmill"))
SETTINGS = [
    "tasks=[sample-topic,sample-ner]",
    *(word for word in SMALL if not word.startswith("tasks.translation")),
]
WITHOUT_TORCH_S, WITH_TORCH_S = 2.0, 3.5


def make_store(folder: Path) -> list[str]:
    """Run the small pipeline twice, unless done already; return the ids of the two runs."""
    for seed in (0, 1) if not (folder / "mlruns").exists() else ():
        command = [TEXTMILL, "run", *SETTINGS, f"finetune.seed={seed}"]
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    from textmill.config import TrackingConfig
    from textmill.tracking.store import Store

    store = Store(TrackingConfig(home=str(folder / "mlruns")))
    found = store.search("tags.`textmill.kind`='pipeline' and attributes.status='FINISHED'")
    return [run.info.run_id for run in found[:2]]


def cpu_s(command: list[str], folder: Path) -> float:
    """Return the CPU time of a command and all its processes, in seconds."""
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} failed with status {status}")
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Measure every command in turn, several times, and print the minimum and the median."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (arguments.folder or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        runs = make_store(folder)
        targets = {
            ("lineage", runs[0]): WITHOUT_TORCH_S,
            ("compare", *runs): WITHOUT_TORCH_S,
            ("doctor",): WITHOUT_TORCH_S,
            ("promote", "ner"): WITHOUT_TORCH_S,
            ("prune",): WITHOUT_TORCH_S,
            ("predict", "topic", "The team won again."): WITH_TORCH_S,
            ("generate", "The train"): WITH_TORCH_S,
        }
        commands = {words[0]: ([TEXTMILL, *words], target) for words, target in targets.items()}
        for library in ("mlflow", "torch"):
            commands[f"import {library}"] = ([sys.executable, "-c", f"import {library}"], None)
        measured: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(arguments.runs + 1):  # the first run is a warm-up
            for name, (command, _) in commands.items():
                measured[name].append(cpu_s(command, folder))
    print(f"{'CPU time, s':<20}{'min':>8}{'median':>8}{'target':>8}")
    for name, (_, target) in commands.items():
        times = measured[name][1:]
        shown = f"{target:8.1f}" if target else ""
        print(f"{name:<20}{min(times):8.2f}{median(times):8.2f}{shown}")


if __name__ == "__main__":
    main()
