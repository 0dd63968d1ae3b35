"""The log of predictions: what was answered by which model, by default without the texts.

Each line has the lengths of the texts, which the trigger `drift` compares with those of test
examples, as it does with labels and confidence.
"""

from __future__ import annotations

import json
import logging
import os
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from textmill.config import RedactionConfig
from textmill.corpus.reading.line_ends import json_line
from textmill.registry.current import ModelId
from textmill.safety.redaction import Finding, find_personal_data, redact, with_placeholders
from textmill.tasks.inputs import Input
from textmill.tasks.logged.traits import Traits, length_of, traits_of

FOLDER = "serving"
"""Folder of the log, in the store."""
INPUT_LENGTH, OUTPUT_LENGTH = "input_length", "output_length"
"""Fields of a line with the lengths of texts, in characters without white space."""
LABEL_FIELDS = frozenset({"label", "labels", "type"})
"""Fields of predictions whose strings are labels of the task; others can be parts of the text."""

log = logging.getLogger(__name__)


class PredictionLog:
    """Appends a line of JSON for each prediction to the day's file.

    Several servers may write to one file: a line is written at once.

    Args:
        folder: created if necessary.
        has_texts: whether to log inputs and the texts in predictions, both redacted.
    """

    def __init__(self, folder: Path, has_texts: bool) -> None:
        self.folder, self.has_texts = folder, has_texts
        self.problem: str | None = None

    def write(
        self,
        task: str,
        model: ModelId,
        redaction: RedactionConfig,
        inputs: Sequence[Input],
        predictions: Sequence[Mapping[str, Any]],
        written: str | None = None,
    ) -> int:
        """Log the predictions of a request; return how many could not be written.

        Args:
            task: its name.
            model: which model answered.
            redaction: that of the model's training texts.
            inputs: of the model.
            predictions: for each input.
            written: the field of a prediction with a text that the model wrote, if it did; None if
                a filter blocked it.
        """
        now = datetime.now(UTC)
        entry = {
            "time": now.isoformat(timespec="milliseconds"),
            "task": task,
            "run": model.run_id,
            "model_version": model.version,
        }
        lines = []
        for given, prediction in zip(inputs, predictions, strict=True):
            columns = given if isinstance(given, Mapping) else {"text": given}
            sources = [Source.of(str(text), redaction) for text in columns.values()]
            shown = {name: one.shown for name, one in zip(columns, sources, strict=True)}
            line: dict[str, Any] = entry | {INPUT_LENGTH: length_of(shown)}
            if written is not None and (text := prediction[written]) is not None:
                line[OUTPUT_LENGTH] = length_of(text)
            if self.has_texts:
                redacted = partial(redact_quotation, sources=sources, redaction=redaction)
                line |= shown | {"prediction": with_texts(prediction, redacted)}
            else:
                line["prediction"] = without_texts(prediction)
            lines.append(json_line(line))
        n_written, problem = 0, "the disk is full"
        try:
            n_written = self._append(self.folder / f"{now:%Y-%m-%d}.jsonl", "".join(lines).encode())
        except OSError as error:  # a full disk must not stop the answers
            problem = str(error.strerror)
        if n_written < len(lines):
            self._report(f"The predictions cannot be logged in {self.folder}: {problem}.")
        else:
            self.problem = None
        return len(lines) - n_written

    def _append(self, file: Path, content: bytes) -> int:
        """Append lines to a file; return how many are there, of which a full disk cuts off some."""
        self.folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            size = os.fstat(descriptor).st_size
            # What was cut off before must not spoil the next line as well.
            start = b"\n" if size and os.pread(descriptor, 1, size - 1) != b"\n" else b""
            n_bytes = os.write(descriptor, start + content)
        finally:
            os.close(descriptor)
        return content[: max(0, n_bytes - len(start))].count(b"\n")

    def _report(self, problem: str) -> None:
        if problem != self.problem:
            log.error("%s", problem)
        self.problem = problem


def without_texts(prediction: Any) -> Any:
    """Return a prediction without its strings, except for labels."""
    if isinstance(prediction, Mapping):
        return {
            name: value if name in LABEL_FIELDS and _is_named(value) else without_texts(value)
            for name, value in prediction.items()
            if name in LABEL_FIELDS or not isinstance(value, str)
        }
    if isinstance(prediction, list | tuple):
        return [without_texts(value) for value in prediction if not isinstance(value, str)]
    return prediction


