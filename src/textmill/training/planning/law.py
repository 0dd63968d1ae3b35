"""The scaling law: the loss that a size and a number of tokens lead to, and the best of both."""

from __future__ import annotations

import math
from dataclasses import dataclass

from textmill.config import ScalingLaw

TOKENS_HALF_LIFE = 15.39
"""Repetitions of a text, beyond its first epoch, whose worth has fallen to 1/e of a new text's
(R_D* in Muennighoff et al. 2023, section 3.1)."""
PARAMETERS_HALF_LIFE = 5.31
"""The same for parameters beyond those that the text supports (R_N*)."""


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

    Repeated tokens, and parameters beyond those that are compute-optimal for the text, count less
    the more there are (Muennighoff et al. 2023, equations 5 to 7).

    Args:
        parameters: parameters in matrix products.
        tokens: tokens seen in training, over all epochs.
        unique: tokens of the text.
        law: of unrepeated text.
    """
    unique = min(unique, tokens)
    supported = min(optimal_parameters(unique, law), parameters)
    return predicted_loss(
        _discounted(parameters, supported, PARAMETERS_HALF_LIFE),
        _discounted(tokens, unique, TOKENS_HALF_LIFE),
        law,
    )


def optimal_parameters(tokens: float, law: ScalingLaw) -> float:
    """Return the model size for which a number of tokens is compute-optimal.

    There, both terms of the loss have the same elasticity: αA/N^α = βB/D^β.
    """
    ratio = law.alpha * law.a / (law.beta * law.b)
    return float((ratio * tokens**law.beta) ** (1 / law.alpha))


def _discounted(total: float, first: float, half_life: float) -> float:
    """Return what a total is worth whose part beyond the first repeats it."""
    repetitions = total / first - 1
    return first * (1 + half_life * -math.expm1(-repetitions / half_life))
