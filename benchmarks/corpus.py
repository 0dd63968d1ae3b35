"""Speed of cleaning, compared with datatrove and datasketch with the same filters.

    python benchmarks/corpus.py FOLDER [cleaning] [minhash] [kept]

FOLDER has the public data: gutenberg/train.txt.gz, web_messy/newsgroups.jsonl.gz and
squad/validation.jsonl.gz. The peers are installed once by pip into a separate environment in the
system's temporary folder. Without names, all benchmarks are run.

    cleaning  Gopher's and C4's filters and MinHash, with datatrove's settings: MB/s end to end,
              from JSON Lines to kept documents, and the overlap of the kept documents
    minhash   signatures of 100 permutations of word 3-grams: MB/s, compared with datasketch; the
              best of five runs each
    kept      CPU time of cleaning without, with an empty and with a full cache of documents
"""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

PEERS = Path(tempfile.gettempdir()) / "textmill-peers"
PACKAGES = (
    "datatrove==0.10.1",
    "datasketch==2.0.0",
    "spacy",
    "orjson",
    "regex",
    "tokenizers",
    "xxhash",
)
N_PEER_DOCUMENTS = 1500  # datatrove takes minutes for more
CHARS = 1500
N_MINHASH_RUNS = 5

DATATROVE = """
import json, sys, time
from datatrove.data import Document
from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupSignature
from datatrove.pipeline.filters import (
    C4QualityFilter, GopherQualityFilter, GopherRepetitionFilter,
)
filters = [GopherRepetitionFilter(), GopherQualityFilter(), C4QualityFilter()]
config = MinhashConfig(n_grams=3, num_buckets=20, hashes_per_bucket=5)
signer = MinhashDedupSignature("unused", config=config)
documents = [json.loads(line)["text"] for line in open(sys.argv[1])]
for one in filters:
    one.filter(Document(text=documents[0], id="0"))
start, kept = time.perf_counter(), []
for index, text in enumerate(documents):
    document = Document(text=text, id=str(index))
    if all(one.filter(document) is True for one in filters):
        kept.append(index)
        shingles = signer.get_shingles(document.text)
        if shingles.size:
            signer.get_signature(shingles)
print(json.dumps({"seconds": time.perf_counter() - start, "kept": kept}))
"""

DATASKETCH = """
import json, re, sys, time
from datasketch import MinHash
documents = [json.loads(line)["text"] for line in open(sys.argv[1])]
seconds = []
for _ in range(int(sys.argv[2])):
    start = time.perf_counter()
    for text in documents:
        words = re.findall(r"\\w+", text.lower())
        shingles = {" ".join(words[i : i + 3]).encode() for i in range(len(words) - 2)}
        MinHash(num_perm=100).update_batch(shingles)
    seconds.append(time.perf_counter() - start)
print(json.dumps({"seconds": min(seconds)}))
"""


def texts_of(folder: Path) -> Iterator[str]:
    """Yield the documents: excerpts of novels, posts, and paragraphs of Wikipedia."""
    with gzip.open(folder / "gutenberg" / "train.txt.gz", "rt", encoding="utf-8") as stream:
        paragraphs: list[str] = []
        for paragraph in stream.read().split("\n\n"):
            paragraphs.append(paragraph.strip())
            if sum(map(len, paragraphs)) >= CHARS:
                yield "\n\n".join(paragraphs)
                paragraphs = []
    for name, column in (("web_messy/newsgroups", "text"), ("squad/validation", "context")):
        with gzip.open(folder / f"{name}.jsonl.gz", "rt", encoding="utf-8") as stream:
            yield from dict.fromkeys(json.loads(line)[column] for line in stream)


def write(texts: list[str], file: Path) -> float:
    """Write texts as JSON Lines; return their size in megabytes."""
    file.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return sum(len(text.encode()) for text in texts) / 1e6


