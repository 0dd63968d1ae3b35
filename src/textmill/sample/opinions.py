"""Reviews labelled with their sentiment.

The last opinion determines the label. It may follow an opposite opinion, an opinion may be a
negated opposite, and every pair of noun and adjective occurs in either the training or the test
examples; so counting words is not enough.
"""

from __future__ import annotations

from random import Random

from textmill.sample.holdout import is_held_out
from textmill.sample.language.judgements import (
    ADDITIONS,
    BAD,
    CONTEXTS,
    CONTRASTS,
    DENIALS,
    DOMAINS,
    FRAMES,
    GOOD,
    VERDICTS,
    Domain,
)
from textmill.sample.language.patterns import Span, draw_scene, realise, sentences
from textmill.sample.language.world import World

SENTIMENTS = ("negative", "positive")

DENIAL_SHARE = 0.12
"""Share of opinions that negate the opposite ("not at all dull")."""
CONTRAST_SHARE = 0.16
"""Share of judgements with an opposite opinion before the decisive one."""
ADDITION_SHARE = 0.4
"""Share of judgements with two opinions of the same sentiment."""
VERDICT_SHARE = 0.25
"""Share of reviews that end with an overall verdict."""
CONTEXT_SHARE = 0.3
"""Share of reviews with a neutral sentence."""


def write_review(label: str, world: World, rng: Random, *, is_test: bool) -> list[Span]:
    """Return a review with one judgement, from opinions that belong to the split."""
    domain = rng.choice(DOMAINS)
    patterns = [rng.choice(domain.openers)]
    if rng.random() < CONTEXT_SHARE:
        patterns.append(rng.choice(CONTEXTS))
    patterns.append(_judgement(domain, label == "positive", rng, is_test))
    if rng.random() < VERDICT_SHARE:
        patterns.append(rng.choice(VERDICTS[label]))
    scene = draw_scene(world, rng)
    return sentences([realise(pattern, scene, rng) for pattern in patterns])


def write_raw_review(world: World, rng: Random) -> list[Span]:
    """Return a review for pretraining, with several judgements of one sentiment, of both splits."""
    domain = rng.choice(DOMAINS)
    label = rng.choice(SENTIMENTS)
    judgements = [
        _judgement(domain, label == "positive", rng, is_test=rng.random() < 0.25)
        for _ in range(rng.randint(2, 4))
    ]
    patterns = [
        rng.choice(domain.openers),
        *rng.sample(CONTEXTS, rng.randint(0, 2)),
        *judgements,
        rng.choice(VERDICTS[label]),
    ]
    scene = draw_scene(world, rng)
    return sentences([realise(pattern, scene, rng) for pattern in patterns])


def _judgement(domain: Domain, is_positive: bool, rng: Random, is_test: bool) -> str:
    """Return a pattern of one or two opinions, of which the last has the given sentiment."""
    first_noun, last_noun = rng.sample(domain.aspects, 2)
    last = _opinion(domain, last_noun, is_positive, rng, is_test)
    drawn = rng.random()
    if drawn < CONTRAST_SHARE:
        joint = rng.choice(CONTRASTS)
        first = _opinion(domain, first_noun, not is_positive, rng, is_test)
    elif drawn < CONTRAST_SHARE + ADDITION_SHARE:
        joint = rng.choice(ADDITIONS)
        first = _opinion(domain, first_noun, is_positive, rng, is_test)
    else:
        return f"{last}."
    return joint.replace("<first>", first).replace("<last>", last) + "."


def _opinion(domain: Domain, noun: str, is_positive: bool, rng: Random, is_test: bool) -> str:
    """Return the pattern of a clause about the noun."""
    is_denied = rng.random() < DENIAL_SHARE
    is_praise = is_positive != is_denied  # a negated complaint is positive
    adjectives = GOOD + domain.good if is_praise else BAD + domain.bad
    adjective = rng.choice([word for word in adjectives if is_held_out(noun, word) == is_test])
    frame = rng.choice(DENIALS if is_denied else FRAMES)
    return frame.replace("<noun>", noun).replace("<adjective>", adjective)
