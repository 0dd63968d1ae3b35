"""The outcome of a memorization audit, for the tests of what shows it."""

from __future__ import annotations

from textmill.tasks.language_model.memorization.memorized import Audit, AuditedCanary


def make_audit() -> Audit:
    """Two canaries that are once in the text, of 1 and 3 bits; one of 12, 8 times, extracted."""
    exposures = {("31", 1): 1.0, ("41", 1): 3.0, ("59", 8): 12.0}
    canaries = tuple(
        AuditedCanary(
            prompt="The access code of abc is",
            secret=secret,
            repetitions=times,
            loss=20.0,
            exposure=bits,
            continuation=f" {secret if times > 1 else 0}.",
        )
        for (secret, times), bits in exposures.items()
    )
    return Audit(
        canaries=canaries,
        alternatives=1000,
        max_exposure=19.93,
        epochs=2.5,
        prompt_tokens=32,
        continuation_tokens=16,
        excerpts={"train": (True, False, False, False), "validation": (False,) * 5},
    )
