"""The tokenizer: byte-level BPE, trained on the corpus (Sennrich et al. 2016; Radford et al. 2019).

It starts from the 256 bytes, so that any text is encoded, and decoded to itself byte for byte.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from textmill.config import TokenizerConfig
from textmill.errors import InputError
from textmill.files import write_json
from textmill.safety.redaction import PLACEHOLDERS

if TYPE_CHECKING:
    from tokenizers import Tokenizer, models

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
    """Train on the training split of the corpus, or take a trained one, and write tokenizer.json.

    Args:
        config: size of the vocabulary, or where the trained one is.
        inputs: `corpus`, a folder of the clean step.
        out: an empty folder.

    Raises:
        InputError: the corpus is too small for the vocabulary, or the trained one cannot be used.
    """
    if config.init_from is None:
        tokenizer = _train(config, inputs["corpus"])
    else:
        tokenizer = adopt(Path(config.init_from))
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
    write_json(out / "metrics.json", {"vocab_size": tokenizer.get_vocab_size()})


def _train(config: TokenizerConfig, corpus: Path) -> Tokenizer:
    from tokenizers import models, pre_tokenizers, trainers

    tokenizer = _byte_level(models.BPE())
    trainer = trainers.BpeTrainer(
        vocab_size=config.vocab_size - len(PLACEHOLDERS),
        min_frequency=config.min_frequency,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_without_placeholders(read_texts(corpus, "train")), trainer)
    _add_placeholders(tokenizer)
    size = tokenizer.get_vocab_size()
    if size < config.vocab_size:
        raise InputError(
            f"tokenizer.vocab_size={config.vocab_size}: the corpus yields only {size} entries; "
            f"set tokenizer.vocab_size to {size} or less, or give more text."
        )
    return tokenizer


def adopt(folder: Path) -> Tokenizer:
    """Return the tokenizer of a folder with textmill's special tokens first and its own after them.

    The pieces of a text are spelt as before; only their numbers move.

    Raises:
        InputError: there is no tokenizer.json, it is damaged, or it is no byte-level BPE.
    """
    from tokenizers import AddedToken, models

    file = folder / "tokenizer.json"
    try:
        described = json.loads(file.read_text(encoding="utf-8"))
        model, pre_tokenizer = described["model"], described["pre_tokenizer"]
        if (model["type"], pre_tokenizer["type"]) != ("BPE", "ByteLevel"):
            raise InputError(f"{file} is no byte-level BPE such as GPT-2's: train a new one.")
        spelt = sorted(model["vocab"], key=model["vocab"].__getitem__)
        merges = [tuple(m.split(" ") if isinstance(m, str) else m) for m in model["merges"]]
    except FileNotFoundError:
        raise InputError(f"{folder} holds no tokenizer: tokenizer.json is missing.") from None
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{file} is damaged ({error}): make or fetch it again.") from None
    kept = [token for token in spelt if token not in SPECIAL_TOKENS]
    vocabulary = {token: number for number, token in enumerate((*SPECIAL_TOKENS, *kept))}
    tokenizer = _byte_level(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.add_special_tokens([AddedToken(t, special=True) for t in SPECIAL_TOKENS])
    _add_placeholders(tokenizer)
    return tokenizer


def _byte_level(model: models.BPE) -> Tokenizer:
    from tokenizers import Tokenizer, decoders, pre_tokenizers

    tokenizer = Tokenizer(model)
    # The pattern is GPT-2's: words keep the blank before them, and digits stand apart from letters.
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _add_placeholders(tokenizer: Tokenizer) -> None:
    from tokenizers import AddedToken

    tokenizer.add_tokens([AddedToken(p, normalized=False) for p in PLACEHOLDERS.values()])


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
