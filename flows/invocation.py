"""A composed configuration with its name and overrides."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from textmill.compose import compose, redact_override
from textmill.config import Config


class Composed:
    """The configuration of a command, composed once and passed on.

    Not a dataclass: Prefect inspects dataclasses among the parameters of a flow.

    Args:
        config: the configuration.
        name: a file of conf/, or the absolute path of a YAML file.
        overrides: settings that were changed.
    """

    def __init__(self, config: Config, name: str, overrides: Sequence[str] = ()) -> None:
        self.config = config
        self.name = name
        self.overrides = tuple(overrides)

    @classmethod
    def of(cls, name: str = "demo", overrides: Sequence[str] = ()) -> Composed:
        """Return the configuration of that name or file, with the overrides applied.

        Raises:
            InputError: an unknown file, key or value; the message names it and the fix.
        """
        config = compose(name, overrides)
        place = str(Path(name).resolve()) if name.endswith((".yaml", ".yml")) else name
        return cls(config, place, overrides)

    def command_line(self, flow: str, argument: str | None = None) -> str:
        """Return the command line that runs a flow, without credentials."""
        words = [
            "textmill",
            "run" if flow == "pipeline" else flow,
            *([argument] if argument else []),
        ]
        return shlex.join([*words, "--config", self.name, *self.recorded_overrides()])

    def recorded_overrides(self) -> list[str]:
        """Return the overrides without credentials, to record and show."""
        return [redact_override(override) for override in self.overrides]
