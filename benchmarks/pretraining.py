"""Training speed and quality compared with nanoGPT and transformers, on nanoGPT's CPU example.

    python benchmarks/pretraining.py --nanogpt CHECKOUT --text input.txt [NAME ...]

CHECKOUT is a checkout of karpathy/nanoGPT, the text is tiny Shakespeare. Without names, all
measurements are taken. Peers run alternately in the same process.

    step          a training step in a bare loop: nanoGPT, transformers, and our model
    loop          our training loop, compared with a bare loop over the same model
    shakespeare   loss on the whole validation split and wall time, compared with nanoGPT's script
    checkpoints   the cost of saving checkpoints
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import pickle
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
import torch.nn.functional as F
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from torch import Tensor, nn

from textmill import model as layout
from textmill.config import ModelConfig, PretrainConfig, PretrainStepConfig
from textmill.corpus.tokens.token_shards import DOCUMENTS, write_shards
from textmill.corpus.tokens.tokenizer import SPECIAL_TOKENS
from textmill.hardware import best_precision
from textmill.model import GPT
from textmill.training.parallel.devices import onednn_matmul
from textmill.training.pretrain import pretrain

BLOCK_SIZE, BATCH_SIZE, VOCAB_SIZE = 64, 12, 65
SHAPE: dict[str, Any] = {"n_layer": 4, "n_head": 4, "n_embd": 128, "block_size": BLOCK_SIZE}
GPT2: dict[str, Any] = {
    "position": "learned", "activation": "gelu", "norm": "layer", "qk_norm": False, "bias": False,
}  # fmt: skip
ROUNDS, STEPS = 5, 50
TURNS = 200  # of single steps: alternating so often, all peers see the same machine load
NANOGPT_STEPS = 2000
NANOGPT_SETTINGS = [
    "config/train_shakespeare_char.py", "--device=cpu", "--compile=False", "--eval_iters=20",
    "--log_interval=10", f"--block_size={BLOCK_SIZE}", f"--batch_size={BATCH_SIZE}", "--n_layer=4",
    "--n_head=4", "--n_embd=128", f"--max_iters={NANOGPT_STEPS}",
    f"--lr_decay_iters={NANOGPT_STEPS}", "--dropout=0.0",
]  # fmt: skip
"""The settings in its README for a CPU."""
RECIPE: dict[str, Any] = {
    "optimizer": "muon", "learning_rate": 0.004, "schedule": "warmup_stable_decay",
    "final_learning_rate_share": 0.0, "decay_share": 0.8, "warmup_steps": 10, "weight_decay": 0.0,
    "sample_tokens": 0, "validation_blocks": 10_000, "log_every_steps": 50,
    "checkpoint_every_steps": 10_000,
}  # fmt: skip


class Peers:
    """The inputs of the measurements: the checkout, the text, and a folder for our own files."""

    def __init__(self, nanogpt: Path, text: Path, folder: Path) -> None:
        self.nanogpt, self.folder = nanogpt, folder
        characters = text.read_text(encoding="utf-8")
        self.alphabet = sorted(set(characters))
        numbers = {character: number for number, character in enumerate(self.alphabet)}
        ids = np.array([numbers[character] for character in characters], np.uint16)
        n_train = int(0.9 * len(ids))  # as nanoGPT splits it
        self.train, self.validation = ids[:n_train], ids[n_train:]

    @cache  # noqa: B019  # one of it lives as long as the program
    def nanogpt_model(self) -> Any:
        """Return the module of nanoGPT's model."""
        sys.path.insert(0, str(self.nanogpt))
        return importlib.import_module("model")

    @cache  # noqa: B019
    def inputs(self) -> dict[str, Path]:
        """Return output folders of the steps `tokens` and `tokenizer` for the text by character."""
        tokens, tokenizer = self.folder / "tokens", self.folder / "tokenizer"
        first = len(SPECIAL_TOKENS)
        index: dict[str, Any] = {"vocab_size": first + len(self.alphabet), "dtype": "uint16"}
        for split, ids in (("train", self.train), ("validation", self.validation)):
            (tokens / split).mkdir(parents=True)
            write_shards(tokens / split, [(ids + first).tolist()], np.dtype(np.uint16))
            about = {"doc_id": ["shakespeare"], "source": ["shakespeare"], "language": ["en"]}
            pq.write_table(pa.table(about), tokens / split / DOCUMENTS)
            index[split] = {"documents": 1, "tokens": len(ids), "bytes": len(ids)}
        (tokens / "index.json").write_text(json.dumps(index))
        tokenizer.mkdir()
        words = {word: number for number, word in enumerate((*SPECIAL_TOKENS, *self.alphabet))}
        by_character = Tokenizer(models.WordLevel(words, unk_token=SPECIAL_TOKENS[1]))
        by_character.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
        by_character.decoder = decoders.Fuse()
        by_character.save(str(tokenizer / "tokenizer.json"))
        (tokenizer / "tokenizer_config.json").write_text("{}")
        return {"tokens": tokens, "tokenizer": tokenizer}


