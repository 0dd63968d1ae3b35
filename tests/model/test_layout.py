"""Specifies backbones on disk: what is written, who can read it, how damage is reported."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel, GPT2Model

from textmill.config import ModelConfig
from textmill.errors import InputError
from textmill.model.families.gpt2 import ARCHITECTURE as GPT2_ARCHITECTURE
from textmill.model.gpt import GPT
from textmill.model.layout import load, read_config, save

SHAPE = dict(
    n_layer=2, n_head=2, n_embd=16, block_size=12, vocab_size=23, activation="relu_squared"
)
ARRANGEMENTS: dict[str, dict[str, Any]] = {
    "gpt2": GPT2_ARCHITECTURE | {"dropout": 0.1},
    "untied gpt2": GPT2_ARCHITECTURE | {"tie_embeddings": False},
    "modern": {},
    "llama": {"activation": "swiglu", "tie_embeddings": False, "qk_norm": False},
    "sinusoidal": {"position": "sinusoidal", "norm": "layer", "norm_placement": "post"},
}
INPUT_IDS = torch.tensor([[1, 5, 22, 0, 7, 7, 3], [0, 2, 4, 6, 8, 10, 12]])


def build(**choices: Any) -> GPT:
    torch.manual_seed(0)
    model = GPT(ModelConfig.model_validate(SHAPE | choices)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.2)
    return model


def foreign(**settings: Any) -> GPT2LMHeadModel:
    torch.manual_seed(0)
    shape = dict(n_layer=2, n_head=2, n_embd=16, n_positions=12, vocab_size=23)
    tokens = dict(bos_token_id=0, eos_token_id=0)
    return GPT2LMHeadModel(GPT2Config(**shape, **tokens, **settings)).eval()


def edit_config(folder: Path, **settings: Any) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | settings))


def edit_weights(folder: Path, change: Callable[[dict[str, Tensor]], object]) -> None:
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors")


@pytest.mark.parametrize("choices", ARRANGEMENTS.values(), ids=ARRANGEMENTS)
def test_a_model_comes_back_bit_for_bit(tmp_path: Path, choices: dict[str, Any]) -> None:
    model = build(**choices)
    save(model, tmp_path)
    again = load(tmp_path)
    assert again.config.explicit() == model.config.explicit()
    assert not again.training
    assert list(again.state_dict()) == list(model.state_dict())
    for name, tensor in model.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor), name
    assert torch.equal(again(INPUT_IDS), model(INPUT_IDS))
    assert (again.lm_head.weight is again.wte.weight) == model.config.tie_embeddings


@pytest.mark.parametrize("choices", ARRANGEMENTS.values(), ids=ARRANGEMENTS)
def test_two_files_are_written_and_none_is_a_pickle(
    tmp_path: Path, choices: dict[str, Any]
) -> None:
    save(build(**choices), tmp_path)
    assert sorted(f.name for f in tmp_path.iterdir()) == ["config.json", "model.safetensors"]
    assert load_file(tmp_path / "model.safetensors")


def test_the_same_model_is_written_as_the_same_bytes(tmp_path: Path) -> None:
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
        save(build(), folder)
    for name in ("config.json", "model.safetensors"):
        first, second = [(folder / name).read_bytes() for folder in folders]
        assert first == second


@torch.no_grad()
def test_a_gpt2_arrangement_loads_in_transformers_with_its_logits(tmp_path: Path) -> None:
    model = build(**GPT2_ARCHITECTURE)
    save(model, tmp_path)
    other = AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    assert isinstance(other, GPT2LMHeadModel)
    torch.testing.assert_close(other(INPUT_IDS).logits, model(INPUT_IDS), atol=1e-4, rtol=0)
    (tmp_path / "back").mkdir()
    other.save_pretrained(tmp_path / "back")
    assert torch.equal(load(tmp_path / "back")(INPUT_IDS), model(INPUT_IDS))


@torch.no_grad()
def test_a_gpt2_of_transformers_loads_with_its_logits(tmp_path: Path) -> None:
    other = foreign()
    other.save_pretrained(tmp_path)
    model = load(tmp_path)
    torch.testing.assert_close(model(INPUT_IDS), other(INPUT_IDS).logits, atol=1e-4, rtol=0)
    assert model.config.dropout == 0.1


@pytest.mark.parametrize("with_masks", [True, False], ids=["as first released", "as saved today"])
@torch.no_grad()
def test_a_gpt2_without_its_output_layer_loads_with_its_logits(
    tmp_path: Path, with_masks: bool
) -> None:
    other = foreign()
    GPT2Model.save_pretrained(other.transformer, tmp_path)
    masks = {f"h.{i}.attn.bias": torch.ones(1, 1, 12, 12).tril() for i in range(2)}
    edit_weights(tmp_path, lambda weights: weights.update(masks if with_masks else {}))
    expected = other(INPUT_IDS).logits
    torch.testing.assert_close(load(tmp_path)(INPUT_IDS), expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("activation_function", "relu"),
        ("scale_attn_by_inverse_layer_idx", True),
        ("scale_attn_weights", False),
        ("tie_word_embeddings", False),
    ],
)
def test_a_gpt2_that_computes_otherwise_is_refused(
    tmp_path: Path, setting: str, value: object
) -> None:
    foreign(**{setting: value}).save_pretrained(tmp_path)
    with pytest.raises(InputError, match=rf"config\.json: {setting}={value}|{setting}='relu'"):
        load(tmp_path)


def test_dropout_can_be_replaced_on_loading(tmp_path: Path) -> None:
    save(build(dropout=0.1), tmp_path)
    model = load(tmp_path, dropout=0.3)
    assert model.config.dropout == model.h[0].attn.dropout == model.drop.p == 0.3


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "has no model: config.json is missing"),
        ("{", "config.json is damaged"),
        ("", "config.json is damaged"),
        ("[1]", "config.json is damaged"),
        ("{}", "config.json: model_type None is not supported"),
        ('{"model_type": "mamba"}', "'mamba' is not supported; supported types are textmill, gpt2"),
        ('{"model_type": "textmill"}', "config.json is damaged .*textmill"),
        ('{"model_type": "gpt2", "n_layer": 2}', "config.json is damaged .*n_head"),
        ('{"model_type": "textmill", "textmill": {"n_layer": 0}}', "config.json .*n_layer"),
        ('{"model_type": "textmill", "textmill": {"depth": 4}}', "config.json .*depth"),
        ('{"model_type": "textmill", "textmill": 3}', "config.json is not a valid model"),
    ],
)
def test_a_missing_damaged_or_foreign_config_is_named(
    tmp_path: Path, content: str | None, problem: str
) -> None:
    save(build(), tmp_path)
    (tmp_path / "config.json").unlink()
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    with pytest.raises(InputError, match=problem) as caught:
        read_config(tmp_path)
    assert str(tmp_path) in str(caught.value)
    with pytest.raises(InputError, match=problem):
        load(tmp_path)


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere has no model"):
        load(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("pytorch_model.bin", r"is a file, .* give that folder \(a pickle may execute code\)"),
        ("model.safetensors", r"is a file, .* give that folder\."),
    ],
)
def test_a_file_in_place_of_a_folder_is_named_and_not_opened(
    tmp_path: Path, name: str, message: str
) -> None:
    (tmp_path / name).write_bytes(b"cposix\nsystem\n(S'exit'\ntR.")
    with pytest.raises(InputError, match=message):
        load(tmp_path / name)


@pytest.mark.parametrize("size", [0, 5, 100, -1])
def test_truncated_weights_are_named(tmp_path: Path, size: int) -> None:
    save(build(), tmp_path)
    file = tmp_path / "model.safetensors"
    file.write_bytes(file.read_bytes()[:size])
    with pytest.raises(InputError, match="damaged") as caught:
        load(tmp_path)
    assert str(file) in str(caught.value)


def test_missing_weights_are_named(tmp_path: Path) -> None:
    save(build(), tmp_path)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(InputError, match="has no weights: model.safetensors is missing") as caught:
        load(tmp_path)
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        (lambda w: w.pop("wte.weight"), "wte.weight is missing"),
        (lambda w: w.pop("h.1.mlp.c_fc.weight"), "h.1.mlp.c_fc.weight is missing"),
        (lambda w: w.update(extra=torch.ones(1)), "extra is unexpected"),
        (
            lambda w: w.update({"ln_f.weight": torch.ones(8)}),
            r"ln_f.weight has .*\(8,\), not \(16,",
        ),
    ],
    ids=["no embedding", "no layer", "one more", "other shape"],
)
def test_weights_of_another_model_name_the_first_difference(
    tmp_path: Path, change: Callable[[dict[str, Tensor]], object], difference: str
) -> None:
    save(build(), tmp_path)
    edit_weights(tmp_path, change)
    with pytest.raises(
        InputError, match=f"the weights do not match the model: {difference}"
    ) as caught:
        load(tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_a_config_of_another_shape_names_the_first_difference(tmp_path: Path) -> None:
    save(build(**GPT2_ARCHITECTURE), tmp_path)
    edit_config(tmp_path, vocab_size=24)
    with pytest.raises(InputError, match=r"wte.weight has the shape \(23, 16\), not \(24, 16\)"):
        load(tmp_path)


def nested(depth: int) -> str:
    return '{"a":' * depth + "1" + "}" * depth


@pytest.mark.parametrize(
    ("setting", "value", "problem"),
    [
        ("n_layer", 3_000_000, "there are 2 layers, not 3000000"),
        ("n_layer", 10**30, "there are 2 layers"),
        ("vocab_size", 10**12, r"wte.weight has the shape \(23, 16\), not \(1000000000000, 16\)"),
        ("n_embd", 16 * 10**9, "wte.weight has the shape"),
        ("block_size", 10**12, "wpe.weight has the shape|block_size=1000000000000 is too large"),
    ],
)
@pytest.mark.parametrize("choices", [GPT2_ARCHITECTURE, {}, {"position": "sinusoidal"}])
def test_sizes_that_the_weights_do_not_have_are_refused_before_anything_is_made_of_them(
    tmp_path: Path, choices: dict[str, Any], setting: str, value: int, problem: str
) -> None:
    save(build(**choices), tmp_path)
    values = json.loads((tmp_path / "config.json").read_text())
    names = {"block_size": "n_positions"} if "textmill" not in values else {}
    values.get("textmill", values)[names.get(setting, setting)] = value
    (tmp_path / "config.json").write_text(json.dumps(values))
    started_s = time.monotonic()
    with pytest.raises(InputError, match=problem):
        load(tmp_path)
    assert time.monotonic() - started_s < 2


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (nested(100_000), "nested too deeply"),
        ('{"n_layer": 1' + "0" * 5000 + "}", "damaged"),
        ("[" + " " * (5 << 20) + "]", "is larger than 4 MiB"),
        ("\udcff", "damaged"),
    ],
    ids=["deep", "huge number", "large", "no UTF-8"],
)
def test_a_hostile_config_is_refused(tmp_path: Path, content: str, problem: str) -> None:
    save(build(), tmp_path)
    (tmp_path / "config.json").write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(InputError, match=rf"config\.json .*{problem}"):
        load(tmp_path)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_a_pipe_or_a_device_is_not_read(tmp_path: Path, name: str, kind: str) -> None:
    save(build(), tmp_path)
    (tmp_path / name).unlink()
    if kind == "pipe":
        os.mkfifo(tmp_path / name)
    else:
        (tmp_path / name).symlink_to("/dev/zero")
    with pytest.raises(InputError, match=rf"{name} is a (named pipe|device), not a file"):
        load(tmp_path)


@pytest.mark.parametrize(
    "head",
    [
        b"\xff" * 8,
        (1 << 40).to_bytes(8, "little") + b"{}",
        (200_000).to_bytes(8, "little") + b'{"a":' * 40_000,
        (2).to_bytes(8, "little") + b"{}",
        b'\x40\x00\x00\x00\x00\x00\x00\x00{"x":{"dtype":"F32","shape":[9],"data_offsets":[0,9]}}  '
        + b" " * 20,
    ],
    ids=["too long", "longer than the file", "deep", "nothing in it", "offsets"],
)
def test_a_hostile_head_of_weights_is_refused(tmp_path: Path, head: bytes) -> None:
    save(build(), tmp_path)
    (tmp_path / "model.safetensors").write_bytes(head)
    with pytest.raises(InputError, match="damaged|wte.weight is missing"):
        load(tmp_path)


def test_integers_are_no_weights(tmp_path: Path) -> None:
    save(build(), tmp_path)
    edit_weights(tmp_path, lambda w: w.update({"wte.weight": w["wte.weight"].int()}))
    with pytest.raises(
        InputError, match=r"wte.weight has the dtype torch.int32, which is not floating-point"
    ):
        load(tmp_path)
