"""Specifies what is said of a device that is not there, or cannot do what is asked for."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from textmill.config import PretrainConfig
from textmill.errors import InputError
from textmill.training.parallel.devices import check_compiler, check_device, onednn_matmul


def check(devices: int = 1, **choices: Any) -> None:
    check_device("pretrain", PretrainConfig.model_validate(choices), devices)


@pytest.fixture
def two_old_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """What torch says of them, so far as it is asked."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: False)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Tesla V100")


@pytest.mark.usefixtures("two_old_gpus")
@pytest.mark.parametrize(
    ("devices", "precision", "message"),
    [
        (3, "32", r"^pretrain\.devices=3: torch finds only 2 CUDA GPUs; set it to 2 or less"),
        (1, "bf16", r"^pretrain\.precision=bf16: Tesla V100 does not support bf16; set it to 32"),
    ],
)
def test_what_the_gpus_cannot_do_is_an_error(devices: int, precision: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check(devices, accelerator="cuda", precision=precision)


@pytest.mark.usefixtures("two_old_gpus")
def test_what_they_can_do_is_none() -> None:
    check(2, accelerator="cuda", precision="32")
    check(9, accelerator="cpu", precision="bf16")


# Of torch, when it compiles.
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_compiler_that_is_not_there_is_an_error() -> None:
    import torch._inductor.config as inductor

    torch._dynamo.reset()
    nowhere = {"cpp.cxx": ("no-such-compiler",), "force_disable_caches": True}
    with (
        inductor.patch(nowhere),
        pytest.raises(
            InputError, match=r"^pretrain\.compile=true: .*\(.*compiler.*\); install a C\+\+"
        ),
    ):
        check_compiler("pretrain", "cpu")
    torch._dynamo.reset()


def test_products_of_fp32_stay_exact_whoever_multiplies_them() -> None:
    a, b = torch.randn(2, 300, 300, generator=torch.Generator().manual_seed(1))
    exact = a.double() @ b.double()
    with onednn_matmul("cpu"):
        product = a @ b
    assert (product - exact).norm() / exact.norm() < 1e-6


def test_a_permission_to_round_is_not_given_where_it_is_made_use_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("textmill.training.parallel.devices._onednn_error", lambda: 3e-3)
    with onednn_matmul("cpu"):
        assert torch.get_float32_matmul_precision() == "highest"


def test_nothing_but_a_cpu_is_given_it() -> None:
    with onednn_matmul("cuda"):
        assert torch.get_float32_matmul_precision() == "highest"


def test_what_multiplies_is_as_before_afterwards() -> None:
    with onednn_matmul("cpu"):
        pass
    assert torch.get_float32_matmul_precision() == "highest"