def steps(
    network: nn.Module, loss: Callable[[Tensor, Tensor], Tensor], is_bf16: bool = False
) -> Iterator[None]:
    """Train a network on random tokens; each `next` is one step."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, betas=(0.9, 0.99), fused=True)
    ids = torch.randint(VOCAB_SIZE, (BATCH_SIZE, BLOCK_SIZE + 1))
    while True:
        with torch.autocast("cpu", torch.bfloat16, enabled=is_bf16):
            value = loss(ids[:, :-1].contiguous(), ids[:, 1:].contiguous())
        value.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        yield


def ours(**choices: Any) -> GPT:
    """Return our model in nanoGPT's shape."""
    return GPT(ModelConfig(**SHAPE, vocab_size=VOCAB_SIZE, **choices))


def our_loss(network: GPT) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the next-token loss of our model."""
    return lambda x, y: F.cross_entropy(network(x).flatten(0, 1).float(), y.flatten())


def step(peers: Peers) -> None:
    """Print tokens per second of bare training steps, alternating between peers."""
    from transformers import GPT2Config, GPT2LMHeadModel

    nano = peers.nanogpt_model()
    nanogpt = nano.GPT(nano.GPTConfig(**SHAPE, vocab_size=VOCAB_SIZE, dropout=0.0, bias=False))
    config = GPT2Config(
        n_layer=4, n_head=4, n_embd=128, n_positions=BLOCK_SIZE, vocab_size=VOCAB_SIZE,
        resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
    )  # fmt: skip
    hugging = GPT2LMHeadModel(config)
    same, modern = ours(**GPT2), ours()
    is_bf16 = best_precision("cpu") == "bf16"
    runs = {
        "nanoGPT": steps(nanogpt, lambda x, y: nanogpt(x, y)[1]),
        "transformers GPT-2": steps(
            hugging, lambda x, y: F.cross_entropy(hugging(x).logits.flatten(0, 1), y.flatten())
        ),
        "ours, GPT-2 architecture, fp32": steps(same, our_loss(same)),
        "ours, modern, fp32": steps(ours_32 := ours(), our_loss(ours_32)),
        f"ours, modern, {'bf16' if is_bf16 else 'fp32 (no bf16 here)'}": steps(
            modern, our_loss(modern), is_bf16
        ),
    }
    calls = {
        name: partial(ours_next if name.startswith("ours") else next, run)
        for name, run in runs.items()
    }
    seconds = take_turns(calls, TURNS)
    for name, value in seconds.items():
        speed = BATCH_SIZE * BLOCK_SIZE / value
        print(f"{name:<40}{speed:9.0f} tokens/s  {seconds['nanoGPT'] / value:5.2f} x nanoGPT")


def ours_next(run: Iterator[None]) -> None:
    """Take a step with the matmul settings of our training loop."""
    with onednn_matmul("cpu"):
        next(run)


def take_turns(calls: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Return the median time of each call in seconds, after a warm-up."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(rounds + 1):
        for name, call in calls.items():
            started_s = time.perf_counter()
            call()
            if number:
                times[name].append(time.perf_counter() - started_s)
    return {name: median(values) for name, values in times.items()}


def train(peers: Peers, model: dict[str, Any], **choices: Any) -> tuple[Path, float]:
    """Pretrain on Shakespeare; return the backbone's folder and the wall time in seconds."""
    device = {"accelerator": "cpu", "precision": best_precision("cpu")}
    config = PretrainStepConfig(
        model=ModelConfig.model_validate(model),
        pretrain=PretrainConfig.model_validate(RECIPE | device | choices),
    )
    inputs = peers.inputs()
    out = Path(tempfile.mkdtemp(dir=peers.folder))
    work = Path(tempfile.mkdtemp(dir=peers.folder))
    started_s = time.perf_counter()
    pretrain(config, inputs, out, work)
    return out, time.perf_counter() - started_s


def loop(peers: Peers) -> None:
    """Print the overhead of Lightning, logging and data over a bare loop on the same model."""
    n_steps = 4 * STEPS
    network = GPT(ModelConfig(**SHAPE, vocab_size=len(SPECIAL_TOKENS) + VOCAB_SIZE))
    is_bf16 = best_precision("cpu") == "bf16"
    bare = steps(network, our_loss(network), is_bf16)
    every = {
        "optimizer": "adamw", "learning_rate": 1e-3, "micro_batch_size": BATCH_SIZE,
        "validation_blocks": 1, "validate_every_steps": 10_000, "log_every_steps": 10,
    }  # fmt: skip

    def bare_run() -> None:
        for _ in range(n_steps):
            next(bare)

    short, long = (
        partial(train, peers, SHAPE, max_steps=count, **every) for count in (STEPS, STEPS + n_steps)
    )
    seconds = take_turns({"bare": bare_run, "short": short, "long": long}, ROUNDS)
    ours_s = seconds["long"] - seconds["short"]
    print(f"bare loop                     {seconds['bare'] / n_steps * 1000:8.2f} ms per step")
    print(f"our training loop             {ours_s / n_steps * 1000:8.2f} ms per step")
    print(f"Lightning, logging and data   {ours_s / seconds['bare'] - 1:8.1%}")


