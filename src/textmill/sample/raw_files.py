"""Writes raw text as JSON Lines, CSV, plain text by paragraph or line, and Parquet."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Sequence
from pathlib import Path
from random import Random

from textmill.sample.dirt import Entry, broken_lines

N_NOTE_FILES = 36


def write_articles(texts: Sequence[str], path: Path, rng: Random) -> list[Entry]:
    """Write gzipped JSON Lines with the columns text and id; return the invalid lines in it."""
    lines = [
        json.dumps({"text": text, "id": f"a-{index:05}"}, ensure_ascii=False)
        for index, text in enumerate(texts)
    ]
    broken = broken_lines(max(3, len(texts) // 500), rng)
    positions = sorted(rng.sample(range(len(lines) + len(broken)), len(broken)))
    for position, line in zip(positions, broken, strict=True):
        lines.insert(position, line)
    with path.open("wb") as file, gzip.GzipFile("", "wb", fileobj=file, mtime=0) as zipped:
        zipped.write("".join(line + "\n" for line in lines).encode())
    return [
        {"line": position, "raw": line} for position, line in zip(positions, broken, strict=True)
    ]


def write_reviews(texts: Sequence[str], path: Path) -> None:
    """Write CSV with the columns review and id."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(("review", "id"))
    writer.writerows((text, f"r-{index:05}") for index, text in enumerate(texts))
    write_text(path, table.getvalue())


def write_notes(texts: Sequence[str], folder: Path) -> None:
    """Write plain text files with about the same number of documents, one per paragraph."""
    folder.mkdir()
    n_files = min(N_NOTE_FILES, len(texts))
    bounds = [len(texts) * number // n_files for number in range(n_files + 1)]
    for number in range(n_files):
        paragraphs = texts[bounds[number] : bounds[number + 1]]
        write_text(folder / f"notes-{number:02}.txt", "\n\n".join(paragraphs) + "\n")


def write_letters(texts: Sequence[str], path: Path) -> None:
    """Write a Parquet file with the column body."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"body": pa.array(texts, pa.string())}), path)


def write_lines(lines: Sequence[str], path: Path) -> None:
    """Write plain text or JSON Lines, with one document or example per line."""
    write_text(path, "".join(line + "\n" for line in lines))


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 without newline translation, which text mode does on Windows."""
    path.write_bytes(text.encode())
