"""Chats with an assistant that writes what it is asked for, and then another version of it."""

from __future__ import annotations

from random import Random
from typing import Any

from textmill.sample.language.patterns import draw_scene, plain, realise
from textmill.sample.language.world import World

REQUESTS = (
    (
        "Write a sentence that introduces {mayor}, {mayor_job} of {place}.",
        "May I introduce {mayor}, the {mayor_job} of {place}?",
        (("Say it more simply.", "This is {mayor} from {place}."),),
    ),
    (
        "Invite our friends to the {festival} in {place} in {festival_month}.",
        "Dear friends, come to the {festival} in {place} this {festival_month}!",
        (
            (
                "Make it more formal.",
                "We would be glad to see you at the {festival} in {place}.",
            ),
            ("Say only when it is.", "In {festival_month}."),
        ),
    ),
    (
        "Make a question of this: {captain} plays for {team}.",
        "Who plays for {team}?",
        (("And the answer?", "{captain} plays for {team}."),),
    ),
    (
        "Write a headline: {team} beat {rival} {score} on {date}.",
        "{rival} lose {score} to {team}",
        (("Add the date.", "{rival} lose {score} to {team} on {date}"),),
    ),
    (
        "A guest asks for the way to {sight}. Answer that {guide} knows it.",
        "Please ask {guide}, who knows the way to {sight}.",
        (("Thank the guest for coming.", "Thank you for coming to {sight}."),),
    ),
    (
        "Tell a customer that the {product} by {company} costs {price}.",
        "Dear customer, the {product} by {company} costs {price}.",
        (("Say it in a few words.", "The {product}: {price}."),),
    ),
    (
        "Tell readers about {book}, which {novelist} wrote in {book_year}.",
        "In {book_year}, {novelist} gave us {book}.",
        (("Recommend it.", "You should read {book} by {novelist}."),),
    ),
    (
        "Is {film} by {filmmaker} from {film_year} worth seeing?",
        "Yes, {film} by {filmmaker} is worth seeing.",
        (("How old is it?", "It is from {film_year}."),),
    ),
)
"""What a user asks for, the response, and further requests with theirs."""

FURTHER_SHARE = 0.5
"""Share of the chats with a further request."""


def write_chat(world: World, rng: Random, *, is_test: bool) -> dict[str, Any]:
    """Return an example: the column messages, objects with role and content."""
    scene = draw_scene(world, rng)
    request, response, further = rng.choice(REQUESTS)
    said = [request, response]
    if rng.random() < FURTHER_SHARE:
        said += rng.choice(further)
    return {
        "messages": [
            {
                "role": "assistant" if number % 2 else "user",
                "content": plain(realise(pattern, scene, rng)),
            }
            for number, pattern in enumerate(said)
        ]
    }
