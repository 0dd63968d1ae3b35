"""Pairs of texts: whether the second follows from the first, contradicts it, or neither."""

from __future__ import annotations

from random import Random

from textmill.sample.language.patterns import draw_scene, plain, realise
from textmill.sample.language.world import World

PARAPHRASES = (
    ("{mayor} is the {mayor_job} of {place}.", "The {mayor_job} of {place} is {mayor}.", "mayor"),
    ("{captain} plays for {team} in {place}.", "{team} has a player named {captain}.", "captain"),
    ("{director} is in charge of {employer}.", "{employer} is led by {director}.", "director"),
    ("{scientist} works at the {institute}.", "The {institute} employs {scientist}.", "scientist"),
    ("{filmmaker} shot {film} in {film_year}.", "{film} was shot in {film_year}.", "film_year"),
    ("{book} by {novelist} came out in {book_year}.", "{novelist} wrote {book}.", "novelist"),
    (
        "The {festival} takes place in {place} every {festival_month}.",
        "In {festival_month} there is the {festival}.",
        "festival_month",
    ),
    ("A ticket to {sight} costs {price}.", "One pays {price} to see {sight}.", "price"),
    ("{team} beat {rival} {score} on {date}.", "On {date}, {rival} lost to {team}.", "date"),
    ("The {product} is a {kind} made by {company}.", "{company} makes the {product}.", "company"),
)
"""A statement, what follows from it, and the slot of the latter that another value contradicts."""

RELATIONS = ("entailment", "contradiction", "neutral")


def write_relation(world: World, rng: Random, *, is_test: bool) -> dict[str, str]:
    """Return an example: the columns premise, hypothesis and label."""
    scene, label = draw_scene(world, rng), rng.choice(RELATIONS)
    asked, *others = rng.sample(PARAPHRASES, 3)
    _, hypothesis, slot = asked
    stated = [others[0], asked] if label != "neutral" else others
    rng.shuffle(stated)
    claimed = scene
    if label == "contradiction":
        other = draw_scene(world, rng)
        while other[slot] == scene[slot]:
            other = draw_scene(world, rng)
        claimed = {**scene, slot: other[slot]}
    premise = " ".join(plain(realise(statement, scene, rng)) for statement, _, _ in stated)
    return {
        "premise": premise,
        "hypothesis": plain(realise(hypothesis, claimed, rng)),
        "label": label,
    }