def peer(program: str, file: Path, *options: str) -> dict[str, object]:
    """Run a program in the peers' environment; return its last line of output, parsed as JSON."""
    if not (PEERS / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", PEERS], check=True)
        subprocess.run([PEERS / "bin" / "pip", "install", "-q", *PACKAGES], check=True)
        (PEERS / "ready").touch()
    command = [PEERS / "bin" / "python", "-c", program, str(file), *options]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return found


def cleaning(texts: list[str], folder: Path) -> None:
    """Compare the step `clean`, including reading and writing, with datatrove's filters."""
    from textmill.config import CleanConfig
    from textmill.corpus.cleaning.clean import clean
    from textmill.hardware import THREADS_VARIABLE

    few = texts[:: max(1, len(texts) // N_PEER_DOCUMENTS)]
    peer_mb = write(few, folder / "few.jsonl")
    theirs = peer(DATATROVE, folder / "few.jsonl")
    peer_speed = peer_mb / float(str(theirs["seconds"]))
    print(f"datatrove, one process, {peer_mb:.1f} MB: {peer_speed:.2f} MB/s")
    mb = write(texts, folder / "all.jsonl")
    for name, n_workers in (("few", 1), ("all", 1), ("all", 2)):
        os.environ[THREADS_VARIABLE] = str(n_workers)
        out = folder / f"{name}{n_workers}"
        out.mkdir()
        start = time.perf_counter()
        clean(CleanConfig.model_validate(settings(folder / f"{name}.jsonl")), {}, out)
        speed = (mb if name == "all" else peer_mb) / (time.perf_counter() - start)
        print(
            f"textmill, {n_workers} workers, {name}: {speed:.2f} MB/s, {speed / peer_speed:.1f} x"
        )
    ours = kept_lines(folder / "few1", len(few))
    both = set(theirs["kept"])  # type: ignore[call-overload]
    print(f"kept: {len(ours)} and {len(both)}, Jaccard {len(ours & both) / len(ours | both):.4f}")


def settings(file: Path) -> dict[str, object]:
    """Return a configuration with datatrove's settings, without anything it does not do."""
    return {
        "sources": [{"name": "all", "path": str(file), "language": "en"}],
        "min_chars": 1,
        "repair_unicode": False,
        "strip_html": False,
        "exact_duplicates": {"enabled": False},
        "redaction": {"enabled": False},
        "near_duplicates": {"enabled": True, "threshold": 1.0},
        "quality": {
            "enabled": True,
            "c4": {"min_line_words": 3, "min_sentences": 5, "line_ends": [".", "?", "!", '"', "'"]},
            "fineweb": {"enabled": False},
        },
    }


def kept_lines(out: Path, n_documents: int) -> set[int]:
    """Return the indices of the documents that no quality filter rejected."""
    import pyarrow.parquet as pq

    rows = [row for file in (out / "rejected").iterdir() for row in pq.read_table(file).to_pylist()]
    dropped = {row["line"] - 1 for row in rows if row["reason"] != "near_duplicate"}
    return set(range(n_documents)) - dropped


def minhash(texts: list[str], folder: Path) -> None:
    """Compare the speed from texts to bands with datasketch."""
    from textmill.config import NearDuplicatesConfig
    from textmill.corpus.cleaning.dedup.near_duplicates import Sketcher

    mb = write(texts[:N_PEER_DOCUMENTS], folder / "texts.jsonl")
    found = peer(DATASKETCH, folder / "texts.jsonl", str(N_MINHASH_RUNS))
    theirs = mb / float(str(found["seconds"]))
    sketcher = Sketcher(NearDuplicatesConfig())
    sketcher.sketch(["warm up"])
    seconds = []
    for _ in range(N_MINHASH_RUNS):
        start = time.perf_counter()
        sketcher.sketch(texts[:N_PEER_DOCUMENTS])
        seconds.append(time.perf_counter() - start)
    ours = mb / min(seconds)
    print(f"datasketch {theirs:.2f} MB/s, textmill {ours:.2f} MB/s: {ours / theirs:.1f} x")


def kept(texts: list[str], folder: Path) -> None:
    """Print the cost and the savings of the cache of prepared documents."""
    from textmill.config import CleanConfig
    from textmill.corpus.cleaning.clean import clean
    from textmill.files import CachePlace
    from textmill.hardware import THREADS_VARIABLE

    os.environ[THREADS_VARIABLE] = "1"
    write(texts, folder / "kept.jsonl")
    source = {"name": "all", "path": str(folder / "kept.jsonl"), "language": "en"}
    for has_near in (False, True):
        given = {"sources": [source], "near_duplicates": {"enabled": has_near}}
        place = CachePlace(*[folder / f"cache{has_near}"] * 2, 1 << 40)
        for number, what in enumerate(("no cache", "empty cache", "full cache")):
            out = folder / f"kept{has_near}{number}"
            out.mkdir()
            start = time.process_time()
            clean(CleanConfig.model_validate(given), {}, out, place if number else None)
            print(
                f"near duplicates {has_near}, {what}: {time.process_time() - start:.2f} s",
                flush=True,
            )
        size = sum(file.stat().st_size for file in place.folder.iterdir()) / 1e6
        print(f"size of the cache: {size:.1f} MB")


def main() -> None:
    """Run the benchmarks named on the command line."""
    if len(sys.argv) < 2:
        sys.exit("usage: python benchmarks/corpus.py FOLDER [cleaning] [minhash] [kept]")
    texts = list(texts_of(Path(sys.argv[1])))
    wanted = sys.argv[2:] or ["cleaning", "minhash", "kept"]
    with tempfile.TemporaryDirectory() as folder:
        for benchmark in (cleaning, minhash, kept):
            if benchmark.__name__ in wanted:
                benchmark(texts, Path(folder))


if __name__ == "__main__":
    main()
