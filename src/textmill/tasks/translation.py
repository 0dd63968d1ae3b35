"""Translation: a text in another language, written token by token after its source."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from textmill.config import UNREDACTED, RedactionConfig, TranslationConfig
from textmill.corpus.tokens.tokenizer import END_ID, SOURCE_ID, TARGET_ID
from textmill.model import GPT, complete
from textmill.safety.redaction import redact
from textmill.tasks.labels import as_text
from textmill.tasks.rows import Rows, read_rows
from textmill.training.batches import pad
from textmill.training.objectives import Batch, mean_cross_entropy

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# BLEU would need every validation text to be written after every epoch, one token after the other;
# the share of right next tokens takes a single pass.
SELECTION = "token_accuracy"
"""The validation metric by which the best epoch is kept."""
CLASSICAL_BASELINE = "word_by_word"
"""The baseline whose scores stand beside the model's."""
TRIVIAL_BASELINE = "copy_source"
"""The baseline that learns next to nothing."""
# A step of decoding costs hardly more for many texts than for few.
PREDICT_BATCH = 128
"""Texts that are answered at once."""
ONE_ANSWER = False
"""Whether a text has one right answer, so that two examples with others are in conflict."""


@dataclass(frozen=True)
class Example:
    """A text with its translation, and where it stands."""

    source: str
    target: str
    place: str


@dataclass(frozen=True)
class Spec:
    """What a fine-tuned model has to know besides its weights."""

    source_share: float
    """Largest share of the context that the source may take."""


@dataclass(frozen=True)
class Encoded:
    """An example in numbers."""

    ids: list[int]
    """The source and the target, each after its mark, and a document end."""
    n_source: int
    """The tokens before the target, both marks included."""
    is_cut: bool
    """The source or the target was longer than its room and lost its end."""


class Translator(nn.Module):
    """A backbone that goes on writing after a source; it has no weights besides the backbone's."""

    def __init__(self, backbone: GPT) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, input_ids: Tensor, is_target: Tensor) -> Tensor:
        """Return the logits at the positions kept by the mask, (N, vocab_size), row by row.

        Args:
            input_ids: (B, T); padding stands at the end, where no token sees it.
            is_target: (B, T), bool, True where the next token belongs to the target.
        """
        hidden = self.backbone.hidden(input_ids)[is_target]  # the output layer is the costliest
        logits: Tensor = self.backbone.lm_head(hidden)
        return logits


def read_examples(config: TranslationConfig, split: str) -> Rows[Example]:
    """Return the examples of a split.

    Raises:
        InputError: the data cannot be used; the message names the file, the line and the fix.
    """

    def parse(values: dict[str, Any], place: str) -> Example:
        texts = [as_text(values[name], name) for name in (config.source, config.target)]
        source, target = (redact(text, config.redaction)[0] for text in texts)
        return Example(source, target, place)

    return read_rows(config, split, {"source": config.source, "target": config.target}, parse)


def make_spec(config: TranslationConfig, train: Sequence[Example]) -> Spec:
    """Return how much room a source has."""
    return Spec(config.source_share)


def check_examples(config: TranslationConfig, spec: Spec, examples: Sequence[Example]) -> None:
    """Check nothing: any text can be translated."""


def build(backbone: GPT, spec: Spec, dropout: float, is_causal: bool) -> Translator:
    """Return the network of the task around a backbone."""
    assert is_causal  # the configuration allows nothing else
    return Translator(backbone)


def encode(
    tokenizer: Tokenizer, spec: Spec, examples: Sequence[Example], block_size: int
) -> list[Encoded]:
    """Return the examples in numbers; sources and targets beyond their room lose their end.

    A target that lost its end is not followed by a document end: the model would learn to stop in
    mid-sentence.
    """
    prompts = _encode_sources(tokenizer, spec, [e.source for e in examples], block_size)
    targets = [example.target.strip() for example in examples]
    encodings = tokenizer.encode_batch_fast(targets, add_special_tokens=False)
    encoded = []
    for (prompt, is_source_cut), target in zip(prompts, encodings, strict=True):
        # The last token is predicted and never read, so there is room for one more.
        whole = [*prompt, *target.ids, END_ID]
        ids = whole[: block_size + 1]
        encoded.append(Encoded(ids, len(prompt), is_source_cut or len(ids) < len(whole)))
    return encoded


