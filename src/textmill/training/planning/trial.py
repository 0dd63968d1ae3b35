"""A training on random tokens, to measure its speed."""

from __future__ import annotations

import torch
from torch import Tensor

from textmill.config import ModelConfig, PretrainConfig
from textmill.model import GPT, choose_device
from textmill.training.objectives import Batch, objective_losses, prepare
from textmill.training.optimization.optimizers import make_optimizer


class Trial:
    """A network that is trained on one batch of random tokens.

    Args:
        model: architecture and shape, vocab_size included.
        config: batch, precision, objective and optimizer.

    Raises:
        InputError: the machine lacks the device.
    """

    def __init__(self, model: ModelConfig, config: PretrainConfig) -> None:
        torch.manual_seed(config.seed)
        self.config = config
        self.device = choose_device(config.accelerator, "pretrain")
        self.network = GPT(model).to(self.device).train()
        self.network.activation_checkpointing = config.activation_checkpointing
        self._optimizer = make_optimizer(self.network, config)
        self._batch = _random_batch(model, config, self.device)

    def accumulate(self) -> None:
        """Add the gradient of one micro-batch."""
        is_bf16 = self.config.precision == "bf16"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=is_bf16):
            loss = objective_losses(self.network, self._batch, self.config)["loss"]
        torch.autograd.backward(loss)

    def update(self) -> None:
        """Clip the gradient and step the optimizer; waits for a GPU."""
        parameters = self.network.parameters()
        torch.nn.utils.clip_grad_norm_(parameters, self.config.gradient_clip).item()
        self._optimizer.step()
        self._optimizer.zero_grad()

    def wait(self) -> None:
        """Wait until a GPU has computed everything."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def step(self) -> None:
        """Take an optimizer step."""
        for _ in range(self.config.accumulate):
            self.accumulate()
        self.update()


def _random_batch(model: ModelConfig, config: PretrainConfig, device: torch.device) -> Batch:
    assert model.vocab_size is not None
    shape = config.micro_batch_size, model.block_size + 1
    ids = torch.randint(model.vocab_size, shape, device=device)
    mask: Tensor = torch.ones_like(ids[:, 1:], dtype=torch.bool)
    blocks = {
        "input_ids": ids[:, :-1],
        "targets": ids[:, 1:],
        "documents": torch.zeros_like(ids[:, 1:], dtype=torch.int32),
        "loss_mask": mask,
    }
    return prepare(blocks, config, model.vocab_size)
