"""Task models on disk, and answers from them."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from pydantic import TypeAdapter, ValidationError
from torch import nn

from textmill.config import UNREDACTED, RedactionConfig, TaskConfig
from textmill.corpus.tokens.tokenizer import TOKENIZER_FILES, load_tokenizer
from textmill.errors import InputError, RunError
from textmill.files import parse_json, read_untrusted, write_json
from textmill.model import GPT
from textmill.model.layout import (
    MAX_SETTINGS_BYTES,
    check_sizes,
    load_state,
    load_weights,
    read_config,
    save_weights,
    write_config,
)
from textmill.tasks.kinds import examples_of, network_of

if TYPE_CHECKING:
    from tokenizers import Tokenizer

TASK_FILE = "task.json"


class Predictor:
    """Answers texts, or whatever its kind of task reads, with the predictions of a task model.

    Args:
        network: in eval mode.
        tokenizer: the backbone's.
        kind: name of the kind of task.
        spec: what the kind has to know.
        redaction: how the texts that it was trained on were redacted, and so are those it is asked.
    """

    def __init__(
        self,
        network: nn.Module,
        tokenizer: Tokenizer,
        kind: str,
        spec: Any,
        redaction: RedactionConfig = UNREDACTED,
    ) -> None:
        self.network = network
        self.tokenizer = tokenizer
        self.kind = network_of(kind)
        self.spec = spec
        self.redaction = redaction

    def __call__(self, inputs: Sequence[Any]) -> list[dict[str, Any]]:
        """Return one prediction for each input, in their order."""
        return list(self.stream(inputs))

    @torch.inference_mode()
    def stream(self, inputs: Sequence[Any]) -> Iterator[dict[str, Any]]:
        """Yield one prediction for each input, in their order, a batch at a time."""
        size = self.kind.PREDICT_BATCH
        for at in range(0, len(inputs), size):
            batch = inputs[at : at + size]
            yield from self.kind.predict(
                self.network, self.tokenizer, self.spec, batch, self.redaction
            )


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


def load_predictor(folder: Path | str) -> Predictor:
    """Return the predictor of a task model folder.

    Raises:
        InputError: the folder holds no task model.
    """
    folder = Path(folder)
    name, is_causal, spec, redaction = _read_task(folder)
    config = read_config(folder)
    check_sizes(config, folder)
    network = network_of(name).build(GPT(config), spec, 0.0, is_causal)
    load_state(network, load_weights(folder), folder)
    tokenizer = load_tokenizer(folder, config.vocab_size)
    return Predictor(network.eval(), tokenizer, name, spec, redaction)


def _read_task(folder: Path) -> tuple[str, bool, Any, RedactionConfig]:
    """Return what a task model is: its kind, whether its attention is causal, and its settings."""
    file = folder / TASK_FILE
    try:
        task = parse_json(read_untrusted(file, MAX_SETTINGS_BYTES), file)
        kind, is_causal = examples_of(task["kind"]), bool(task["is_causal"])
        spec = TypeAdapter(kind.Spec).validate_python(task["spec"])
        # Models that are older than this entry were trained on texts as they were.
        stored = task.get("redaction")
        redaction = RedactionConfig.model_validate(stored) if stored is not None else UNREDACTED
        return task["kind"], is_causal, spec, redaction
    except (OSError, RunError):
        raise InputError(f"{folder} holds no task model: {TASK_FILE} cannot be read.") from None
    except (LookupError, TypeError, ValidationError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{file} is damaged ({reason}): create or download it again.") from None
