"""Backbones on disk in the Hugging Face layout: config.json and model.safetensors.

A backbone with GPT-2's architecture is saved as a GPT-2, which `transformers` loads; others are
saved in the same layout under a model type of their own.
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
from textmill.errors import InputError
from textmill.files import read_untrusted, reject_special_file
from textmill.model.gpt import GPT

CONFIG, WEIGHTS = "config.json", "model.safetensors"
MODEL_TYPE = "textmill"
GPT2_ARCHITECTURE = {
    "position": "learned",
    "activation": "gelu",
    "norm": "layer",
    "norm_placement": "pre",
    "qk_norm": False,
    "n_kv_head": None,
    "tie_embeddings": True,
    "bias": True,
}
# GPT-2 stores these weights as (in, out), the transpose of nn.Linear.
TRANSPOSED = ("c_attn.weight", "c_proj.weight", "c_fc.weight")
# Options of transformers' GPT-2 that this GPT does not have, with the values that it supports.
GPT2_FIXED: dict[str, tuple[Any, ...]] = {
    "activation_function": ("gelu_new", "gelu_pytorch_tanh"),
    "layer_norm_epsilon": (1e-5,),
    "scale_attn_weights": (True,),
    "scale_attn_by_inverse_layer_idx": (False,),
    "add_cross_attention": (False,),
    "tie_word_embeddings": (True,),
}


LAYER_NAME = re.compile(r"(?:^|\.)h\.(\d+)\.")
MAX_TOKENS = 1 << 20
"""Maximum block_size of a model without position weights: the tables are allocated for all of
it."""
MAX_SETTINGS_BYTES = 4 << 20
"""Maximum size of config.json."""
PICKLE_SUFFIXES = (".bin", ".ckpt", ".pickle", ".pkl", ".pt", ".pth")


def save(model: GPT, folder: Path) -> None:
    """Write config.json and model.safetensors into the folder."""
    is_gpt2 = model.config.model_dump(include=set(GPT2_ARCHITECTURE)) == GPT2_ARCHITECTURE
    config = _gpt2_config(model.config) if is_gpt2 else _textmill_config(model.config)
    weights = model.state_dict()
    if is_gpt2:
        weights = {
            f"transformer.{name}": tensor.T if name.endswith(TRANSPOSED) else tensor
            for name, tensor in weights.items()
        }
    _write_values(config, folder)
    save_weights(weights, folder)


def load(folder: Path | str, dropout: float | None = None) -> GPT:
    """Return the model of a backbone folder, in eval mode, on the CPU.

    Args:
        folder: written by `save`, or a GPT-2 in the Hugging Face layout.
        dropout: replaces the configured dropout.

    Raises:
        InputError: the folder contains no such model, or its weights do not match its
            configuration. Sizes are compared with those of the weights before any memory is
            allocated.
    """
    folder = Path(folder)
    config = read_config(folder)
    check_sizes(config, folder)
    if dropout is not None:
        config = config.model_copy(update={"dropout": dropout})
    weights = load_weights(folder)
    if _read_values(folder)["model_type"] == "gpt2":
        weights = {
            name.removeprefix("transformer."): tensor.T if name.endswith(TRANSPOSED) else tensor
            for name, tensor in weights.items()
            if not name.endswith((".attn.bias", ".attn.masked_bias"))  # constant masks
        }
    model = GPT(config)
    load_state(model, weights, folder)
    return model.eval()


def read_config(folder: Path) -> ModelConfig:
    """Return the configuration of a backbone folder.

    Raises:
        InputError: config.json is missing, damaged, or describes an unsupported model type.
    """
    file = folder / CONFIG
    values = _read_values(folder)
    try:
        match values.get("model_type"):
            case "textmill":
                return ModelConfig.model_validate(values["textmill"])
            case "gpt2":
                return _from_gpt2(values, file)
    except KeyError as error:
        raise InputError(f"{file} is damaged ({error} is missing): create it again.") from None
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"])
        raise InputError(f"{file} is not a valid model: {where}: {problem['msg']}.") from None
    raise InputError(
        f"{file}: model_type {values.get('model_type')!r} is not supported; "
        f"supported types are {MODEL_TYPE!r} and 'gpt2'."
    )


def check_sizes(config: ModelConfig, folder: Path) -> None:
    """Raise InputError if the sizes in config.json do not match the weights, without loading them.

    Raises:
        InputError: the sizes differ, or the weights are missing or damaged.
    """
    shapes = _read_shapes(folder)
    width = config.n_embd
    expected = {"wte.weight": (config.vocab_size, width)}
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


def _read_shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a folder's weights, read from the file's header."""
    with _open_weights(folder) as file:
        names = file.keys()
        return {name: tuple(file.get_slice(name).get_shape()) for name in names}


@contextmanager
def _open_weights(folder: Path) -> Iterator[Any]:
    file = folder / WEIGHTS
    reject_special_file(file)
    try:
        with safe_open(file, framework="pt") as opened:
            yield opened
    except FileNotFoundError:
        pickles = sorted(pickle.name for pickle in folder.glob("pytorch_model*.bin"))
        why = f" ({pickles[0]} is a pickle, which may execute code)" if pickles else ""
        raise InputError(f"{folder} has no weights: {WEIGHTS} is missing{why}.") from None
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
    """Return the tensors of a folder's model.safetensors.

    Raises:
        InputError: the file is missing or damaged.
    """
    with _open_weights(folder) as file:
        names = file.keys()
        return {name: file.get_tensor(name) for name in names}


def load_state(module: torch.nn.Module, weights: dict[str, Tensor], folder: Path) -> None:
    """Load weights into a module.

    Raises:
        InputError: names or shapes do not match the module; the message names the first mismatch.
    """
    expected = module.state_dict()
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
        values = json.loads(read_untrusted(file, MAX_SETTINGS_BYTES).decode())
    except OSError:
        raise InputError(f"{folder} has no model: config.json is missing.") from None
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


def _from_gpt2(values: dict[str, Any], file: Path) -> ModelConfig:
    for key, accepted in GPT2_FIXED.items():
        if values.get(key, accepted[0]) not in accepted:
            raise InputError(
                f"{file}: {key}={values[key]!r} is not supported; it must be {accepted[0]!r}."
            )
    return ModelConfig(
        n_layer=values["n_layer"],
        n_head=values["n_head"],
        n_embd=values["n_embd"],
        block_size=values["n_positions"],
        vocab_size=values["vocab_size"],
        dropout=values.get("resid_pdrop", 0.0),
        **GPT2_ARCHITECTURE,
    )


def _gpt2_config(config: ModelConfig) -> dict[str, Any]:
    return {
        "model_type": "gpt2",
        "architectures": ["GPT2LMHeadModel"],
        "activation_function": "gelu_new",
        "n_layer": config.n_layer,
        "n_head": config.n_head,
        "n_embd": config.n_embd,
        "n_positions": config.block_size,
        "vocab_size": config.vocab_size,
        "resid_pdrop": config.dropout,
        "embd_pdrop": config.dropout,
        "attn_pdrop": config.dropout,
        "layer_norm_epsilon": 1e-5,
        "tie_word_embeddings": True,
        "bos_token_id": 0,  # the end token also begins a text: see corpus.tokens.tokenizer
        "eos_token_id": 0,
    }