def collate(examples: Sequence[Encoded]) -> Batch:
    """Return a batch: input_ids, documents, targets and loss_mask (B, T), padded.

    targets is the next token of each, and loss_mask tells where that belongs to the target;
    n_targets, (), counts these positions.
    """
    batch = pad([example.ids[:-1] for example in examples])
    targets = pad([example.ids[1:] for example in examples])["input_ids"]
    index = torch.arange(targets.size(1))
    begin = torch.tensor([example.n_source - 1 for example in examples])
    is_target = (index >= begin[:, None]) & (batch["documents"] >= 0)
    return batch | {"targets": targets, "loss_mask": is_target, "n_targets": is_target.sum()}


def loss(network: Translator, batch: Batch, label_smoothing: float) -> Tensor:
    """Return what the batch adds to the mean cross-entropy of its step's target tokens, in nats."""
    logits = network(batch["input_ids"], batch["loss_mask"]).float()
    targets = batch["targets"][batch["loss_mask"]]
    return mean_cross_entropy(logits, targets, batch["n_targets"], label_smoothing)


def validate(network: Translator, batches: Iterable[Batch]) -> dict[str, float]:
    """Return the share of right next tokens of the targets, and their loss, over the batches."""
    n_right = n = 0
    nll = 0.0
    for batch in batches:
        logits = network(batch["input_ids"], batch["loss_mask"]).float()
        targets = batch["targets"][batch["loss_mask"]]
        n_right += int((logits.argmax(dim=-1) == targets).sum())
        nll += float(F.cross_entropy(logits, targets, reduction="sum"))
        n += len(targets)
    return {"token_accuracy": n_right / n, "loss": nll / n}


def predict(
    network: Translator,
    tokenizer: Tokenizer,
    spec: Spec,
    inputs: Sequence[str],
    redaction: RedactionConfig = UNREDACTED,
) -> Iterator[dict[str, Any]]:
    """Yield the translation of each text, and whether the text or its translation was cut.

    Where the text holds personal data, its translation holds placeholders.
    """
    block_size = network.backbone.config.block_size
    texts = [redact(text, redaction)[0] for text in inputs]
    prompts = _encode_sources(tokenizer, spec, texts, block_size)
    answers = complete(network.backbone, [ids for ids, _ in prompts], END_ID)
    for text, (_, is_cut), (ids, has_ended) in zip(inputs, prompts, answers, strict=True):
        if not text.strip():
            yield {"translation": "", "is_cut": False}  # out of nothing the model makes something
            continue
        yield {"translation": tokenizer.decode(ids), "is_cut": is_cut or not has_ended}


def reference(example: Example) -> dict[str, Any]:
    """Return what a prediction is compared with, as it stands in the predictions file."""
    return {"text": example.source, "reference": example.target}


def model_input(example: Example) -> str:
    """Return what a model is given."""
    return example.source


def score(config: TranslationConfig, rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Return the metrics of rows that hold a translation and its reference."""
    from textmill.evaluation.metrics import score_translation

    predictions, references = [r["translation"] for r in rows], [r["reference"] for r in rows]
    return score_translation(predictions, references, config.target_language)


def signatures(config: TranslationConfig) -> dict[str, str]:
    """Return how each metric was computed."""
    from textmill.evaluation.metrics import sign_translation

    return sign_translation(config.target_language)


def plot(rows: Sequence[dict[str, Any]], out: Path) -> None:
    """Draw how good single translations are, and how that hangs on the length."""
    from textmill.evaluation.plots import plot_sentence_scores

    sources, predictions = [r["text"] for r in rows], [r["translation"] for r in rows]
    references = [r["reference"] for r in rows]
    plot_sentence_scores(sources, predictions, references, out / "sentence_scores.png")


def baselines(
    train: Sequence[Example], test: Sequence[Example]
) -> Iterator[tuple[str, list[dict[str, Any]], str]]:
    """Yield name and predictions of each simple model, and what was done to save memory."""
    from textmill.evaluation.baselines import copy_source, word_by_word

    asked = [e.source for e in test]
    yield "copy_source", [{"translation": text} for text in copy_source(asked)], ""
    answers, note = word_by_word([e.source for e in train], [e.target for e in train], asked)
    yield CLASSICAL_BASELINE, [{"translation": text} for text in answers], note


def _encode_sources(
    tokenizer: Tokenizer, spec: Spec, texts: Sequence[str], block_size: int
) -> list[tuple[list[int], bool]]:
    """Return the tokens of each source between its marks, and whether it had to be cut."""
    room = max(1, int(spec.source_share * block_size) - 2)
    sources = [text.strip() for text in texts]
    encodings = tokenizer.encode_batch_fast(sources, add_special_tokens=False)
    return [([SOURCE_ID, *e.ids[:room], TARGET_ID], len(e.ids) > room) for e in encodings]
