"""Training on several devices of this machine: one process per device, started as by torchrun.

The processes are ranks 0, 1, … of one group. Only rank 0 writes files.
"""

from __future__ import annotations

import os
import pkgutil
import shutil
import signal
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import torch
from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
from torch.distributed.elastic.multiprocessing.errors import (
    ChildFailedError,
    ProcessFailure,
    record,
)
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from textmill.config import PretrainStepConfig
from textmill.errors import InputError, RunError
from textmill.files import read_json, write_json
from textmill.hardware import set_up_torch

FOLDER = "ranks"
LOCALHOST = "127.0.0.1"
STOP_GRACE_S = 15
"""Time for the ranks to finish and save their step; shorter than that of the parent process."""
POLL_INTERVAL_S = 0.1


def launch(
    train: str, config: PretrainStepConfig, inputs: Mapping[str, Path], out: Path, work: Path
) -> None:
    """Train with one process per device, and return when all have ended.

    Processor threads are split among the ranks. SIGTERM is forwarded to all ranks, which save a
    checkpoint; they end with this process, even if it is killed.

    Args:
        train: `module:function` that each rank calls with the other arguments.
        config: model and training.
        inputs: `tokens` and `tokenizer`, folders of those steps.
        out: an empty folder.
        work: a folder with the checkpoints of an interrupted run, if any.

    Raises:
        InputError, RunError: raised by a rank, or a rank died.
    """
    folder = work / FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    devices = config.pretrain.devices
    job = {
        "train": train,
        "config": config.model_dump(mode="json"),
        "inputs": {name: str(path) for name, path in inputs.items()},
        "out": str(out),
        "work": str(work),
        "threads": max(1, torch.get_num_threads() // devices),
        "parent": os.getpid(),
    }
    write_json(folder / "job.json", job)
    settings = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=devices,
        run_id=work.parent.name or FOLDER,
        rdzv_backend="c10d",
        rdzv_endpoint=f"{LOCALHOST}:0",
        local_addr=LOCALHOST,
        max_restarts=0,  # the pipeline decides whether to resume a training
        logs_specs=DefaultLogsSpecs(log_dir=str(folder)),
        signals_to_handle="SIGTERM",
        shutdown_timeout=STOP_GRACE_S,
    )
    handler = signal.getsignal(signal.SIGTERM)
    try:
        # -P: a file in the working folder must not shadow a package.
        start = elastic_launch(settings, sys.executable)
        start("-P", "-m", "textmill.training.parallel.ranks", str(folder / "job.json"))
    except SignalException:
        raise RunError(
            "Training was stopped after saving a checkpoint: run again to resume."
        ) from None
    except ChildFailedError as error:
        raise _explain(list(error.failures.values())) from None
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)


def _explain(failures: list[ProcessFailure]) -> InputError | RunError:
    """Return the error that ended the group: that of a rank, or else which rank died, and how."""
    messages = [_message(failure) for failure in failures]
    for kind in (InputError, RunError):
        for message in messages:
            if message.startswith(f"{kind.__name__}: "):
                return kind(message.removeprefix(f"{kind.__name__}: "))
    killed = next((failure for failure in failures if failure.exitcode < 0), None)
    if killed is None:
        return RunError(f"A process of the training failed: {messages[0]}")
    return RunError(
        f"The process of device {killed.local_rank} was killed by {killed.signal_name()}, usually "
        "because memory ran out: reduce micro_batch_size or the model. Run again to resume."
    )


def _message(failure: ProcessFailure) -> str:
    written = failure.message
    return str(written["message"] if isinstance(written, dict) else written)


def _end_with(parent: int) -> None:
    """Exit when the parent process has ended: a single rank would wait for the others forever."""
    while os.getppid() == parent:
        time.sleep(POLL_INTERVAL_S)
    os._exit(1)


@record
def main() -> None:
    """Run one rank."""
    job = read_json(Path(sys.argv[1]))
    threading.Thread(target=_end_with, args=(job["parent"],), daemon=True).start()
    set_up_torch(job["threads"])
    pkgutil.resolve_name(job["train"])(
        PretrainStepConfig.model_validate(job["config"]),
        {name: Path(path) for name, path in job["inputs"].items()},
        Path(job["out"]),
        Path(job["work"]),
    )


if __name__ == "__main__":
    main()
