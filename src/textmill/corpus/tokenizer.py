"""The tokenizer: byte-level BPE, trained on the corpus (Sennrich et al. 2016; Radford et al. 2019).

It starts from the 256 bytes, so that any text is encoded, and decoded to itself byte for byte.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from textmill.config import TokenizerConfig
from textmill.errors import InputError
from textmill.files import write_json
from textmill.safety.redaction import PLACEHOLDERS

if TYPE_CHECKING:
    from tokenizers import Tokenizer

END = "<|endoftext|>"
"""Ends every document, and stands before the first token when a text is begun."""
PAD = "<|pad|>"
MASK = "<|mask|>"
SOURCE = "<|source|>"
"""Stands before the input of a task that writes its answer."""
TARGET = "<|target|>"
"""Stands before the answer."""
SPECIAL_TOKENS = (END, PAD, MASK, SOURCE, TARGET)
END_ID, PAD_ID, MASK_ID, SOURCE_ID, TARGET_ID = range(len(SPECIAL_TOKENS))

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json")
"""What a model folder holds of its tokenizer."""

BATCH_ROWS = 1000


def train_tokenizer(config: TokenizerConfig, inputs: Mapping[str, Path], out: Path) -> None:
    """Train on the training split of the corpus and write tokenizer.json.

    Args:
        config: size of the vocabulary.
        inputs: `corpus`, a folder of the clean step.
        out: an empty folder.

    Raises:
        InputError: the corpus is too small for the vocabulary.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    # The pattern is GPT-2's: words keep the blank before them, and digits stand apart from letters.
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=config.vocab_size - len(PLACEHOLDERS),
        min_frequency=config.min_frequency,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    texts = _without_placeholders(read_texts(inputs["corpus"], "train"))
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_tokens([AddedToken(p, normalized=False) for p in PLACEHOLDERS.values()])
    size = tokenizer.get_vocab_size()
    if size < config.vocab_size:
        raise InputError(
            f"tokenizer.vocab_size={config.vocab_size}: the corpus yields only {size} entries; "
            f"set tokenizer.vocab_size to {size} or less, or give more text."
        )
    tokenizer.save(str(out / "tokenizer.json"))
    write_json(
        out / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "eos_token": END,
            "bos_token": END,
            "pad_token": PAD,
            "mask_token": MASK,
            "clean_up_tokenization_spaces": False,
        },
    )
    write_json(out / "metrics.json", {"vocab_size": size})


def load_tokenizer(folder: Path) -> Tokenizer:
    """Return the tokenizer of a folder; it reads special tokens in a text as plain text.

    Raises:
        InputError: there is no tokenizer.json.
    """
    from tokenizers import Tokenizer

    file = folder / "tokenizer.json"
    if not file.exists():
        raise InputError(f"{folder} holds no tokenizer: tokenizer.json is missing.")
    tokenizer = Tokenizer.from_file(str(file))
    # A document that quotes "<|endoftext|>" must not end there.
    tokenizer.encode_special_tokens = True
    return tokenizer


def read_texts(corpus: Path, split: str) -> Iterator[str]:
    """Yield the texts of one split of a corpus folder, in the order of its shards."""
    import pyarrow.parquet as pq

    for shard in corpus_shards(corpus / split):
        with pq.ParquetFile(shard) as file:
            for batch in file.iter_batches(BATCH_ROWS, columns=["text"]):
                yield from batch.column("text").to_pylist()


def corpus_shards(folder: Path) -> list[Path]:
    """Return the files of one split of a corpus folder, in their order."""
    return sorted(folder.glob("*.parquet"))


def _without_placeholders(texts: Iterator[str]) -> Iterator[str]:
    """Yield the texts without the placeholders, which become tokens of their own anyway."""
    for text in texts:
        for placeholder in PLACEHOLDERS.values():
            text = text.replace(placeholder, " ")
        yield text
