"""The step `task-texts`: the texts of the tasks without their labels, for the corpus.

Training texts become part of the corpus: pretraining on the text of a task itself is worth much of
a large corpus (Krishna et al. 2022, "Downstream Datasets Make Surprisingly Good Pretraining
Corpora"). The texts of tests are what it is decontaminated from.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from textmill.config import RedactionConfig, SplitTextsConfig, TaskTextsStepConfig
from textmill.corpus.cleaning.repair import replace_surrogates
from textmill.corpus.cleaning.shards import Shards
from textmill.corpus.reading.labelled import read_labelled
from textmill.corpus.reading.records import BadRecord
from textmill.corpus.task_texts import COLUMNS, TEST, TRAIN
from textmill.errors import InputError
from textmill.files import write_json
from textmill.safety.characters import UNSPACED
from textmill.safety.pretokenized import redact_words
from textmill.safety.redaction import redact

_SCHEMA = pa.schema([(name, pa.string()) for name in COLUMNS])
_UNSPACED_GAP = re.compile(f"(?<=[{UNSPACED}]) (?=[{UNSPACED}])")


def collect_texts(config: TaskTextsStepConfig, inputs: Mapping[str, Path], out: Path) -> None:
    """Write the distinct texts of each split and task in the order of their hashes.

    The output is the same whatever the labels, the order and the number of copies of the texts, so
    that steps after it are reused if nothing else has changed.

    Args:
        config: the splits.
        inputs: empty.
        out: an empty folder.

    Raises:
        InputError: a file or column is missing, or training examples without text are too many.
        RunError: the hub cannot be reached.
    """
    metrics: dict[str, int] = {}
    for name, splits in ((TRAIN, config.train), (TEST, config.test)):
        (out / name).mkdir()
        for split in splits:
            texts = _read_split(split, config.redaction)
            if name == TRAIN:  # the step that evaluates a test reports its invalid records
                texts.check(split, config.max_bad_share)
            with Shards(out / name / split.name, _SCHEMA) as shards:
                for row in sorted(texts.found, key=_hash):
                    shards.add(row, len(row[0].encode()))
            metrics[f"{name}_texts/{split.name}"] = len(texts.found)
    write_json(out / "metrics.json", metrics)


@dataclass
class _Texts:
    """The texts of a split."""

    found: set[tuple[str, str]] = field(default_factory=set)
    """Texts with their languages."""
    n_records: int = 0
    n_bad: int = 0
    """Records without a text in each column."""
    first_bad: str = ""
    """Place of the first of them, and the reason."""

    def reject(self, place: str, reason: str) -> None:
        self.n_bad += 1
        self.first_bad = self.first_bad or f"{place}: {reason}"

    def check(self, split: SplitTextsConfig, max_bad_share: float) -> None:
        """Raise InputError if there is no text, or too many records have none."""
        setting = f"tasks.{split.name}.train"
        if not self.n_records:
            raise InputError(f"{setting}: {split.places[0]} has no examples: set another file.")
        if not self.found or self.n_bad > max_bad_share * self.n_records:
            raise InputError(
                f"{setting}: {self.n_bad} of {self.n_records} training examples have no text "
                f"({self.n_bad / self.n_records:.1%}), more than corpus.max_bad_share="
                f"{max_bad_share} allows. The first is {self.first_bad}. Fix the file, or set "
                "corpus.task_texts.enabled=false to pretrain without the texts of tasks."
            )


def _read_split(split: SplitTextsConfig, redaction: RedactionConfig) -> _Texts:
    texts = _Texts()
    settings = {column: f"tasks.{split.name}" for column in split.columns}
    place = (split.places, settings, split.hub, split.subset, split.revision, split.encoding)
    for record in read_labelled(*place):
        texts.n_records += 1
        where = f"{record.file}:{record.line}"
        if isinstance(record, BadRecord):
            texts.reject(where, redact(record.reason, redaction)[0])
            continue
        values = [record.values[column] for column in split.columns]
        found = [_running_text(value, redaction) for value in values]
        for column, text in zip(split.columns, found, strict=True):
            if text is None:
                texts.reject(where, f"column {column!r} holds no text")
                break
        # Texts beside an empty one are used, and compared with the corpus if they are of a test.
        rows = zip(found, split.languages, strict=True)
        texts.found.update((text, language) for text, language in rows if text is not None)
    return texts


def _running_text(value: object, redaction: RedactionConfig) -> str | None:
    """Return the redacted text of a string or a list of words; None if there is none."""
    if isinstance(value, list) and all(isinstance(word, str) for word in value):
        separator = "" if all(len(word) <= 1 for word in value) else " "  # one character per word
        text = separator.join(redact_words(value, redaction))
        value = _UNSPACED_GAP.sub("", text)
    if not isinstance(value, str) or not value.strip():
        return None
    return redact(replace_surrogates(value), redaction)[0]


def _hash(row: tuple[str, str]) -> bytes:
    return hashlib.blake2b("\0".join(row).encode(), digest_size=16).digest()
