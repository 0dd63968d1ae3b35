"""What came of a memorization audit: the exposure of canaries, and reproduced excerpts."""

from __future__ import annotations

from statistics import fmean

from pydantic import BaseModel, ConfigDict

from textmill.config import AUDIT_SCORES, VERBATIM_SCORES
from textmill.evaluation.metrics import Metric

FILE = "audit.json"
TRAIN, VALIDATION = "train", "validation"
METRICS = (Metric(AUDIT_SCORES.rstrip("/"), lower_is_better=True),)
"""The definition of all scores: what is known is leaked."""


class AuditedCanary(BaseModel):
    """A canary, and what the backbone knows of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    prompt: str
    secret: str
    repetitions: int
    """How often it was in the training text."""
    loss: float
    """Negative log-likelihood of the whole text, in nats."""
    exposure: float
    """In bits."""
    continuation: str
    """What the backbone writes after the prompt, by greedy decoding."""

    @property
    def is_extracted(self) -> bool:
        """Whether the backbone writes the secret."""
        return self.secret in self.continuation


class Audit(BaseModel):
    """The outcome of an audit."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    canaries: tuple[AuditedCanary, ...]
    alternatives: int
    """Secrets among which each was ranked, besides its own."""
    max_exposure: float
    """In bits: that of the likeliest of all possible secrets."""
    epochs: float
    """How often training has read the text, on average."""
    prompt_tokens: int
    continuation_tokens: int
    excerpts: dict[str, tuple[bool, ...]]
    """By split, whether each excerpt was reproduced."""

    def groups(self) -> dict[int, list[AuditedCanary]]:
        """Return the canaries by how often they were in the training text."""
        groups: dict[int, list[AuditedCanary]] = {}
        for canary in self.canaries:
            groups.setdefault(canary.repetitions, []).append(canary)
        return groups

    def metrics(self) -> dict[str, float]:
        """Return the scores by name, without those of a split that has no excerpts."""
        scores: dict[str, float] = {}
        for times, group in self.groups().items():
            scores[f"{AUDIT_SCORES}exposure/{times}"] = fmean(c.exposure for c in group)
            scores[f"{AUDIT_SCORES}extracted/{times}"] = fmean(c.is_extracted for c in group)
        shares = {split: fmean(found) for split, found in self.excerpts.items() if found}
        scores |= {f"{VERBATIM_SCORES}{split}": share for split, share in shares.items()}
        if {TRAIN, VALIDATION} <= shares.keys():
            scores[f"{VERBATIM_SCORES}excess"] = shares[TRAIN] - shares[VALIDATION]
        return scores
