"""Memory and speed of fine-tuning, and speed of prediction, compared with transformers.

    python benchmarks/finetuning.py --sst2 FOLDER [NAME ...] [--threads N] [--examples N]

FOLDER has train.jsonl, validation.jsonl and test.jsonl of SST-2, with text and label. Without
names, all measurements are taken. Weights are random, and the same for both sides. The Trainer
needs accelerate, which textmill does not install.

    memory       peak memory of a training in full, with LoRA and of the head alone: GPT-2 124M,
                 8 texts of 128 tokens a step, above that of the imports, in a process each
    epoch        an epoch of SST-2 on the GPT-2 architecture with 4 layers, 256 wide, beside the
                 Trainer of transformers: padded to 128 tokens as its example script does, and per
                 batch, also in bf16
    prediction   1,000 texts of mixed lengths beside a text-classification pipeline in batches

Times are those of the whole call, of which only ours includes tokenization. CPU times are those of
all threads, and hardly depend on other programs.
"""

from __future__ import annotations

import argparse
import json
import logging
import multiprocessing
import os
import random
import re
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from tokenizers import Tokenizer

from textmill import model as models
from textmill.config import FinetuneConfig, ModelConfig, TokenizerConfig
from textmill.corpus.tokens.tokenizer import END, END_ID, PAD_ID, load_tokenizer
from textmill.corpus.tokens.vocabulary import train_on
from textmill.hardware import best_precision, n_cores, set_up_torch
from textmill.model import GPT
from textmill.tasks.classification.examples import Example, Spec
from textmill.tasks.classification.settings import ClassificationConfig
from textmill.tasks.ensemble.predictor import Predictor, network_scorer
from textmill.tasks.tuning.best_epoch import Trained, train_network

GPT2: dict[str, Any] = {
    "position": "learned", "activation": "gelu", "norm": "layer", "qk_norm": False, "bias": True,
    "tie_embeddings": True,
}  # fmt: skip
GPT2_124M = ModelConfig(
    n_layer=12, n_head=12, n_embd=768, block_size=1024, vocab_size=50_257, **GPT2
)
N_TOKENS, BATCH_SIZE, STEPS = 128, 8, 10
SMALL: dict[str, Any] = {"n_layer": 4, "n_head": 4, "n_embd": 256, "block_size": 256}
VOCAB_SIZE = 8192
EPOCH_BATCH, PADDED_TOKENS, RATE = 32, 128, 1e-3
N_PREDICTED, PIPELINE_BATCH = 1000, 32


class Data(NamedTuple):
    """The examples of SST-2."""

    train: list[Example]
    validation: list[Example]
    test: list[Example]


class Place(NamedTuple):
    """What a measurement is given."""

    folder: Path
    threads: int
    sst2: Path
    n_examples: int | None

    def data(self) -> Data:
        """Return the examples."""
        splits = (read(self.sst2 / f"{split}.jsonl") for split in Data._fields)
        return Data(*(examples[: self.n_examples] for examples in splits))


def read(file: Path) -> list[Example]:
    """Return the examples of a file."""
    rows = map(json.loads, file.read_text(encoding="utf-8").splitlines())
    return [Example(row["text"], row["label"], f"{file}:{n}") for n, row in enumerate(rows, 1)]


