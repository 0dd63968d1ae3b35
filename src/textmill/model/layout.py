"""Backbones on disk in the Hugging Face layout: config.json and model.safetensors.

A backbone is saved as a model of the first family that it fits, which `transformers` loads; others
are saved in the same layout under a model type of their own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from textmill.config import ModelConfig
from textmill.errors import InputError, listed
from textmill.files import read_untrusted, reject_special_file
from textmill.model.families import FAMILIES, Family
from textmill.model.gpt import GPT

CONFIG, WEIGHTS = "config.json", "model.safetensors"
INDEX = "model.safetensors.index.json"
"""Names the files of weights that are divided among several."""
MODEL_TYPE = "textmill"
LAYER_NAME = re.compile(r"(?:^|\.)h\.(\d+)\.")
QK_NORM = re.compile(r"\.attn\.[qk]_norm\.weight$")
"""Weights that early models do not have, as if they were ones."""
MAX_TOKENS = 1 << 20
"""Maximum block_size of a model without position weights: the tables are allocated for all of
it."""
MAX_SETTINGS_BYTES = 4 << 20
"""Maximum size of config.json, and of an index of weights."""
PICKLE_SUFFIXES = (".bin", ".ckpt", ".pickle", ".pkl", ".pt", ".pth")


def save(model: GPT, folder: Path) -> None:
    """Write config.json and model.safetensors into the folder."""
    config, weights = model.config, model.state_dict()
    family = next((family for family in FAMILIES.values() if family.fits(config)), None)
    if family is None:
        values = _textmill_config(config)
    else:
        values, weights = family.write_config(config), family.exported(weights, config)
    _write_values(values, folder)
    save_weights(weights, folder)


def load(folder: Path | str, dropout: float | None = None) -> GPT:
    """Return the model of a backbone folder, in eval mode, on the CPU, in single precision.

    Args:
        folder: written by `save`, or a model of one of the families in the Hugging Face layout.
        dropout: replaces the configured dropout.

    Raises:
        InputError: the folder contains no such model, or its weights do not match its
            configuration. Sizes are compared with those of the weights before any memory is
            allocated.
    """
    folder = Path(folder)
    config, family = read_config(folder), family_of(folder)
    check_sizes(config, folder, family)
    weights = load_weights(folder)
    if family is not None:
        weights = _with_own_names(weights, config, family, folder)
    if dropout is not None:
        config = config.model_copy(update={"dropout": dropout})
    model = GPT(config)
    load_state(model, weights, folder)
    return model.eval()


def read_config(folder: Path) -> ModelConfig:
    """Return the configuration of a backbone folder.

    Raises:
        InputError: config.json is missing, damaged, or describes an unsupported model.
    """
    file = folder / CONFIG
    values = _read_values(folder)
    try:
        match values.get("model_type"):
            case "textmill":
                return ModelConfig.model_validate(values["textmill"])
            case str(name) if name in FAMILIES:
                return FAMILIES[name].read_config(values, file)
    except KeyError as error:
        raise InputError(f"{file} is damaged ({error} is missing): create it again.") from None
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"])
        raise InputError(f"{file} is not a valid model: {where}: {problem['msg']}.") from None
    raise InputError(
        f"{file}: model_type {values.get('model_type')!r} is not supported; "
        f"supported types are {listed([MODEL_TYPE, *FAMILIES])}."
    )


def boundary_ids(folder: Path) -> tuple[int | None, int | None]:
    """Return the ids of the tokens with which a model's texts begin and end, if it has any."""
    values = _read_values(folder)
    ids = (values.get("bos_token_id"), values.get("eos_token_id"))
    first, last = (found[0] if isinstance(found, list) and found else found for found in ids)
    n_ids = read_config(folder).vocab_size or 0
    first, last = (
        found if isinstance(found, int) and 0 <= found < n_ids else None for found in (first, last)
    )
    return first, last