def with_texts(prediction: Any, redacted: Callable[[str], str]) -> Any:
    """Return a prediction with its strings redacted, except for labels."""
    if isinstance(prediction, Mapping):
        return {
            name: value
            if name in LABEL_FIELDS and _is_named(value)
            else with_texts(value, redacted)
            for name, value in prediction.items()
        }
    if isinstance(prediction, list | tuple):
        return [with_texts(value, redacted) for value in prediction]
    return redacted(prediction) if isinstance(prediction, str) else prediction


@dataclass(frozen=True)
class Source:
    """A text that predictions may quote, and its personal data."""

    text: str
    findings: list[Finding]
    shown: str
    """The redacted text."""

    @classmethod
    def of(cls, text: str, redaction: RedactionConfig) -> Source:
        """Return a text with what is found in it."""
        findings = find_personal_data(text, redaction)
        return cls(text, findings, with_placeholders(text, findings, 0, len(text)))


def redact_quotation(quoted: str, sources: Iterable[Source], redaction: RedactionConfig) -> str:
    """Return a string of a prediction without personal data of its own or of what it quotes.

    A quotation may begin or end within an address or a number, which cannot be told from the rest.

    Args:
        quoted: the string.
        sources: the texts that it may be a part of.
        redaction: the kinds of personal data.
    """
    for source in sources:
        start = source.text.find(quoted)
        if start >= 0 and quoted not in source.shown:
            end = start + len(quoted)
            quoted = with_placeholders(source.text, source.findings, start, end)
            break
    return redact(quoted, redaction)[0]


def _is_named(value: Any) -> bool:
    """Return whether a value is a label, or a list of labels."""
    values = value if isinstance(value, list | tuple) else [value]
    return all(isinstance(one, str) for one in values)


@dataclass
class LoggedTraits:
    """The traits of the newest logged predictions of a model."""

    newest: deque[Traits]
    n_of_others: int = 0
    """Lines of the same task and other models, which are not used."""


@dataclass
class LogContent:
    """What was found in a log."""

    by_task: dict[str, LoggedTraits]
    n_damaged: int = 0
    """Lines that are no predictions, such as one that a full disk cut off."""


def read_log(folder: Path, models: Mapping[str, str], max_rows: int) -> LogContent:
    """Return the traits of the newest predictions of some models.

    Files may disappear meanwhile.

    Args:
        folder: that of the log; it may not exist yet.
        models: runs of the models, by task.
        max_rows: maximum number of predictions for each model, of which the newest are used.
    """
    content = LogContent({task: LoggedTraits(deque(maxlen=max_rows)) for task in models})
    for file in sorted(folder.glob("*.jsonl"), reverse=True):  # named by their days
        if all(len(found.newest) == max_rows for found in content.by_task.values()):
            break
        of_day = _read_day(file, models, max_rows)
        content.n_damaged += of_day.n_damaged
        for task, found in content.by_task.items():
            earlier = of_day.by_task[task]
            found.newest = deque([*earlier.newest, *found.newest], max_rows)
            found.n_of_others += earlier.n_of_others
    return content


def _read_day(file: Path, models: Mapping[str, str], max_rows: int) -> LogContent:
    content = LogContent({task: LoggedTraits(deque(maxlen=max_rows)) for task in models})
    with suppress(FileNotFoundError), file.open("rb") as lines:
        for line in lines:
            try:
                _add_line(line, models, content.by_task)
            except (
                ValueError,
                LookupError,
                TypeError,
                AttributeError,
                OverflowError,
                RecursionError,
            ):
                content.n_damaged += 1
    return content


def _add_line(line: bytes, models: Mapping[str, str], found: Mapping[str, LoggedTraits]) -> None:
    """Add the traits of a line; any other object of JSON raises one of several exceptions."""
    entry = json.loads(line)
    task, run, prediction = entry["task"], entry["run"], entry["prediction"]
    lengths = [entry.get(name) for name in (INPUT_LENGTH, OUTPUT_LENGTH)]  # not in early lines
    if not all(isinstance(length, int | None) for length in lengths):
        raise TypeError(lengths)
    if task in models and run == models[task]:
        found[task].newest.append(traits_of(prediction, *lengths))
    elif task in models:
        found[task].n_of_others += 1