def save_backbone(config: ModelConfig, tokenizer: Tokenizer, folder: Path) -> Path:
    """Return the folder of a backbone with random weights."""
    folder.mkdir()
    torch.manual_seed(0)
    models.save(GPT(config), folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def train(
    backbone: Path, splits: tuple[Sequence[Example], Sequence[Example]], **settings: Any
) -> Trained:
    """Return the network of a training on a backbone."""
    spec = Spec(tuple(sorted({example.label for example in splits[0]})))
    values = {"candidates": ["network"], "accelerator": "cpu", "patience": None, "epochs": 1}
    config = ClassificationConfig(
        kind="classification", name="task", train="train", test="test",
        finetune=FinetuneConfig.model_validate(values | settings),
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as work:
        return train_network(
            config, spec, lambda dropout: models.load(backbone, dropout=dropout),
            load_tokenizer(backbone), splits, {}, Path(work),
        )  # fmt: skip


def memory(place: Place) -> None:
    """Print the peak memory of trainings by method, each in a process of its own."""
    by_byte = train_on(TokenizerConfig(kind="byte", vocab_size=270), iter(()))
    backbone = save_backbone(GPT2_124M, by_byte, place.folder / "gpt2-124m")
    found = {}
    for method in ("full", "lora", "head"):
        # Each process measures itself: what it imports is not counted.
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, context) as process:
            found[method] = process.submit(_peak_mib, backbone, method, place.threads).result()
        share = found[method] / found["full"]
        print(f"memory: {method:<24}{found[method]:8.0f} MiB   {share:5.2f} x full", flush=True)


def _peak_mib(backbone: Path, method: str, threads: int) -> float:
    _be_quiet()
    set_up_torch(threads)
    before = _status_mib("VmRSS")
    texts = [chr(ord("a") + n % 26) * (N_TOKENS - 1) for n in range(BATCH_SIZE * (STEPS + 1))]
    examples = [Example(text, "ab"[n % 2], str(n)) for n, text in enumerate(texts)]
    splits = examples[BATCH_SIZE:], examples[:BATCH_SIZE]
    settings = {"micro_batch_size": BATCH_SIZE, "method": method, "optimizer": "adamw"}
    train(backbone, splits, precision=best_precision("cpu"), **settings)
    return _status_mib("VmHWM") - before


def _status_mib(name: str) -> float:
    """Return a value of this process's memory; the peak of `resource` includes its parent's."""
    status = Path("/proc/self/status").read_text()
    match = re.search(rf"{name}:\s+(\d+) kB", status)
    assert match is not None
    return int(match[1]) / 1024


class Timed(NamedTuple):
    """A result, with the seconds that it took."""

    value: Any
    wall_s: float
    cpu_s: float


def timed(call: Callable[[], Any]) -> Timed:
    """Return the result of a call, with its seconds."""
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    value = call()
    return Timed(value, time.perf_counter() - wall_s, time.process_time() - cpu_s)


def small_backbone(place: Place, data: Data) -> Path:
    """Return the folder of the small GPT-2, with a tokenizer of the training texts."""
    folder = place.folder / "small"
    if not folder.exists():
        config = TokenizerConfig(vocab_size=VOCAB_SIZE)
        tokenizer = train_on(config, (example.text for example in data.train))
        shape = ModelConfig(**SMALL, **GPT2, vocab_size=VOCAB_SIZE)
        save_backbone(shape, tokenizer, folder)
    return folder


def epoch(place: Place) -> None:
    """Print samples per second and accuracy of an epoch, ours and those of the Trainer."""
    data = place.data()
    backbone = small_backbone(place, data)
    precision = best_precision("cpu")
    settings = {"micro_batch_size": EPOCH_BATCH, "learning_rate": RATE, "dropout": 0.0}
    ours = timed(lambda: train(backbone, data[:2], precision=precision, **settings))
    runs = {f"ours, {precision}": (ours, partial(our_accuracy, ours.value.network, backbone, data))}
    for name, is_padded, is_bf16 in (
        ("Trainer, padded to 128", True, False),
        ("Trainer, per batch", False, False),
        *((("Trainer, per batch, bf16", False, True),) if precision == "bf16" else ()),
    ):
        trainer = their_trainer(backbone, data, is_padded, is_bf16, place.folder / "trainer")
        runs[name] = timed(trainer.train), partial(their_accuracy, trainer)
    for name, (run, accuracy) in runs.items():
        speed, by_cpu = (len(data.train) / seconds for seconds in run[1:])
        times, cpu_times = (mine / its for mine, its in zip(run[1:], ours[1:], strict=True))
        print(
            f"epoch: {name:<26}{speed:7.1f} samples/s {times:6.2f} x our time"
            f"{by_cpu:7.1f} per CPU second {cpu_times:6.2f} x   accuracy {accuracy():.3f}",
            flush=True,
        )


def our_accuracy(network: Any, backbone: Path, data: Data) -> float:
    """Return the accuracy of our network on the test texts."""
    answers = our_predictor(network, backbone, data)([example.text for example in data.test])
    right = [a["label"] == e.label for a, e in zip(answers, data.test, strict=True)]
    return sum(right) / len(right)


def our_predictor(network: Any, backbone: Path, data: Data) -> Predictor:
    """Return the predictor of our network."""
    spec = Spec(tuple(sorted({example.label for example in data.train})))
    scorer = network_scorer("classification", spec, network, load_tokenizer(backbone), "cpu")
    return Predictor("classification", spec, [(scorer, 1.0)])


def their_trainer(backbone: Path, data: Data, is_padded: bool, is_bf16: bool, folder: Path) -> Any:
    """Return a Trainer of transformers with the settings of our training."""
    from transformers import AutoModelForSequenceClassification, Trainer, TrainingArguments
    from transformers.data import DataCollatorWithPadding

    tokenizer = their_tokenizer(backbone)
    labels = sorted({example.label for example in data.train})
    torch.manual_seed(0)
    network = AutoModelForSequenceClassification.from_pretrained(
        backbone, num_labels=len(labels), pad_token_id=PAD_ID,
        resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
    )  # fmt: skip

    def encoded(examples: Sequence[Example]) -> list[dict[str, Any]]:
        padding: Any = "max_length" if is_padded else False
        rows = tokenizer(
            [e.text for e in examples], truncation=True, max_length=PADDED_TOKENS, padding=padding
        )
        return [
            {"input_ids": ids, "attention_mask": mask, "labels": labels.index(example.label)}
            for ids, mask, example in zip(
                rows["input_ids"], rows["attention_mask"], examples, strict=True
            )
        ]

    settings = TrainingArguments(
        output_dir=str(folder), num_train_epochs=1, per_device_train_batch_size=EPOCH_BATCH,
        per_device_eval_batch_size=64, learning_rate=RATE, warmup_steps=0.1,
        lr_scheduler_type="cosine", weight_decay=0.01, bf16=is_bf16, use_cpu=True, report_to=[],
        save_strategy="no", logging_strategy="no", disable_tqdm=True, seed=0,
    )  # fmt: skip
    return Trainer(
        network, settings, train_dataset=encoded(data.train), eval_dataset=encoded(data.test),
        data_collator=DataCollatorWithPadding(tokenizer),
        compute_metrics=lambda p: {"accuracy": (p.predictions.argmax(-1) == p.label_ids).mean()},
    )  # fmt: skip


def their_tokenizer(backbone: Path) -> Any:
    """Return the tokenizer of a backbone in transformers."""
    from transformers import PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(backbone / "tokenizer.json"))
    tokenizer.pad_token = tokenizer.convert_ids_to_tokens(PAD_ID)
    return tokenizer


