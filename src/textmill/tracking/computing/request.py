"""What a pipeline asks of a step: its settings and inputs, and the key that they come to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pydantic import BaseModel

from textmill.config import TaskConfig
from textmill.errors import RunError
from textmill.steps.key import describe_step, key_of
from textmill.steps.raw_sources import Source
from textmill.steps.step import Step, edited_file
from textmill.tracking.results import Result
from textmill.tracking.store import Dataset


@dataclass(frozen=True)
class Request:
    """A step with all that its result depends on."""

    step: Step
    config: BaseModel
    inputs: Mapping[str, Result]
    """Results of earlier steps, by the names that the step knows them by."""
    sources: tuple[Source, ...]
    """Raw files that the configuration names."""
    task: TaskConfig | None

    @cached_property
    def label(self) -> str:
        """Name of the step, with its task."""
        return self.step.label(self.task.name if self.task else None)

    @cached_property
    def description(self) -> dict[str, Any]:
        """All that can change the result."""
        digests = {name: result.digest for name, result in self.inputs.items()}
        digests |= {f"source:{source.name}": source.digest for source in self.sources}
        return describe_step(self.step, self.config, digests)

    @cached_property
    def key(self) -> str:
        """Digest of the description."""
        return key_of(self.description)

    def manifest(self) -> dict[str, Any]:
        """Return what a manifest says of the request; what came of it is added."""
        inputs = {
            name: {"run_id": result.run_id, "key": result.key, "digest": result.digest}
            for name, result in self.inputs.items()
        }
        sources = {
            source.name: {
                "place": source.place,
                "digest": source.digest,
                "context": source.context,
                "files": dict(source.files),
            }
            for source in self.sources
        }
        return self.description | {"key": self.key, "inputs": inputs, "sources": sources}

    def datasets(self) -> list[Dataset]:
        """Return what the step reads, as MLflow records it."""
        made = [(n, str(r.folder), r.digest, self.step.name) for n, r in self.inputs.items()]
        return [*map(raw_dataset, self.sources), *made]

    def check_unchanged(self) -> None:
        """Raise an error unless code and raw files are those that the key was made from.

        Raises:
            InputError: raw files have changed.
            RunError: code has been edited.
        """
        if file := edited_file(self.step, self.description["config"]):
            raise RunError(f"{file} was edited after the run of {self.label} began: run again.")
        for source in self.sources:
            source.check()


def raw_dataset(source: Source) -> Dataset:
    """Return raw data as MLflow records them."""
    return source.name, source.place, source.digest, source.context
