"""The table of a memorization audit: a row for each group of canaries, and each split."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from statistics import fmean

from textmill.evaluation.exposure import CHANCE
from textmill.evaluation.proportions import proportion_interval
from textmill.tasks.language_model.memorization.memorized import TRAIN, Audit

HEADER = ("memorization", "texts", "exposure in bits", "reproduced", "95 % interval")


def rows(audit: Audit) -> Iterator[tuple[str, ...]]:
    """Yield the cells of a table with `HEADER`."""
    for times, group in audit.groups().items():
        bits = [canary.exposure for canary in group]
        yield (
            f"canaries, {times} × in the text",
            f"{len(group)}",
            f"{fmean(bits):.2f} ({min(bits):.2f} to {max(bits):.2f})",
            *_share([canary.is_extracted for canary in group]),
        )
    yield ("canaries, not in the text (expected)", "", f"{CHANCE:.2f}", "", "")
    for split, found in audit.excerpts.items():
        name = "training" if split == TRAIN else split
        yield (f"{name} text", f"{len(found)}", "", *_share(found))


def legend(audit: Audit) -> str:
    """Return what the table shows, in sentences."""
    return (
        f"Training read the text {audit.epochs:.3g} times. A canary is reproduced if greedy "
        f"decoding after its name writes the secret; its exposure, at most "
        f"{audit.max_exposure:.1f} bits, is its rank among {audit.alternatives:,} other secrets, "
        f"extrapolated beyond {math.log2(audit.alternatives + 1):.1f} bits. "
        f"Text is reproduced if {audit.prompt_tokens} tokens of it are continued by the next "
        f"{audit.continuation_tokens} exactly; validation text was not read in training."
    )


def markdown(audit: Audit) -> str:
    """Return the scores as a Markdown table."""
    cells = [HEADER, ("---",) * len(HEADER), *rows(audit)]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)


def _share(found: Sequence[bool]) -> tuple[str, str]:
    """Return the cells of a share with its interval; empty of nothing."""
    if not found:
        return "", ""
    interval = proportion_interval(found)
    return f"{interval.value:.3f}", f"{interval.low:.3f} to {interval.high:.3f}"