def their_accuracy(trainer: Any) -> float:
    """Return the accuracy of the Trainer's network on the test texts."""
    return float(trainer.evaluate()["eval_accuracy"])


def prediction(place: Place) -> None:
    """Print texts per second of our predictor and of a pipeline with the same weights."""
    data = place.data()
    backbone = small_backbone(place, data)
    settings = {"attention": "causal", "micro_batch_size": EPOCH_BATCH, "learning_rate": RATE}
    network = train(backbone, data[:2], precision=best_precision("cpu"), **settings).network
    texts = mixed_lengths([example.text for example in data.test], N_PREDICTED)
    ours = partial(our_predictor(network, backbone, data), texts)
    theirs = partial(their_pipeline(network, backbone, place.folder / "exported"), texts)
    runs = {"ours": ours, f"pipeline, batches of {PIPELINE_BATCH}": theirs}
    found = {}
    for name, call in runs.items():
        call()  # warm up
        found[name] = timed(call)
    mine, other = found.values()
    for name, run in found.items():
        print(
            f"prediction: {name:<26}{len(texts) / run.wall_s:8.1f} texts/s "
            f"{run.wall_s / mine.wall_s:6.2f} x our time {run.cpu_s / mine.cpu_s:6.2f} x our CPU "
            "time"
        )
    same = [a["label"] == b["label"] for a, b in zip(mine.value, other.value, strict=True)]
    print(f"prediction: the same label for {sum(same)} of {len(texts)} texts")


