"""What steps that measure models write: predictions, and how metrics are computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from textmill.corpus.reading.line_ends import json_line
from textmill.files import write_atomic


def write_predictions(rows: Sequence[dict[str, Any]], folder: Path) -> None:
    """Write predictions.jsonl, one object for each test example."""
    lines = "".join(map(json_line, rows))
    write_atomic(folder / "predictions.jsonl", lines.encode())


def signature_tags(signatures: Mapping[str, str]) -> dict[str, str]:
    """Return the tags of a run that say how its metrics were computed."""
    return {f"signature.{metric}": signature for metric, signature in signatures.items()}
