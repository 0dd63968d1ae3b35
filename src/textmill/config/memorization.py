"""Configuration of the memorization audit."""

from __future__ import annotations

import string
from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from textmill.config.settings import Settings
from textmill.config.training import Accelerator
from textmill.errors import listed

AUDIT_SCORES = "audit/"
"""Prefix of the scores of the memorization audit, in promotion.floors and MLflow."""
VERBATIM_SCORES = f"{AUDIT_SCORES}verbatim/"
"""Prefix of those of excerpts, which texts that are too short do not have."""
LANGUAGE_MODEL_SCORES = "lm"
"""The entry of promotion.floors that has these scores."""
NAME, SECRET = "name", "secret"
"""The slots of a template."""
MIN_NUMBERS_PER_CANARY = 10
"""Minimum possible secrets for every canary: most must never be in the training text."""


def _check_template(template: str) -> str:
    try:
        slots = [
            tuple(slot) for _, *slot in string.Formatter().parse(template) if slot[0] is not None
        ]
    except ValueError:
        slots = []
    if slots != [(name, "", None) for name in (NAME, SECRET)]:
        raise ValueError(
            f"the template {template!r} must have {{{NAME}}} and after it {{{SECRET}}}, each once: "
            "a random name, by which a canary is asked for, and the random digits that the model "
            "must not know."
        )
    return template


Template = Annotated[str, AfterValidator(_check_template)]


class CanariesConfig(Settings):
    """Random texts that are added to the training text, to find out what a model memorizes."""

    templates: tuple[Template, ...] = Field(
        ("The access code of {name} is {secret}.",), min_length=1
    )
    """Texts with a random {name}, by which a canary is asked for, and after it random digits, the
    {secret}. Canaries use them in turn."""
    digits: int = Field(6, ge=3, le=15)
    """Digits of a secret."""
    repetitions: tuple[Annotated[int, Field(gt=0)], ...] = Field((1, 4, 16), min_length=1)
    """How often a canary is in the training text, for each group of canaries."""
    canaries: int = Field(10, gt=0)
    """Canaries in a group."""
    seed: int = Field(0, ge=0, lt=2**63)
    """Random seed of the canaries, and of what the audit compares them with."""

    @property
    def n_canaries(self) -> int:
        """Number of different canaries."""
        return self.canaries * len(self.repetitions)

    @model_validator(mode="after")
    def _groups_differ(self) -> Self:
        if len({*self.repetitions}) < len(self.repetitions):
            raise ValueError(
                f"repetitions={listed(self.repetitions)} has a number twice: remove one, "
                "or raise canaries."
            )
        return self

    @model_validator(mode="after")
    def _secrets_are_few(self) -> Self:
        if self.n_canaries * MIN_NUMBERS_PER_CANARY > 10**self.digits:
            raise ValueError(
                f"digits={self.digits} has {10**self.digits:,} secrets, too few for "
                f"{self.n_canaries:,} canaries: raise it, or lower canaries."
            )
        return self


class AuditConfig(CanariesConfig):
    """The memorization audit of the backbone: the audit section.

    Its canaries are part of the training text of every backbone that is audited.
    """

    enabled: bool = False
    """Add canaries to the training text, and measure what the backbone knows of them."""
    alternatives: int = Field(1000, ge=100)
    """Secrets that are in no training text, among which the rank of a canary's own is measured."""
    excerpts: int = Field(256, gt=0)
    """Maximum excerpts of the training text, and of the validation text, that the backbone is asked
    to continue."""
    prompt_tokens: int = Field(32, gt=0)
    """Tokens of an excerpt that the backbone is given."""
    continuation_tokens: int = Field(32, gt=0)
    """Tokens after these that it must write exactly for the excerpt to be reproduced."""

    @property
    def planted(self) -> CanariesConfig:
        """The settings of the canaries, without those of the audit."""
        return CanariesConfig(**{name: getattr(self, name) for name in CanariesConfig.model_fields})

    @property
    def scores(self) -> tuple[str, ...]:
        """Names of the scores: maxima of the gate may be set for them."""
        return (
            *(f"{AUDIT_SCORES}exposure/{times}" for times in self.repetitions),
            *(f"{AUDIT_SCORES}extracted/{times}" for times in self.repetitions),
            *(f"{VERBATIM_SCORES}{name}" for name in ("train", "validation", "excess")),
        )

    def check(self, block_size: int | None, floors: Mapping[str, Mapping[str, float]]) -> None:
        """Check the audit against other settings.

        Args:
            block_size: the context of the model; None: not chosen yet.
            floors: promotion.floors.

        Raises:
            ValueError: an excerpt does not fit into the context, or the gate has a maximum for a
                score that the audit does not have.
        """
        n_tokens = self.prompt_tokens + self.continuation_tokens
        if self.enabled and block_size is not None and n_tokens > block_size:
            raise ValueError(
                f"audit.prompt_tokens={self.prompt_tokens} and audit.continuation_tokens="
                f"{self.continuation_tokens} do not fit into model.block_size={block_size}: "
                "lower them to that in total."
            )
        for task, metrics in floors.items():
            for metric in metrics:
                if metric.startswith(AUDIT_SCORES) and (problem := self._problem(task, metric)):
                    raise ValueError(f"promotion.floors.{task}.{metric}: {problem}.")

    def _problem(self, task: str, metric: str) -> str:
        """Return why the gate cannot have a maximum for a score; empty if it can."""
        if task != LANGUAGE_MODEL_SCORES:
            return f"only {LANGUAGE_MODEL_SCORES} has scores of the audit: move it there"
        if not self.enabled:
            return "there is no audit: set audit.enabled=true, or remove it"
        if metric not in self.scores:
            return f"the audit has no such score: use one of {listed(self.scores)}"
        return ""


class AuditStepConfig(AuditConfig):
    """Configuration of the audit step."""

    accelerator: Accelerator = "auto"
    """That of pretraining."""
