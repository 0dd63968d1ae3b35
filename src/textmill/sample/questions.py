"""Short passages about two towns, with questions that one of them answers, or neither.

Most statements about one town have a counterpart about the other, so that a question is answered by
the names in it and not by its form alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any

from textmill.sample.language.patterns import Scene, draw_scene, plain, realise
from textmill.sample.language.world import World


@dataclass(frozen=True)
class Fact:
    """A sentence pattern, and patterns of questions with the slot that answers each."""

    statement: str
    questions: tuple[tuple[str, str], ...]


FACTS = (
    Fact(
        "{mayor} is the {mayor_job} of {place}.",
        (("Who is the {mayor_job} of {place}?", "mayor"),),
    ),
    Fact(
        "{captain} has been the {captain_job} of {team} since {year}.",
        (
            ("Who is the {captain_job} of {team}?", "captain"),
            ("Since when has {captain_family} been the {captain_job} of {team}?", "year"),
        ),
    ),
    Fact(
        "{director} is in charge of {employer}, which employs {count} people.",
        (
            ("Who is in charge of {employer}?", "director"),
            ("How many people does {employer} employ?", "count"),
        ),
    ),
    Fact(
        "{scientist}, a {scientist_job}, works at the {institute}.",
        (
            ("Where does {scientist_family} work?", "institute"),
            ("What is the profession of {scientist}?", "scientist_job"),
        ),
    ),
    Fact(
        "{filmmaker} shot {film} in {film_year}.",
        (
            ("Who shot {film}?", "filmmaker"),
            ("When was {film} shot?", "film_year"),
            ("Which film did {filmmaker_family} shoot?", "film"),
        ),
    ),
    Fact(
        "{book} by {novelist} came out in {book_year}.",
        (
            ("Who is the author of {book}?", "novelist"),
            ("When did {book} come out?", "book_year"),
            ("Which book is by {novelist_family}?", "book"),
        ),
    ),
    Fact(
        "For {few} years, {guide} has shown visitors the way to {sight}.",
        (
            ("Who shows visitors the way to {sight}?", "guide"),
            ("For how many years has {guide_family} shown visitors the way?", "few"),
        ),
    ),
    Fact(
        "The {festival} takes place in {place} every {festival_month}.",
        (
            ("Where does the {festival} take place?", "place"),
            ("In which month is the {festival}?", "festival_month"),
        ),
    ),
    Fact(
        "A ticket to {sight} costs {price}.",
        (("How much is a ticket to {sight}?", "price"),),
    ),
    Fact(
        "{team} beat {rival} {score} on {date}.",
        (
            ("When did {team} beat {rival}?", "date"),
            ("By what score did {team} beat {rival}?", "score"),
        ),
    ),
    Fact(
        "The {product} is a {kind} made by {company}.",
        (
            ("Who makes the {product}?", "company"),
            ("What kind of thing is the {product}?", "kind"),
        ),
    ),
    Fact(
        "Some {thousands} visitors a year come to {place}, most of them to see {sight}.",
        (
            ("How many visitors come to {place} in a year?", "thousands"),
            ("What do most visitors of {place} come to see?", "sight"),
        ),
    ),
)

NO_ANSWER_SHARE = 0.25
COUNTERPART_SHARE = 0.7
"""Share of the statements that are also made about the other town."""
N_FACTS = (2, 4)
"""Minimum and maximum number of facts about the first town."""


def write_question(world: World, rng: Random, *, is_test: bool) -> dict[str, Any]:
    """Return an example: the columns context, question and answers, as in SQuAD."""
    here, there = _two_scenes(world, rng)
    facts = rng.sample(FACTS, rng.randint(*N_FACTS) + 1)
    asked, *others = facts
    question, slot = rng.choice(asked.questions)
    stated = [(fact, here) for fact in others]
    stated += [(fact, there) for fact in facts if rng.random() < COUNTERPART_SHARE]
    has_answer = rng.random() >= NO_ANSWER_SHARE
    if has_answer:
        stated.append((asked, here))
    rng.shuffle(stated)
    texts: list[str] = []
    found: dict[str, list[Any]] = {"text": [], "answer_start": []}
    for fact, scene in stated:
        text = _realised(fact.statement, scene, rng)
        if has_answer and fact is asked and scene is here:
            before = fact.statement[: fact.statement.index(f"{{{slot}}}")]
            start = len(_realised(before, scene, rng))
            found["text"].append(text[start : start + len(scene[slot].text)])
            found["answer_start"].append(start + sum(len(one) + 1 for one in texts))
        texts.append(text)
    return {
        "context": " ".join(texts),
        "question": _realised(question, here, rng),
        "answers": found,
    }


def _two_scenes(world: World, rng: Random) -> tuple[Scene, Scene]:
    """Return scenes in two different towns."""
    first = draw_scene(world, rng)
    while True:
        second = draw_scene(world, rng)
        if second["place"] != first["place"]:
            return first, second


def _realised(pattern: str, scene: Scene, rng: Random) -> str:
    text = plain(realise(pattern, scene, rng))
    return text[:1].upper() + text[1:]
