"""The folder of a task model: weights, network configuration, tokenizer and task settings.

A task model consists of networks, of a classical baseline, or of both, whose scores are averaged.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError
from torch import nn

from textmill.config import KINDS, UNREDACTED, RedactionConfig, TaskConfig
from textmill.corpus.tokens.tokenizer import TOKENIZER_FILES
from textmill.errors import InputError, RunError
from textmill.files import parse_json, read_untrusted, write_json
from textmill.model import GPT
from textmill.model.layout import MAX_SETTINGS_BYTES, save_weights, write_config
from textmill.tasks.ensemble.adapters import Adapter, adapter_weights, save_backbone
from textmill.tasks.kinds import (
    BASELINE,
    NETWORK,
    Baseline,
    answers_of,
    examples_of,
    network_of,
)

TASK_FILE = "task.json"
BASELINE_FOLDER = "baseline"
"""Folder of the classical baseline, inside that of the task model."""


_Member = Annotated[str, Field(pattern=f"^({NETWORK}(-([2-9]|[1-9][0-9]+))?|{BASELINE})$")]
_Members = Annotated[dict[_Member, Annotated[float, Field(ge=0)]], Field(min_length=1)]


@dataclass(frozen=True)
class Choice:
    """The members of a task model."""

    members: Mapping[str, float]
    """The names of networks (see `network_name`), BASELINE, or both, with their weights in the
    average; the weight of one by itself is the inverse of its temperature."""
    baseline: Baseline | None
    """Fitted on all training examples, if it is a member."""
    description: str
    """What the model is, and the validation scores that decided, for reports."""
    metrics: Mapping[str, float]
    """The number of parameters, and the validation score of each candidate."""
    spec: Any
    """The kind's settings of the model."""


@dataclass(frozen=True)
class TaskModel:
    """The settings of a task model besides its weights."""

    kind: str
    is_causal: bool
    """Whether the network's attention is causal."""
    spec: Any
    members: Mapping[str, float]
    """As in `Choice`."""
    redaction: RedactionConfig
    adapter: Adapter | None
    """Of networks that are adapters; None: they are complete."""

    def single_networks(self) -> dict[str, list[float]]:
        """Return the weights of the members with each network as the only one, by its name.

        It has the weight of all: such a model its seed alone would have given. Empty unless there
        are several networks.
        """
        networks = [member for member in self.members if member != BASELINE]
        if len(networks) < 2:
            return {}
        total = sum(self.members[name] for name in networks)
        weights = {name: {**dict.fromkeys(networks, 0.0), name: total} for name in networks}
        return {
            name: [own.get(member, weight) for member, weight in self.members.items()]
            for name, own in weights.items()
        }


def network_name(number: int) -> str:
    """Return the name of a network among the members, numbered from 0."""
    return NETWORK if number == 0 else f"{NETWORK}-{number + 1}"


def weights_folder(folder: Path, member: str) -> Path:
    """Return the folder of the weights of a network, inside that of the task model."""
    return folder if member == NETWORK else folder / member


def save_task_model(
    config: TaskConfig,
    choice: Choice,
    networks: Sequence[nn.Module],
    backbone: Path,
    out: Path,
) -> None:
    """Write a task model: task.json, and the files of its members.

    A network consists of config.json, model.safetensors and the tokenizer's files. Further networks
    differ in their weights alone, and have folders with these; a baseline has a folder of its own.
    Of adapters, these are the weights that were trained, and their backbone has a folder.

    Args:
        config: the task.
        choice: the members.
        networks: the fine-tuned networks, in the order of their names.
        backbone: folder of the pretrain step.
        out: an empty folder.
    """
    adapter: Adapter | None = None
    if NETWORK in choice.members:
        backbone_of_first = networks[0].backbone
        assert isinstance(backbone_of_first, GPT)
        write_config(backbone_of_first.config, out)
        if config.finetune.method == "lora" and not config.finetune.lora.merge:
            adapter = Adapter(lora=config.finetune.lora, backbone=save_backbone(backbone, out))
        for number, network in enumerate(networks):
            folder = weights_folder(out, network_name(number))
            folder.mkdir(exist_ok=True)
            save_weights(adapter_weights(network) if adapter else network.state_dict(), folder)
        _save_tokenizer(config.kind, backbone, out)
    if choice.baseline is not None:
        folder = out / BASELINE_FOLDER
        folder.mkdir()
        choice.baseline.save(folder)
    write_json(
        out / TASK_FILE,
        {
            "name": config.name,
            "kind": config.kind,
            "is_causal": config.finetune.attention == "causal",
            "spec": dataclasses.asdict(choice.spec),
            "members": choice.members,
            "choice": choice.description,
            "redaction": config.redaction.model_dump(mode="json"),
        }
        | ({"adapter": adapter.model_dump(mode="json")} if adapter else {}),
    )


def _save_tokenizer(kind: str, backbone: Path, out: Path) -> None:
    if (save := network_of(kind).save_tokenizer) is not None:
        save(backbone, out)
        return
    for name in TOKENIZER_FILES:
        shutil.copy(backbone / name, out / name)


def read_task(folder: Path) -> TaskModel:
    """Return the settings of a task model.

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
        # Early models without this entry are networks.
        members = TypeAdapter(_Members).validate_python(task.get("members", {NETWORK: 1.0}))
        if [*members.values()] != [1.0] and answers_of(task["kind"]).targets is None:
            raise LookupError("scores of its kind cannot be averaged")
        # Models without this entry were trained on unredacted texts.
        stored = task.get("redaction")
        redaction = RedactionConfig.model_validate(stored) if stored is not None else UNREDACTED
        adapter = TypeAdapter(Adapter | None).validate_python(task.get("adapter"))
        return TaskModel(task["kind"], is_causal, spec, members, redaction, adapter)
    except (OSError, RunError):
        raise InputError(f"{folder} is not a task model: {TASK_FILE} cannot be read.") from None
    except (LookupError, TypeError, ValidationError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{file} is damaged ({reason}): create or download it again.") from None
