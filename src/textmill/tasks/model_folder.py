"""The folder of a task model: weights, network configuration, tokenizer and task settings."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from torch import nn

from textmill.config import KINDS, UNREDACTED, RedactionConfig, TaskConfig
from textmill.corpus.tokens.tokenizer import TOKENIZER_FILES
from textmill.errors import InputError, RunError
from textmill.files import parse_json, read_untrusted, write_json
from textmill.model import GPT
from textmill.model.layout import MAX_SETTINGS_BYTES, save_weights, write_config
from textmill.tasks.kinds import examples_of

TASK_FILE = "task.json"


def save_task_model(
    network: nn.Module, config: TaskConfig, spec: Any, backbone: Path, out: Path
) -> None:
    """Write a task model: config.json, model.safetensors, task.json, tokenizer files."""
    assert isinstance(network.backbone, GPT)
    write_config(network.backbone.config, out)
    save_weights(network.state_dict(), out)
    write_json(
        out / TASK_FILE,
        {
            "name": config.name,
            "kind": config.kind,
            "is_causal": config.finetune.attention == "causal",
            "spec": dataclasses.asdict(spec),
            "redaction": config.redaction.model_dump(mode="json"),
        },
    )
    for name in TOKENIZER_FILES:
        shutil.copy(backbone / name, out / name)


def read_task(folder: Path) -> tuple[str, bool, Any, RedactionConfig]:
    """Return kind, whether attention is causal, spec and redaction of a task model.

    Raises:
        InputError: the folder is not a task model.
    """
    file = folder / TASK_FILE
    try:
        task = parse_json(read_untrusted(file, MAX_SETTINGS_BYTES), file)
        if task["kind"] not in KINDS:
            raise InputError(
                f"{file}: unknown kind of task {task['kind']!r}: add the extension that defines it "
                "to extensions."
            )
        kind, is_causal = examples_of(task["kind"]), bool(task["is_causal"])
        spec = TypeAdapter(kind.Spec).validate_python(task["spec"])
        # Models without this entry were trained on unredacted texts.
        stored = task.get("redaction")
        redaction = RedactionConfig.model_validate(stored) if stored is not None else UNREDACTED
        return task["kind"], is_causal, spec, redaction
    except (OSError, RunError):
        raise InputError(f"{folder} is not a task model: {TASK_FILE} cannot be read.") from None
    except (LookupError, TypeError, ValidationError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{file} is damaged ({reason}): create or download it again.") from None