def shakespeare(peers: Peers) -> None:
    """Print validation loss and wall time of nanoGPT's own script and of our pretraining."""
    nanogpt_loss, nanogpt_s = run_nanogpt(peers)
    print(f"nanoGPT's own script          loss {nanogpt_loss:.4f}  {nanogpt_s:6.1f} s")
    for what, model, choices in (
        ("ours, equal loss", SHAPE, {"max_steps": 310, "micro_batch_size": BATCH_SIZE}),
        ("ours, equal time", SHAPE | {"block_size": 128},
         {"max_steps": 1250, "micro_batch_size": 16}),
    ):  # fmt: skip
        out, seconds = train(peers, model, validate_every_steps=10_000, **choices)
        network = layout.load(out)
        loss = validation_loss(
            lambda ids, network=network: network(ids + len(SPECIAL_TOKENS))[
                ..., len(SPECIAL_TOKENS) :
            ],
            peers.validation, network.config.block_size,
        )  # fmt: skip
        share = seconds / nanogpt_s
        print(f"{what:<30}loss {loss:.4f}  {seconds:6.1f} s  {share:.2f} x its time")


def run_nanogpt(peers: Peers) -> tuple[float, float]:
    """Run nanoGPT's own training script; return its validation loss and wall time in seconds."""
    data, out = peers.nanogpt / "data" / "shakespeare_char", peers.folder / "nanogpt"
    peers.train.tofile(data / "train.bin")
    peers.validation.tofile(data / "val.bin")
    (data / "meta.pkl").write_bytes(pickle.dumps({"vocab_size": len(peers.alphabet)}))
    started_s = time.perf_counter()
    subprocess.run(
        [sys.executable, "train.py", *NANOGPT_SETTINGS, f"--out_dir={out}",
         "--always_save_checkpoint=True"],
        cwd=peers.nanogpt, env=os.environ, check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    seconds = time.perf_counter() - started_s
    nano = peers.nanogpt_model()
    saved = torch.load(out / "ckpt.pt", weights_only=False)
    network = nano.GPT(nano.GPTConfig(**saved["model_args"]))
    network.load_state_dict(saved["model"])

    def logits(ids: Tensor) -> Tensor:
        found: Tensor = network.eval()(ids, ids)[0]  # with targets, it returns all positions
        return found

    return validation_loss(logits, peers.validation, BLOCK_SIZE), seconds


@torch.inference_mode()
def validation_loss(
    logits: Callable[[Tensor], Tensor], ids: np.ndarray[Any, Any], block_size: int
) -> float:
    """Return the loss in nats per character over a whole split, in consecutive blocks."""
    n_blocks = (len(ids) - 1) // block_size
    stream = torch.from_numpy(ids.astype(np.int64))
    inputs = stream[: n_blocks * block_size].view(n_blocks, block_size)
    targets = stream[1 : n_blocks * block_size + 1].view(n_blocks, block_size)
    total = 0.0
    for x, y in zip(inputs.split(128), targets.split(128), strict=True):
        total += F.cross_entropy(logits(x).flatten(0, 1), y.flatten(), reduction="sum").item()
    return total / targets.numel()


def checkpoints(peers: Peers) -> None:
    """Print the cost of saving every 500 steps, for the model of the benchmark configuration."""
    from textmill.compose import compose  # a GPU machine may not have Hydra installed

    model = compose("demo", ["model=modern-5m"]).model.model_dump(exclude_none=True)
    every = {
        "micro_batch_size": 32, "max_steps": 12, "validation_blocks": 1,
        "validate_every_steps": 10_000,
    }  # fmt: skip
    _, without_s = train(peers, model, **every)
    _, with_s = train(peers, model, **every, checkpoint_every_steps=4)
    _, longer_s = train(peers, model, **every | {"max_steps": 24})
    save_s, step_s = (with_s - without_s) / 2, (longer_s - without_s) / 12
    print(f"a checkpoint                  {save_s * 1000:8.0f} ms")
    print(f"share of 500 steps            {save_s / (500 * step_s):8.2%}")


MEASUREMENTS = (step, loop, shakespeare, checkpoints)


def main(
    description: str | None, measurements: Sequence[Callable[[Peers], None]] = MEASUREMENTS
) -> None:
    """Take the measurements named on the command line, or all."""
    parser = argparse.ArgumentParser(description=description and description.splitlines()[0])
    parser.add_argument("--nanogpt", type=Path, required=True, help="checkout of karpathy/nanoGPT")
    parser.add_argument("--text", type=Path, required=True, help="tiny Shakespeare, input.txt")
    parser.add_argument("names", nargs="*", choices=[[], *(m.__name__ for m in measurements)])
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        peers = Peers(given.nanogpt.resolve(), given.text, Path(folder))
        for measure in measurements:
            if not given.names or measure.__name__ in given.names:
                measure(peers)


if __name__ == "__main__":
    main(__doc__)
