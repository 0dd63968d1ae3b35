"""A request for a step's result: configuration and inputs, and the key computed from them."""

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
    """A step with everything that its result depends on."""

    step: Step
    config: BaseModel
    inputs: Mapping[str, Result]
    """Results of earlier steps, by input name."""
    sources: tuple[Source, ...]
    """Raw files in the configuration."""
    task: TaskConfig | None

    @cached_property
    def label(self) -> str:
        """Name of the step, with its task."""
        return self.step.label(self.task.name if self.task else None)

    @cached_property
    def description(self) -> dict[str, Any]:
        """Everything that can change the result: configuration, digests of inputs, code."""
        digests = {name: result.digest for name, result in self.inputs.items()}
        digests |= {f"source:{source.name}": source.digest for source in self.sources}
        return describe_step(self.step, self.config, digests)

    @cached_property
    def key(self) -> str:
        """Digest of the description."""
        return key_of(self.description)

    def manifest(self) -> dict[str, Any]:
        """Return the manifest's entries about the request; the outcome is added later."""
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
        """Return the step's inputs as MLflow datasets."""
        results = [(n, str(r.folder), r.digest, self.step.name) for n, r in self.inputs.items()]
        return [*map(raw_dataset, self.sources), *results]

    def check_unchanged(self) -> None:
        """Raise an error if code or raw files have changed since the key was computed.

        Raises:
            InputError: raw files have changed.
            RunError: code has been edited.
        """
        if file := edited_file(self.step, self.description["config"]):
            raise RunError(f"{file} was edited after the run of {self.label} started: run again.")
        for source in self.sources:
            source.check()


def raw_dataset(source: Source) -> Dataset:
    """Return raw data as an MLflow dataset."""
    return source.name, source.place, source.digest, source.context
