"""Specifies checkpoints: state comes back, damage is noticed, nothing is pickled."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from textmill.files import digest_file
from textmill.training import checkpoint
from textmill.training.checkpoint import (
    FolderCheckpointIO,
    checkpoint_folder,
    is_intact,
    keep_newest,
    newest_checkpoint,
    pack_state,
    random_state,
    restore_random_state,
    unpack_state,
)

STATES: dict[str, Any] = {
    "plain": {"a": 1, "b": 2.5, "c": "text ünd 字", "d": None, "e": True, "f": [1, [2]]},
    "int keys": {0: {"step": 3}, 1: {"step": 4}, "1": "another"},
    "tuples": {"betas": (0.9, 0.95), "nested": [(1, (2,)), []], "empty": ()},
    "bools stay bools": {"yes": True, "one": 1, "no": False, "zero": 0},
    "names of the forms": {"tensor": "0", "dict": [], "tuple": [1]},
    "infinite": {"best": float("inf"), "worst": -float("inf"), "exact": 0.1 + 0.2},
    "tensors": {"w": torch.arange(6.0).view(2, 3), 5: [torch.tensor(7), (torch.zeros(0),)]},
    "dtypes": [
        torch.tensor([1.5], dtype=torch.bfloat16),
        torch.tensor([True]),
        torch.ones(2).byte(),
    ],
}


def same(a: Any, b: Any) -> bool:
    """Whether two states agree in types, values, order of keys, and tensors bit for bit."""
    if type(a) is not type(b):
        return False
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and a.shape == b.shape and torch.equal(a, b)
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b)


def save(work: Path, *steps: int) -> None:
    for step in steps:
        FolderCheckpointIO().save_checkpoint(
            {"step": step, "w": torch.full((3,), float(step))}, checkpoint_folder(work, step)
        )


def names(work: Path) -> list[str]:
    return sorted(folder.name for folder in (work / "checkpoints").iterdir())


@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
def test_packed_state_comes_back_through_json(state: Any) -> None:
    tensors: dict[str, torch.Tensor] = {}
    packed = json.loads(json.dumps(pack_state(state, tensors)))
    assert same(unpack_state(packed, tensors), state)


@pytest.mark.parametrize(
    "value", [{1, 2}, b"bytes", object(), Path("here")], ids=["set", "bytes", "object", "Path"]
)
def test_a_value_without_a_plain_form_is_an_error(value: Any) -> None:
    with pytest.raises(TypeError, match=f"cannot hold {type(value).__name__}"):
        pack_state({"a": [value]}, {})


@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
def test_a_saved_checkpoint_comes_back(tmp_path: Path, state: Any) -> None:
    FolderCheckpointIO().save_checkpoint({"state": state}, tmp_path / "saved")
    assert same(FolderCheckpointIO().load_checkpoint(tmp_path / "saved"), {"state": state})


def test_tied_and_sliced_tensors_are_stored(tmp_path: Path) -> None:
    weight = torch.arange(12.0).view(3, 4)
    state = {"wte": weight, "head": weight, "turned": weight.T, "part": weight[1:, :2]}
    FolderCheckpointIO().save_checkpoint(state, tmp_path / "saved")
    assert same(FolderCheckpointIO().load_checkpoint(tmp_path / "saved"), state)


def test_a_checkpoint_is_safetensors_and_json_alone(tmp_path: Path) -> None:
    save(tmp_path, 4)
    folder = checkpoint_folder(tmp_path, 4)
    files = sorted(file.name for file in folder.iterdir())
    assert files == ["digests.json", "state.json", "tensors.safetensors"]
    assert names(tmp_path) == ["step-00000004"]
    assert json.loads((folder / "state.json").read_text())


def test_saving_again_replaces_a_checkpoint(tmp_path: Path) -> None:
    folder = checkpoint_folder(tmp_path, 1)
    for value in (1, 2):
        FolderCheckpointIO().save_checkpoint({"value": value}, folder)
    assert FolderCheckpointIO().load_checkpoint(folder) == {"value": 2}


@pytest.mark.parametrize("file", ["save_file", "write_json", "sync_folder"])
def test_a_checkpoint_broken_off_while_it_is_written_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise OSError("No space left on device")

    save(tmp_path, 1)
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, file, fail)
        with pytest.raises(OSError, match="No space"):
            save(tmp_path, 2)
    assert newest_checkpoint(tmp_path) == checkpoint_folder(tmp_path, 1)
    save(tmp_path, 2)
    assert names(tmp_path) == ["step-00000001", "step-00000002"]


def test_the_newest_checkpoint_is_that_of_the_highest_step(tmp_path: Path) -> None:
    assert newest_checkpoint(tmp_path) is None
    save(tmp_path, 900, 1000, 20)
    assert newest_checkpoint(tmp_path) == checkpoint_folder(tmp_path, 1000)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "a bit flipped": lambda folder: (folder / "tensors.safetensors").write_bytes(
        (folder / "tensors.safetensors").read_bytes()[:-1] + b"\x01"
    ),
    "tensors cut": lambda folder: (folder / "tensors.safetensors").write_bytes(b""),
    "tensors gone": lambda folder: (folder / "tensors.safetensors").unlink(),
    "state changed": lambda folder: (folder / "state.json").write_text("{}"),
    "digests gone": lambda folder: (folder / "digests.json").unlink(),
    "digests empty": lambda folder: (folder / "digests.json").write_text(""),
    "digests cut": lambda folder: (folder / "digests.json").write_text('{"state.json": "'),
    "digests are no text": lambda folder: (folder / "digests.json").write_bytes(b"\xff\xfe\x00"),
    "no digests in it": lambda folder: (folder / "digests.json").write_text("{}"),
    "digests in a list": lambda folder: (folder / "digests.json").write_text("[]"),
    "digests of one file": lambda folder: (folder / "digests.json").write_text(
        json.dumps({"state.json": digest_file(folder / "state.json")})
    ),
    "digests are deep": lambda folder: (folder / "digests.json").write_text("[" * 100_000),
    "digests are zeros": lambda folder: (folder / "digests.json").write_bytes(bytes(100)),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(
    tmp_path: Path, damage: Callable[[Path], object]
) -> None:
    save(tmp_path, 1, 2)
    damage(checkpoint_folder(tmp_path, 2))
    assert not is_intact(checkpoint_folder(tmp_path, 2))
    assert newest_checkpoint(tmp_path) == checkpoint_folder(tmp_path, 1)


@pytest.mark.parametrize(("number", "kept"), [(1, [3]), (2, [2, 3]), (5, [1, 2, 3])])
def test_the_newest_are_kept(tmp_path: Path, number: int, kept: list[int]) -> None:
    save(tmp_path, 1, 2, 3)
    keep_newest(tmp_path, number)
    assert names(tmp_path) == [f"step-{step:08}" for step in kept]


def test_a_checkpoint_can_be_removed(tmp_path: Path) -> None:
    save(tmp_path, 1, 2)
    FolderCheckpointIO().remove_checkpoint(checkpoint_folder(tmp_path, 1))
    assert names(tmp_path) == ["step-00000002"]


def test_restored_random_state_repeats_the_draws() -> None:
    states = random_state()
    first = torch.rand(5)
    restore_random_state(states)
    assert torch.equal(torch.rand(5), first)
