"""Speed of encoding: our encoder beside tokenizers, on the same tokenizer and the same documents.

    python benchmarks/corpus_tokens.py --data FOLDER [--vocab-size N]

FOLDER holds gutenberg/ and zh_text/. The ids must be the same on every document; times are wall
time and processor time of one process, the best of three, with as many threads as tokenizers takes.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq

from textmill.config import SourceConfig, TokenizerConfig
from textmill.corpus.encoding import as_tiktoken, fast_encoder
from textmill.corpus.reading import RawDocument, read_documents
from textmill.corpus.tokenizer import load_tokenizer, train_tokenizer

FILES = ("gutenberg/train.txt.gz", "zh_text/train.txt")
ROUNDS = 3


def main() -> None:
    """Measure and print, as rows of a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--vocab-size", type=int, default=16384)
    arguments = parser.parse_args()
    texts = [text for file in FILES for text in read(arguments.data / file)]
    print("| kind | encoder | tokens/s | tokens per processor second |\n|---|---|---|---|")
    for kind in ("bpe", "byte"):
        size = 270 if kind == "byte" else arguments.vocab_size
        measure(TokenizerConfig(kind=kind, vocab_size=size), texts)


def read(file: Path) -> list[str]:
    """Return the documents of a file: paragraphs, joined up to 1,500 characters."""
    source = SourceConfig(name="t", path=str(file), documents="paragraph", join_chars=1500)
    return [item.text for item in read_documents(source) if isinstance(item, RawDocument)]


def measure(config: TokenizerConfig, texts: list[str]) -> None:
    """Print the speed of both libraries with a tokenizer trained on the texts."""
    with TemporaryDirectory() as folder:
        corpus = Path(folder)
        (corpus / "train").mkdir()
        pq.write_table(pa.table({"text": texts}), corpus / "train" / "00000.parquet")
        train_tokenizer(config, {"corpus": corpus}, corpus)
        tokenizer = load_tokenizer(corpus)
    assert as_tiktoken(tokenizer) is not None
    encoders: dict[str, Callable[[list[str]], list[list[int]]]] = {
        "tokenizers.encode_batch": lambda t: [e.ids for e in tokenizer.encode_batch(t)],
        "tokenizers.encode_batch_fast": lambda t: [e.ids for e in tokenizer.encode_batch_fast(t)],
        "ours": fast_encoder(tokenizer),
    }
    expected: list[list[int]] = []
    for name, encode in encoders.items():
        ids, wall, processor = best(lambda encode=encode: encode(texts))
        expected = expected or ids
        assert ids == expected, f"{name} gives other ids"
        n_tokens = sum(map(len, ids))
        row = f"{n_tokens / wall:,.0f} | {n_tokens / processor:,.0f}"
        print(f"| {config.kind} | {name} | {row} |", flush=True)


def best(work: Callable[[], list[list[int]]]) -> tuple[list[list[int]], float, float]:
    """Return the result of the work, and the least wall and processor time that it took."""
    times = []
    for _ in range(ROUNDS):
        wall, processor = time.perf_counter(), time.process_time()
        ids = work()
        times.append((time.perf_counter() - wall, time.process_time() - processor))
    return ids, min(wall for wall, _ in times), min(processor for _, processor in times)


if __name__ == "__main__":
    main()
