"""Short news reports labelled with their topic."""

from __future__ import annotations

from random import Random

from textmill.sample.holdout import is_held_out
from textmill.sample.language.news import TOPICS
from textmill.sample.language.patterns import Span, draw_scene, realise, sentences
from textmill.sample.language.world import World

ASIDE_SHARE = 0.5
"""Share of reports with a second sentence from another topic; the first determines the label."""
NEW_LEAD_SHARE = 0.25
"""Share of test examples with an unseen first pattern; the others have unseen pairs of patterns."""


def write_topic(label: str, world: World, rng: Random, *, is_test: bool) -> list[Span]:
    """Return a report of two sentences on the topic, from a pair that belongs to the split."""
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
    """Return a pattern for the second sentence."""
    if rng.random() < ASIDE_SHARE:
        other = rng.choice([name for name in TOPICS if name != label])
        return rng.choice(TOPICS[other].asides)
    return rng.choice(TOPICS[label].details)


def write_article(world: World, rng: Random) -> list[Span]:
    """Return a longer report for pretraining about one scene, from the patterns of both splits."""
    topic = TOPICS[rng.choice(list(TOPICS))]
    aside = rng.choice(TOPICS[rng.choice(list(TOPICS))].asides)
    middle = [aside, *rng.sample(topic.details, rng.randint(2, 4))]
    rng.shuffle(middle)
    leads = rng.sample(topic.leads + topic.new_leads, rng.randint(1, 2))
    scene = draw_scene(world, rng)
    return sentences([realise(pattern, scene, rng) for pattern in [*leads, *middle]])
