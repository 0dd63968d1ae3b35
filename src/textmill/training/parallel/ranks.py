"""Training on several devices of this machine: a process for each, started as torchrun does.

The processes are ranks 0, 1, … of one group. Rank 0 alone writes; the others only compute.
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
HERE = "127.0.0.1"
STOP_GRACE_S = 15
"""For the ranks to finish their step and save it: less than their parent is given."""
LOOK_EVERY_S = 0.1


def launch(
    train: str, config: PretrainStepConfig, inputs: Mapping[str, Path], out: Path, work: Path
) -> None:
    """Train with a process for each device, and return when all have ended.

    Processor threads are split among them. SIGTERM reaches all of them, and they save; they
    end when this process does, however it ends.

    Args:
        train: `module:function`, what each of them calls with the other arguments.
        config: model and training.
        inputs: `tokens` and `tokenizer`, folders of those steps.
        out: an empty folder.
        work: a folder with the checkpoints of an interrupted run, if any.

    Raises:
        InputError, RunError: as the ranks do; or one of them died.
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
        rdzv_endpoint=f"{HERE}:0",
        local_addr=HERE,
        max_restarts=0,  # the pipeline decides whether a training is resumed
        logs_specs=DefaultLogsSpecs(log_dir=str(folder)),
        signals_to_handle="SIGTERM",
        shutdown_timeout=STOP_GRACE_S,
    )
    handler = signal.getsignal(signal.SIGTERM)
    try:
        # -P: a file in the working folder that is called like a package is not imported for it.
        start = elastic_launch(settings, sys.executable)
        start("-P", "-m", "textmill.training.parallel.ranks", str(folder / "job.json"))
    except SignalException:
        raise RunError("Training was told to end, and has saved: run again to go on.") from None
    except ChildFailedError as error:
        raise _explain(list(error.failures.values())) from None
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)


def _explain(failures: list[ProcessFailure]) -> InputError | RunError:
    """Return why the group ended: what a rank says of it, or else which one died, and how."""
    messages = [_message(failure) for failure in failures]
    for kind in (InputError, RunError):
        for message in messages:
            if message.startswith(f"{kind.__name__}: "):
                return kind(message.removeprefix(f"{kind.__name__}: "))
    killed = next((failure for failure in failures if failure.exitcode < 0), None)
    if killed is None:
        return RunError(f"A process of the training failed: {messages[0]}")
    return RunError(
        f"The process of device {killed.local_rank} was ended by {killed.signal_name()}; the usual "
        "reason is that memory ran out: lower micro_batch_size or the model. Run again to go on."
    )


def _message(failure: ProcessFailure) -> str:
    written = failure.message
    return str(written["message"] if isinstance(written, dict) else written)


def _end_with(parent: int) -> None:
    """Exit as soon as the parent is gone: a rank alone would wait for the others for ever."""
    while os.getppid() == parent:
        time.sleep(LOOK_EVERY_S)
    os._exit(1)


@record
def main() -> None:
    """Be one rank: what each process does."""
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
