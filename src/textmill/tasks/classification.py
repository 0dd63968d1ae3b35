"""Classification: one label for a text, from the mean of its final hidden states."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from textmill.config import UNREDACTED, ClassificationConfig, RedactionConfig
from textmill.corpus.tokens.tokenizer import END_ID
from textmill.errors import InputError, listed
from textmill.model import GPT
from textmill.safety.redaction import redact
from textmill.tasks.labels import Labels, as_text
from textmill.tasks.rows import Rows, read_rows
from textmill.training.batches import pad
from textmill.training.objectives import Batch, mean_cross_entropy

if TYPE_CHECKING:
    from tokenizers import Tokenizer

SELECTION = "accuracy"
"""The validation metric by which the best epoch is kept."""
CLASSICAL_BASELINE = "tfidf_logistic_regression"
"""The baseline whose scores stand beside the model's."""
TRIVIAL_BASELINE = "majority"
"""The baseline that learns next to nothing."""
PREDICT_BATCH = 32
"""Texts that are answered at once."""
ONE_ANSWER = True
"""Whether a text has one right answer, so that two examples with others are in conflict."""


@dataclass(frozen=True)
class Example:
    """A text with its label, and where it stands."""

    text: str
    label: str
    place: str


@dataclass(frozen=True)
class Spec:
    """What a fine-tuned model has to know besides its weights."""

    labels: tuple[str, ...]


@dataclass(frozen=True)
class Encoded:
    """An example in numbers."""

    ids: list[int]
    """The tokens of the text after a document end."""
    label: int
    is_cut: bool
    """The text was longer than the context and lost its end."""


class Classifier(nn.Module):
    """A backbone with a linear layer on the mean of its final hidden states."""

    def __init__(self, backbone: GPT, spec: Spec, dropout: float, is_causal: bool) -> None:
        super().__init__()
        self.backbone = backbone
        backbone.lm_head = nn.Identity()  # its output layer has no part in this
        self.is_causal = is_causal
        self.drop = nn.Dropout(dropout)
        self.head = nn.Linear(backbone.config.n_embd, len(spec.labels))

    def forward(self, input_ids: Tensor, documents: Tensor) -> Tensor:
        """Return the logits, (B, labels), of texts (B, T); documents is -1 on padding."""
        hidden = self.backbone.hidden(input_ids, documents, is_causal=self.is_causal)
        is_token = (documents >= 0).unsqueeze(-1).to(hidden.dtype)
        mean = (hidden * is_token).sum(dim=1) / is_token.sum(dim=1)
        logits: Tensor = self.head(self.drop(mean))
        return logits


def read_examples(config: ClassificationConfig, split: str) -> Rows[Example]:
    """Return the examples of a split.

    Raises:
        InputError: the data cannot be used; the message names the file, the line and the fix.
    """

    def parse(values: dict[str, Any], place: str) -> Example:
        text = redact(as_text(values[config.text], config.text), config.redaction)[0]
        return Example(text, labels.label(values[config.label]), place)

    labels = Labels(config, config.label)
    rows = read_rows(config, split, {"text": config.text, "label": config.label}, parse)
    rows.respelled = labels.respelled
    return rows


def make_spec(config: ClassificationConfig, train: Sequence[Example]) -> Spec:
    """Return the labels of the training examples.

    Raises:
        InputError: all examples have one label.
    """
    labels = tuple(sorted({example.label for example in train}))
    if len(labels) < 2:
        raise InputError(
            f"tasks.{config.name}: all training examples have the label {labels[0]!r}; "
            "classification needs at least two."
        )
    return Spec(labels)


def check_examples(config: ClassificationConfig, spec: Spec, examples: Sequence[Example]) -> None:
    """Check that all labels are known.

    Raises:
        InputError: a label does not occur in training.
    """
    for example in examples:
        if example.label not in spec.labels:
            raise InputError(
                f"{example.place}: the label {example.label!r} does not occur in the training "
                f"data of task {config.name!r}, which has {listed(spec.labels)}: correct it, "
                "or add training examples of it."
            )


def build(backbone: GPT, spec: Spec, dropout: float, is_causal: bool) -> Classifier:
    """Return the network of the task around a backbone."""
    return Classifier(backbone, spec, dropout, is_causal)


