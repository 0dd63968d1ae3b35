"""A family of models: how its config.json and its weights correspond to a GPT's."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor

from textmill.config import ModelConfig, RotaryScaling
from textmill.errors import InputError, listed

CONSTANTS = re.compile(r"\.(attn|attention)\.(bias|masked_bias)$|rotary_emb\.inv_freq$")
"""Names of tensors in early files that are no weights: masks and angles."""
OUTPUT = "lm_head"
LAYER = re.compile(r"h\.(\d+)\.(.+)")
ROTARY_KINDS = ("default", "linear", "llama3")


@dataclass(frozen=True)
class Family:
    """A family of models in the Hugging Face layout.

    The names of weights are those of modules: `weight` or `bias` follows.
    """

    model_type: str
    """Of config.json."""
    architecture: str
    """Class of its language model in `transformers`."""
    read: Callable[[Fields], dict[str, Any]]
    """Returns the settings of a model from its config.json, without the defaults."""
    write: Callable[[ModelConfig], dict[str, Any]]
    """Returns the settings in config.json of a model, if it fits."""
    prefix: str
    """Of the names of all weights but the output layer's; missing in files of the model without
    its output layer."""
    outer: Mapping[str, str]
    """Names of the modules outside of layers, by those of the GPT."""
    layers: str
    """Name of the list of layers."""
    inner: Mapping[str, Sequence[str]]
    """Names of a layer's modules, by those of the GPT: if there are several, its weight is theirs,
    one below the other."""
    sizes: Callable[[str, ModelConfig], Sequence[int]] = field(default=lambda name, config: ())
    """Returns the rows of each of several modules that are one of the GPT's."""
    from_theirs: Callable[[str, Tensor, ModelConfig], Tensor] = field(
        default=lambda name, tensor, config: tensor
    )
    """Returns a weight of the GPT, with this name in a layer, from one with the same values."""
    to_theirs: Callable[[str, Tensor, ModelConfig], Tensor] = field(
        default=lambda name, tensor, config: tensor
    )
    """The inverse."""

    def read_config(self, values: Mapping[str, Any], file: Path) -> ModelConfig:
        """Return the configuration in a config.json.

        Raises:
            InputError: a setting has a value that the GPT does not support.
            KeyError: a setting is missing.
            ValidationError: a setting is invalid.
        """
        return ModelConfig.model_validate(self.read(Fields(values, file)))

    def fits(self, config: ModelConfig) -> bool:
        """Return whether a model can be saved as one of this family."""
        try:
            again = self.read_config(self.write(config), Path("config.json"))
        except ValidationError:  # it needs a setting that the family does not have
            return False
        return again.explicit() == config.explicit()

    def write_config(self, config: ModelConfig) -> dict[str, Any]:
        """Return the config.json of a model that fits."""
        return {
            "model_type": self.model_type,
            "architectures": [self.architecture],
            **self.write(config),
            "bos_token_id": 0,  # the end token also begins a text: see corpus.tokens.tokenizer
            "eos_token_id": 0,
        }

    def is_part(self, name: str) -> bool:
        """Return whether a weight is one of several that are one of the GPT's."""
        module = name.removeprefix(self.prefix).rpartition(".")[0]
        several = (theirs for theirs in self.inner.values() if len(theirs) > 1)
        return module.endswith(tuple(f".{one}" for theirs in several for one in theirs))

    def imported(self, weights: Mapping[str, Tensor], config: ModelConfig) -> dict[str, Tensor]:
        """Return weights under the names of the GPT; unknown ones keep theirs.

        Raises:
            ValueError: one of several modules that are one of the GPT's is missing, or a shape does
                not match.
        """
        ours = {theirs: ours for ours, theirs in self.outer.items()}
        parts = {
            theirs: (ours, number)
            for ours, several in self.inner.items()
            for number, theirs in enumerate(several)
        }
        in_layer = re.compile(rf"{self.layers}\.([^.]+)\.(.+)")
        found: dict[tuple[str, str, str], dict[int, Tensor]] = {}
        result: dict[str, Tensor] = {}
        for name, tensor in weights.items():
            if CONSTANTS.search(name):
                continue
            module, _, kind = name.removeprefix(self.prefix).rpartition(".")
            match = in_layer.fullmatch(module)
            if match is not None and match[2] in parts:
                target, part = parts[match[2]]
                found.setdefault((match[1], target, kind), {})[part] = tensor
            else:
                result[f"{ours[module]}.{kind}" if module in ours else name] = tensor
        for (number, module, kind), tensors in found.items():
            for part, theirs in enumerate(self.inner[module]):
                if part not in tensors:
                    missing = f"{self.prefix}{self.layers}.{number}.{theirs}.{kind}"
                    raise ValueError(f"{missing} is missing")
            name = f"{module}.{kind}"
            try:
                joined = [tensors[part] for part in sorted(tensors)]
                one = joined[0] if len(joined) == 1 else torch.cat(joined)
                result[f"h.{number}.{name}"] = self.from_theirs(name, one, config)
            except RuntimeError:
                shapes = ", ".join(str(tuple(tensor.shape)) for tensor in tensors.values())
                raise ValueError(f"h.{number}.{name} has the shape {shapes}") from None
        return result

    def exported(self, weights: Mapping[str, Tensor], config: ModelConfig) -> dict[str, Tensor]:
        """Return the weights of a GPT that fits under the names of the family."""
        result: dict[str, Tensor] = {}
        for name, tensor in weights.items():
            outside, _, kind = name.rpartition(".")
            match = LAYER.fullmatch(name)
            if match is None:
                theirs = self.outer[outside]
                prefix = self.prefix if outside != OUTPUT else ""
                result[f"{prefix}{theirs}.{kind}"] = tensor
                continue
            module = match[2].rpartition(".")[0]
            tensor = self.to_theirs(match[2], tensor, config)
            several = self.inner[module]
            sizes = self.sizes(module, config) if len(several) > 1 else [len(tensor)]
            for theirs, part in zip(several, torch.split(tensor, list(sizes)), strict=True):
                result[f"{self.prefix}{self.layers}.{match[1]}.{theirs}.{kind}"] = part
        return result