def family_of(folder: Path) -> Family | None:
    """Return the family of the model in a folder; None if it is textmill's own."""
    return FAMILIES.get(_read_values(folder).get("model_type", MODEL_TYPE))


def check_sizes(config: ModelConfig, folder: Path, family: Family | None = None) -> None:
    """Raise InputError if sizes do not match the weights of a folder, without loading them.

    Args:
        config: the sizes.
        folder: of the weights, which may be those of a task's network.
        family: that names the weights.

    Raises:
        InputError: the sizes differ, or the weights are missing or damaged.
    """
    shapes = _read_shapes(folder)
    if family is not None:
        # Joining meta tensors would load torch's compiler, which takes a second.
        alone = {name: shape for name, shape in shapes.items() if not family.is_part(name)}
        meta = {name: torch.empty(shape, device="meta") for name, shape in alone.items()}
        own = _with_own_names(meta, config, family, folder)
        shapes = {name: tuple(tensor.shape) for name, tensor in own.items()}
    width = config.n_embd
    expected = {
        "wte.weight": (config.vocab_size, width),
        "h.0.attn.c_proj.weight": (width, config.n_head * config.head_width),
        "h.0.mlp.c_proj.weight": (width, config.inner_width),
    }
    if config.position == "learned":
        expected["wpe.weight"] = (config.block_size, width)
    elif config.block_size > MAX_TOKENS:
        raise InputError(
            f"{folder / CONFIG}: block_size={config.block_size} is too large; the maximum is "
            f"{MAX_TOKENS}."
        )
    for name, shape in expected.items():
        found = [shapes[own] for own in shapes if own == name or own.endswith(f".{name}")]
        if not found:
            raise _mismatch(folder, f"{name} is missing")
        if found[0] != shape:
            raise _mismatch(folder, f"{name} has the shape {found[0]}, not {shape}")
    layers = {match[1] for name in shapes if (match := LAYER_NAME.search(name))}
    if len(layers) != config.n_layer:
        raise _mismatch(folder, f"there are {len(layers)} layers, not {config.n_layer}")


def _with_own_names(
    weights: dict[str, Tensor], config: ModelConfig, family: Family, folder: Path
) -> dict[str, Tensor]:
    """Return the weights of a folder under the names of the GPT."""
    try:
        return family.imported(weights, config)
    except ValueError as error:
        raise _mismatch(folder, str(error)) from None


def _read_shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a folder's weights, read from the heads of the files."""
    shapes: dict[str, tuple[int, ...]] = {}
    for file in weight_files(folder):
        with _open_weights(file) as opened:
            names = opened.keys()
            shapes |= {name: tuple(opened.get_slice(name).get_shape()) for name in names}
    return shapes


def weight_files(folder: Path) -> list[Path]:
    """Return the files of a folder's weights: model.safetensors, or those that the index names.

    Raises:
        InputError: there is neither, or the index is damaged.
    """
    file, index = folder / WEIGHTS, folder / INDEX
    if file.exists() or not index.exists():
        return [file]
    try:
        names = {*_read_object(index)["weight_map"].values()}
        is_plain = all(Path(name).name == name and name.endswith(".safetensors") for name in names)
    except (LookupError, TypeError, AttributeError):
        is_plain = False
    if not is_plain:
        raise InputError(
            f"{index} is damaged (weight_map does not name files of this folder): create or "
            "download it again."
        )
    return [folder / name for name in sorted(names)]


@contextmanager
def _open_weights(file: Path) -> Iterator[Any]:
    reject_special_file(file)
    try:
        with safe_open(file, framework="pt") as opened:
            yield opened
    except FileNotFoundError:
        folder = file.parent
        pickles = sorted(pickle.name for pickle in folder.glob("pytorch_model*.bin"))
        why = f" ({pickles[0]} is a pickle, which may execute code)" if pickles else ""
        raise InputError(f"{folder} has no weights: {file.name} is missing{why}.") from None
    except (SafetensorError, OSError) as error:
        raise InputError(f"{file} is damaged ({error}): create or download it again.") from None


