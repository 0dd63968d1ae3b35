"""Short reports labelled with their topic."""

from __future__ import annotations

from random import Random

from textmill.sample.holdout import is_held_out
from textmill.sample.language.news import TOPICS
from textmill.sample.language.patterns import Span, draw_scene, realise, sentences
from textmill.sample.language.world import World

ASIDE_SHARE = 0.5
"""Reports that go on with a sentence from another topic; the opening sentence still decides."""
NEW_LEAD_SHARE = 0.25
"""Test examples that open with a pattern unknown from training; the others pair known ones anew."""


def write_topic(label: str, world: World, rng: Random, *, is_test: bool) -> list[Span]:
    """Return a report of two sentences on the topic, from a pair on the right side of the split."""
    topic = TOPICS[label]
    if is_test and rng.random() < NEW_LEAD_SHARE:
        lead, second = rng.choice(topic.new_leads), _draw_second(label, rng)
    else:
        lead, second = rng.choice(topic.leads), _draw_second(label, rng)
        while is_held_out(lead, second) != is_test:
            lead, second = rng.choice(topic.leads), _draw_second(label, rng)
    scene = draw_scene(world, rng)
    return sentences([realise(lead, scene, rng), realise(second, scene, rng)])


def _draw_second(label: str, rng: Random) -> str:
    """Return the pattern of a sentence that may follow the opening one."""
    if rng.random() < ASIDE_SHARE:
        other = rng.choice([name for name in TOPICS if name != label])
        return rng.choice(TOPICS[other].asides)
    return rng.choice(TOPICS[label].details)


def write_article(world: World, rng: Random) -> list[Span]:
    """Return a longer report for pretraining, about one scene, from all patterns."""
    topic = TOPICS[rng.choice(list(TOPICS))]
    aside = rng.choice(TOPICS[rng.choice(list(TOPICS))].asides)
    middle = [aside, *rng.sample(topic.details, rng.randint(2, 4))]
    rng.shuffle(middle)
    leads = rng.sample(topic.leads + topic.new_leads, rng.randint(1, 2))
    scene = draw_scene(world, rng)
    return sentences([realise(pattern, scene, rng) for pattern in [*leads, *middle]])
