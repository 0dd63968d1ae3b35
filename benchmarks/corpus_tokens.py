"""Speed of encoding, and padding and cuts of packed blocks.

    python benchmarks/corpus_tokens.py --data FOLDER [--vocab-size N]
    python benchmarks/corpus_tokens.py --data FOLDER --packing

FOLDER has gutenberg/, zh_text/ and ag_news/. Our encoder is compared with tokenizers, with the same
tokenizer on the same documents: all ids must be equal; times are wall time and CPU time of one
process, the best of three, with the default number of threads of tokenizers. Packing is measured on
AG News and zh_text, with one BPE of 4,096 entries for both.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from tokenizers import Tokenizer

from textmill.config import Packing, SourceConfig, TokenizerConfig
from textmill.corpus.reading.sources import RawDocument, read_documents
from textmill.corpus.tokens.encoding import fast_encoder, to_tiktoken
from textmill.corpus.tokens.packing import PackedBlocks
from textmill.corpus.tokens.token_shards import write_shards
from textmill.corpus.tokens.tokenizer import load_tokenizer
from textmill.corpus.tokens.vocabulary import train_tokenizer

FILES = ("gutenberg/train.txt.gz", "zh_text/train.txt")
PACKED_FILES = ("ag_news/train.jsonl.gz", "zh_text/train.txt")
PACKED_VOCAB_SIZE = 4096
PACKINGS: tuple[Packing, ...] = get_args(Packing)
ROUNDS = 3


def main() -> None:
    """Measure and print, as rows of a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--vocab-size", type=int, default=16384)
    parser.add_argument("--packing", action="store_true", help="measure only packing")
    arguments = parser.parse_args()
    if arguments.packing:
        measure_packing(arguments.data)
        return
    texts = [text for file in FILES for text in read(arguments.data / file)]
    print("| kind | encoder | tokens/s | tokens per CPU second |\n|---|---|---|---|")
    for kind in ("bpe", "byte"):
        size = 270 if kind == "byte" else arguments.vocab_size
        measure(TokenizerConfig(kind=kind, vocab_size=size), texts)


def measure_packing(data: Path) -> None:
    """Print padding and cuts of both packing algorithms, as rows of a Markdown table."""
    corpora = {file: read(data / file, join_chars=0) for file in PACKED_FILES}
    texts = [text for corpus in corpora.values() for text in corpus]
    tokenizer = train(TokenizerConfig(vocab_size=PACKED_VOCAB_SIZE), texts)
    encode = fast_encoder(tokenizer)
    print("| corpus | block | packing | blocks | padding | cuts |\n|---|---|---|---|---|---|")
    for file, corpus in corpora.items():
        with TemporaryDirectory() as folder:
            write_shards(Path(folder), encode(corpus), np.dtype(np.uint16))
            for block_size, packing in product((128, 512), PACKINGS):
                blocks = PackedBlocks(Path(folder), block_size, packing)
                row = f"{len(blocks):,} | {blocks.padding_share:.2%} | {blocks.n_cuts:,}"
                print(f"| {Path(file).parent} | {block_size} | {packing} | {row} |", flush=True)


def read(file: Path, join_chars: int = 1500) -> list[str]:
    """Return the documents of a file; paragraphs of plain text are joined up to `join_chars`."""
    source = SourceConfig(name="t", path=str(file), documents="paragraph", join_chars=join_chars)
    return [item.text for item in read_documents(source) if isinstance(item, RawDocument)]


def train(config: TokenizerConfig, texts: list[str]) -> Tokenizer:
    """Return a tokenizer trained on texts."""
    with TemporaryDirectory() as folder:
        corpus = Path(folder)
        (corpus / "train").mkdir()
        pq.write_table(pa.table({"text": texts}), corpus / "train" / "00000.parquet")
        train_tokenizer(config, {"corpus": corpus}, corpus)
        return load_tokenizer(corpus)


def measure(config: TokenizerConfig, texts: list[str]) -> None:
    """Print the speed of both libraries with a tokenizer trained on the texts."""
    tokenizer = train(config, texts)
    assert to_tiktoken(tokenizer) is not None
    encoders: dict[str, Callable[[list[str]], list[list[int]]]] = {
        "tokenizers.encode_batch": lambda t: [e.ids for e in tokenizer.encode_batch(t)],
        "tokenizers.encode_batch_fast": lambda t: [e.ids for e in tokenizer.encode_batch_fast(t)],
        "ours": fast_encoder(tokenizer),
    }
    expected: list[list[int]] = []
    for name, encode in encoders.items():
        ids, wall, cpu = best(lambda encode=encode: encode(texts))
        expected = expected or ids
        assert ids == expected, f"{name} returns different ids"
        n_tokens = sum(map(len, ids))
        row = f"{n_tokens / wall:,.0f} | {n_tokens / cpu:,.0f}"
        print(f"| {config.kind} | {name} | {row} |", flush=True)


def best(work: Callable[[], list[list[int]]]) -> tuple[list[list[int]], float, float]:
    """Return the result of a function, and its minimum wall and CPU time."""
    times = []
    for _ in range(ROUNDS):
        wall, cpu = time.perf_counter(), time.process_time()
        ids = work()
        times.append((time.perf_counter() - wall, time.process_time() - cpu))
    return ids, min(wall for wall, _ in times), min(cpu for _, cpu in times)


if __name__ == "__main__":
    main()