def save_weights(weights: dict[str, Tensor], folder: Path) -> None:
    """Write model.safetensors into the folder, in the format of `transformers`.

    Tensors that share memory, as tied embeddings do, are written once, under the first name.
    """
    first = _shared_names(weights)
    tensors = {
        name: tensor.detach().cpu().contiguous()
        for name, tensor in weights.items()
        if first[name] == name
    }
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})


def load_weights(folder: Path) -> dict[str, Tensor]:
    """Return the tensors of a folder's weights.

    Raises:
        InputError: a file is missing or damaged.
    """
    weights: dict[str, Tensor] = {}
    for file in weight_files(folder):
        with _open_weights(file) as opened:
            names = opened.keys()
            weights |= {name: opened.get_tensor(name) for name in names}
    return weights


def load_state(module: torch.nn.Module, weights: dict[str, Tensor], folder: Path) -> None:
    """Load weights into a module.

    Raises:
        InputError: names or shapes do not match the module; the message names the first mismatch.
    """
    expected = module.state_dict()
    if not any(map(QK_NORM.search, weights)):
        weights = weights | {
            n: torch.ones_like(t) for n, t in expected.items() if QK_NORM.search(n)
        }
    for name, first in _shared_names(expected).items():
        if name not in weights and first in weights:
            weights = weights | {name: weights[first]}
    for name in [*expected, *weights]:
        if name not in weights:
            difference = f"{name} is missing"
        elif name not in expected:
            difference = f"{name} is unexpected"
        elif weights[name].shape != expected[name].shape:
            shapes = tuple(weights[name].shape), tuple(expected[name].shape)
            difference = f"{name} has the shape {shapes[0]}, not {shapes[1]}"
        elif not weights[name].is_floating_point():
            difference = f"{name} has the dtype {weights[name].dtype}, which is not floating-point"
        else:
            continue
        raise _mismatch(folder, difference)
    module.load_state_dict(weights)


def _mismatch(folder: Path, difference: str) -> InputError:
    return InputError(f"{folder}: the weights do not match the model: {difference}.")


def _shared_names(weights: Mapping[str, Tensor]) -> dict[str, str]:
    """Return for each tensor the name of the first tensor that shares its memory."""
    names: dict[tuple[int, torch.Size], str] = {}
    return {
        name: names.setdefault((tensor.data_ptr(), tensor.shape), name)
        for name, tensor in weights.items()
    }


def write_config(config: ModelConfig, folder: Path) -> None:
    """Write config.json with textmill's own model type, for task networks around a backbone."""
    _write_values(_textmill_config(config), folder)


def _read_values(folder: Path) -> dict[str, Any]:
    file = folder / CONFIG
    if folder.is_file():
        why = " (a pickle may execute code)" if folder.suffix in PICKLE_SUFFIXES else ""
        raise InputError(
            f"{folder} is a file, and a model is a folder with config.json and "
            f"model.safetensors: give that folder{why}."
        )
    try:
        return _read_object(file)
    except OSError:
        raise InputError(f"{folder} has no model: config.json is missing.") from None


def _read_object(file: Path) -> dict[str, Any]:
    try:
        values = json.loads(read_untrusted(file, MAX_SETTINGS_BYTES).decode())
    except InputError:
        raise
    except RecursionError:
        raise InputError(f"{file} is damaged (nested too deeply): download it again.") from None
    except ValueError as error:
        raise InputError(f"{file} is damaged ({error}): create or download it again.") from None
    if not isinstance(values, dict):
        raise InputError(f"{file} is damaged (not a JSON object): create or download it again.")
    return values


def _write_values(values: dict[str, Any], folder: Path) -> None:
    (folder / CONFIG).write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def _textmill_config(config: ModelConfig) -> dict[str, Any]:
    return {"model_type": MODEL_TYPE, "textmill": config.model_dump()}