def mixed_lengths(sentences: Sequence[str], n: int) -> list[str]:
    """Return texts of one to six sentences, in no order of length."""
    rng = random.Random(0)
    return [" ".join(rng.choices(sentences, k=rng.randint(1, 6))) for _ in range(n)]


def their_pipeline(network: Any, backbone: Path, folder: Path) -> Any:
    """Return a pipeline of transformers whose model computes what our network does."""
    from tokenizers.processors import TemplateProcessing
    from transformers import TextClassificationPipeline

    exported = GPT(network.backbone.config)
    weights = network.backbone.state_dict()
    exported.load_state_dict(weights | {"lm_head.weight": weights["wte.weight"]})
    folder.mkdir()
    models.save(exported, folder)
    tokenizer = their_tokenizer(backbone)
    # Ours begins with END, too.
    start = TemplateProcessing(single=f"{END} $A", special_tokens=[(END, END_ID)])
    tokenizer.backend_tokenizer.post_processor = start
    return TextClassificationPipeline(
        model=mean_classifier(network, folder), tokenizer=tokenizer, device="cpu",
        batch_size=PIPELINE_BATCH, truncation=True, max_length=SMALL["block_size"],
    )  # fmt: skip


def mean_classifier(network: Any, exported: Path) -> Any:
    """Return a model of transformers: our head on the mean of a GPT-2's hidden states.

    Its own classifier reads the last state only.
    """
    from transformers import GPT2Model, GPT2PreTrainedModel
    from transformers.modeling_outputs import SequenceClassifierOutput

    class MeanClassifier(GPT2PreTrainedModel):
        def __init__(self, config: Any) -> None:
            super().__init__(config)
            self.transformer = GPT2Model(config)
            self.score = network.head
            self.post_init()

        def forward(self, input_ids: Any, attention_mask: Any, **_: Any) -> Any:
            hidden = self.transformer(input_ids, attention_mask=attention_mask)[0]
            mask = attention_mask[..., None]
            means = (hidden * mask).sum(dim=1) / mask.sum(dim=1)
            return SequenceClassifierOutput(logits=self.score(means))

    config = GPT2Model.config_class.from_pretrained(exported)
    config.id2label = {0: "negative", 1: "positive"}
    model = MeanClassifier(config)
    model.transformer = GPT2Model.from_pretrained(exported)
    return model.eval()


MEASUREMENTS = (memory, epoch, prediction)


def _be_quiet() -> None:
    """Silence what Lightning and transformers announce."""
    os.environ |= {"TRANSFORMERS_VERBOSITY": "error", "TQDM_DISABLE": "1"}
    warnings.simplefilter("ignore")
    logging.disable(logging.ERROR)


def main() -> None:
    """Take the measurements named on the command line, or all."""
    parser = argparse.ArgumentParser(description=__doc__ and __doc__.splitlines()[0])
    parser.add_argument("--sst2", type=Path, required=True, help="folder of SST-2")
    parser.add_argument("--threads", type=int, default=n_cores())
    parser.add_argument("--examples", type=int, help="of each file; default: all")
    parser.add_argument("names", nargs="*", choices=[[], *(m.__name__ for m in MEASUREMENTS)])
    given = parser.parse_args()
    _be_quiet()
    set_up_torch(given.threads)
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder), given.threads, given.sst2, given.examples)
        for measure in MEASUREMENTS:
            if not given.names or measure.__name__ in given.names:
                measure(place)


if __name__ == "__main__":
    main()
