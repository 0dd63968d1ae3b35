"""Short texts with word-level labels of named entities.

The names themselves do not determine the type: teams and festivals are also named after towns, and
companies after family names.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import Random

from textmill.sample import prose
from textmill.sample.holdout import is_held_out
from textmill.sample.language.judgements import CONTEXTS, DOMAINS
from textmill.sample.language.news import TOPICS
from textmill.sample.language.patterns import Scene, Span, draw_scene, plain, realise, sentences
from textmill.sample.language.world import World
from textmill.sample.topics import NEW_LEAD_SHARE

GENRES: tuple[tuple[str, ...], ...] = (
    tuple(
        pattern
        for topic in TOPICS.values()
        for pattern in topic.leads + topic.details + topic.asides
    ),
    prose.PEOPLE + prose.PLACES + prose.THINGS,
    prose.DIARY,
    prose.NEWS + prose.REQUESTS,
    tuple(opener for domain in DOMAINS for opener in domain.openers) + CONTEXTS,
)
"""Sentence patterns by genre, news first. Raw text never combines two genres."""
NEW_LEADS = tuple(lead for topic in TOPICS.values() for lead in topic.new_leads)
"""Patterns that do not occur in training examples."""

NAMELESS_SHARE = 0.08
"""Share of texts drawn without any name; a few others have none by chance."""

_SLOT = re.compile(r"\{(\w+)\}")
_TOKEN = re.compile(r"\w+(?:[-.,:'’]\w+)*|[^\w\s]")
"""A word or a punctuation mark. Punctuation within a word is part of it: Torgau-Nord, 3,500."""


def write_tagged(world: World, rng: Random, *, is_test: bool) -> dict[str, list[str]]:
    """Return an example of a split: the columns tokens and ner_tags of a text of two sentences."""
    scene = draw_scene(world, rng)
    drawn = rng.random()
    if drawn < NAMELESS_SHARE:
        nameless = [_without_names(genre, scene) for genre in GENRES]
        patterns = _draw_pair([genre for genre in nameless if genre], rng, is_test=is_test)
    elif is_test and drawn < NAMELESS_SHARE + NEW_LEAD_SHARE:
        patterns = rng.choice(NEW_LEADS), rng.choice(rng.choice(GENRES[1:]))
    else:
        patterns = _draw_pair(GENRES, rng, is_test=is_test)
    tokens, tags = tag(sentences([realise(pattern, scene, rng) for pattern in patterns]))
    return {"tokens": tokens, "ner_tags": tags}


def _without_names(patterns: Sequence[str], scene: Scene) -> tuple[str, ...]:
    """Return the patterns without slots for names."""
    return tuple(
        pattern
        for pattern in patterns
        if all(scene[slot].entity is None for slot in _SLOT.findall(pattern))
    )


def _draw_pair(genres: Sequence[Sequence[str]], rng: Random, *, is_test: bool) -> tuple[str, str]:
    """Return patterns of two genres whose pair belongs to the split."""
    while True:
        first, second = (rng.choice(genre) for genre in rng.sample(genres, 2))
        if is_held_out(first, second) == is_test:
            return first, second


def tag(spans: Sequence[Span]) -> tuple[list[str], list[str]]:
    """Return the tokens of the text and their tags in strict IOB2, such as B-PER, I-PER and O."""
    # The index of the span of each character, to look up the entity of a token.
    numbers = [number for number, span in enumerate(spans) for _ in span.text]
    tokens, tags = [], []
    number_before = None
    for match in _TOKEN.finditer(plain(spans)):
        number, last_number = numbers[match.start()], numbers[match.end() - 1]
        entity = spans[number].entity
        assert spans[last_number].entity == entity, f"a name ends inside the word {match[0]!r}"
        if entity is None:
            tags.append("O")
        else:
            tags.append(f"I-{entity}" if number == number_before else f"B-{entity}")
        tokens.append(match[0])
        number_before = number
    return tokens, tags
