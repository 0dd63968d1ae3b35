"""The scaling law: the loss that a size and a number of tokens lead to, and the best of both."""

from __future__ import annotations

import math
from dataclasses import dataclass

from textmill.config import ScalingLaw

TOKENS_HALF_LIFE = 15.39
"""Repetitions of a text, beyond its first epoch, whose worth has fallen to 1/e of a new text's
(R_D* in Muennighoff et al. 2023, section 3.1)."""


@dataclass(frozen=True)
class Choice:
    """The compute-optimal training for a budget."""

    parameters: float
    tokens: float
    loss: float
    """Predicted by the scaling law, in nats per token, on the data that it was fitted to."""


def predicted_loss(parameters: float, tokens: float, law: ScalingLaw) -> float:
    """Return the loss that the scaling law predicts, in nats per token."""
    return float(law.e + law.a / parameters**law.alpha + law.b / tokens**law.beta)


def compute_optimal(flops: float, law: ScalingLaw) -> Choice:
    """Return the compute-optimal model size and number of tokens for a budget of FLOPs.

    The loss is E + A/N^α + B/D^β for N parameters and D tokens, with 6ND operations; its minimum
    is at N = G(C/6)^(β/(α+β)), G = (αA/βB)^(1/(α+β)) (Hoffmann et al. 2022, section 3.3, eq. 4).
    """
    total = law.alpha + law.beta
    ratio = (law.alpha * law.a / (law.beta * law.b)) ** (1 / total)
    parameters = ratio * (flops / 6) ** (law.beta / total)
    tokens = flops / 6 / parameters
    return Choice(parameters, tokens, predicted_loss(parameters, tokens, law))


def repeated_loss(parameters: float, tokens: float, unique: float, law: ScalingLaw) -> float:
    """Return the predicted loss after several epochs of a text, in nats per token.

    Repeated tokens count less the more there are (Muennighoff et al. 2023, equation 5). Their
    discount of parameters is left out: for texts of a few megabytes, it makes all but the smallest
    models equally good, and these are worse (docs/decisions.md).

    Args:
        parameters: parameters in matrix products.
        tokens: tokens seen in training, over all epochs.
        unique: tokens of the text.
        law: of unrepeated text.
    """
    unique = min(unique, tokens)
    repetitions = tokens / unique - 1
    worth = unique * (1 + TOKENS_HALF_LIFE * -math.expm1(-repetitions / TOKENS_HALF_LIFE))
    return predicted_loss(parameters, worth, law)
