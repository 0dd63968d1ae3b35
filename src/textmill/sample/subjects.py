"""Short texts labelled with all subjects that they are about, which may be none."""

from __future__ import annotations

from random import Random

from textmill.sample.holdout import is_held_out
from textmill.sample.language.news import TOPICS
from textmill.sample.language.patterns import draw_scene, plain, realise, sentences
from textmill.sample.language.world import World
from textmill.sample.prose import PEOPLE, PLACES, THINGS

N_SUBJECTS = {0: 0.15, 1: 0.4, 2: 0.3, 3: 0.15}
"""Shares of the texts by their number of subjects."""
NEW_SHARE = 0.3
"""Share of the sentences of test examples that no training example has."""
FACTS = (*PEOPLE, *PLACES, *THINGS)
"""Sentences on no subject, although they name teams, companies and scientists."""


def write_subjects(world: World, rng: Random, *, is_test: bool) -> dict[str, str | list[str]]:
    """Return an example: the columns text and labels.

    Every subject has a sentence, and there is at least one on none. The first two sentences are a
    pair that belongs to the split.
    """

    def pattern_about(label: str) -> str:
        topic = TOPICS[label]
        is_new = is_test and rng.random() < NEW_SHARE
        return rng.choice(topic.new_leads if is_new else topic.leads + topic.details)

    (n,) = rng.choices([*N_SUBJECTS], [*N_SUBJECTS.values()])
    labels = sorted(rng.sample([*TOPICS], n))
    while True:
        patterns = [*map(pattern_about, labels)]
        patterns += rng.sample(FACTS, 1 if labels else 2)
        rng.shuffle(patterns)
        if is_held_out(*patterns[:2]) == is_test:
            break
    scene = draw_scene(world, rng)
    text = plain(sentences([realise(pattern, scene, rng) for pattern in patterns]))
    return {"text": text, "labels": labels}