class Fields:
    """The settings in a config.json.

    Args:
        values: the settings.
        file: the config.json.
    """

    def __init__(self, values: Mapping[str, Any], file: Path) -> None:
        self.values, self.file = values, file

    def __getitem__(self, key: str) -> Any:
        return self.values[key]

    def get(self, key: str, default: Any = None) -> Any:
        """Return a setting, or the default of the family if it is missing."""
        return self.values.get(key, default)

    def require(self, accepted: Mapping[str, Sequence[Any]]) -> None:
        """Raise InputError if a setting has a value that the GPT does not support.

        Args:
            accepted: the supported values of settings, the default of the family first.

        Raises:
            InputError: a setting has another value.
        """
        for key, supported in accepted.items():
            if (value := self.values.get(key, supported[0])) not in supported:
                raise InputError(
                    f"{self.file}: {key}={value!r} is not supported; it must be "
                    f"{' or '.join(repr(one) for one in supported)}."
                )

    def rotary(self, base: float, share: float = 1.0) -> dict[str, Any]:
        """Return the settings of rotary positions.

        They stand in `rope_parameters`, or in `rope_theta` and `rope_scaling` in files of
        `transformers` before version 5.

        Args:
            base: default of the wavelengths' base.
            share: default of the share of channels that are rotated.

        Raises:
            InputError: the kind of scaling is not supported.
        """
        values = self.get("rope_parameters") or self.get("rope_scaling") or {}
        kind = values.get("rope_type", values.get("type", "default"))
        if kind not in ROTARY_KINDS:
            raise InputError(
                f"{self.file}: rope_type={kind!r} is not supported; it must be one of "
                f"{listed(ROTARY_KINDS)}."
            )
        scaling = {} if kind == "default" else {"kind": kind, "factor": values["factor"]}
        if kind == "llama3":
            scaling |= {
                "low_turns": values["low_freq_factor"],
                "high_turns": values["high_freq_factor"],
                "original_block_size": values.get(
                    "original_max_position_embeddings", self.get("max_position_embeddings")
                ),
            }
        return {
            "position": "rotary",
            "rotary_base": values.get("rope_theta", base),
            "rotary_share": values.get("partial_rotary_factor", share),
            "rotary_scaling": scaling or None,
        }


def rotary_settings(scaling: RotaryScaling | None) -> dict[str, Any] | None:
    """Return the `rope_scaling` of a config.json."""
    if scaling is None:
        return None
    values: dict[str, Any] = {"rope_type": scaling.kind, "factor": scaling.factor}
    if scaling.kind == "llama3":
        values |= {
            "low_freq_factor": scaling.low_turns,
            "high_freq_factor": scaling.high_turns,
            "original_max_position_embeddings": scaling.original_block_size,
        }
    return values