def encode(
    tokenizer: Tokenizer, spec: Spec, examples: Sequence[Example], block_size: int
) -> list[Encoded]:
    """Return the examples in numbers; texts beyond the context lose their end."""
    texts = _encode_texts(tokenizer, [example.text for example in examples], block_size)
    return [
        Encoded(ids, spec.labels.index(example.label), is_cut)
        for example, (ids, is_cut) in zip(examples, texts, strict=True)
    ]


def collate(examples: Sequence[Encoded]) -> Batch:
    """Return a batch: input_ids and documents (B, T), padded to its longest text; labels (B,).

    n_targets, (), counts the labels.
    """
    return pad([example.ids for example in examples]) | {
        "labels": torch.tensor([example.label for example in examples]),
        "n_targets": torch.tensor(len(examples)),
    }


def loss(network: Classifier, batch: Batch, label_smoothing: float) -> Tensor:
    """Return what the batch adds to the mean cross-entropy of its step's labels, in nats."""
    logits = network(batch["input_ids"], batch["documents"]).float()
    return mean_cross_entropy(logits, batch["labels"], batch["n_targets"], label_smoothing)


def validate(network: Classifier, batches: Iterable[Batch]) -> dict[str, float]:
    """Return accuracy and loss over the batches."""
    n_right = n = 0
    nll = 0.0
    for batch in batches:
        logits = network(batch["input_ids"], batch["documents"]).float()
        n_right += int((logits.argmax(dim=-1) == batch["labels"]).sum())
        nll += float(F.cross_entropy(logits, batch["labels"], reduction="sum"))
        n += len(logits)
    return {"accuracy": n_right / n, "loss": nll / n}


def predict(
    network: Classifier,
    tokenizer: Tokenizer,
    spec: Spec,
    inputs: Sequence[str],
    redaction: RedactionConfig = UNREDACTED,
) -> Iterator[dict[str, Any]]:
    """Yield a prediction for each text: label, its probability, and whether the text was cut."""
    block_size = network.backbone.config.block_size
    texts = [redact(text, redaction)[0] for text in inputs]
    encoded = _encode_texts(tokenizer, texts, block_size)
    batch = pad([ids for ids, _ in encoded])
    probabilities = network(batch["input_ids"], batch["documents"]).float().softmax(dim=-1)
    scores, labels = probabilities.max(dim=-1)
    for label, score, (_, is_cut) in zip(labels.tolist(), scores.tolist(), encoded, strict=True):
        yield {"label": spec.labels[label], "score": score, "is_cut": is_cut}


def reference(example: Example) -> dict[str, Any]:
    """Return what a prediction is compared with, as it stands in the predictions file."""
    return {"text": example.text, "reference": example.label}


def model_input(example: Example) -> str:
    """Return what a model is given."""
    return example.text


def score(config: ClassificationConfig, rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Return the metrics of rows that hold a label and its reference."""
    from textmill.evaluation.metrics import score_classification

    return score_classification([r["label"] for r in rows], [r["reference"] for r in rows])


def signatures(config: ClassificationConfig) -> dict[str, str]:
    """Return how each metric was computed."""
    from textmill.evaluation.metrics import sign_classification

    return sign_classification()


def plot(rows: Sequence[dict[str, Any]], out: Path) -> None:
    """Draw the confusion matrix."""
    from textmill.evaluation.plots import plot_confusion

    predictions, references = [r["label"] for r in rows], [r["reference"] for r in rows]
    plot_confusion(predictions, references, out / "confusion_matrix.png")


def baselines(
    train: Sequence[Example], test: Sequence[Example]
) -> Iterator[tuple[str, list[dict[str, Any]], str]]:
    """Yield name and predictions of each simple model, and what was done to save memory."""
    from textmill.evaluation.baselines import majority, tfidf_logistic_regression

    texts, labels = [e.text for e in train], [e.label for e in train]
    yield "majority", [{"label": label} for label in majority(labels, len(test))], ""
    answers, note = tfidf_logistic_regression(texts, labels, [e.text for e in test])
    yield CLASSICAL_BASELINE, [{"label": label} for label in answers], note


def _encode_texts(
    tokenizer: Tokenizer, texts: Sequence[str], block_size: int
) -> list[tuple[list[int], bool]]:
    """Return the token ids of each text after a document end, and whether it had to be cut."""
    encodings = tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
    return [([END_ID, *e.ids][:block_size], len(e.ids) >= block_size) for e in encodings]
