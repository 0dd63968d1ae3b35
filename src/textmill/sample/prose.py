"""Notes and letters for pretraining: facts about the world, and informal letters."""

from __future__ import annotations

from random import Random

from textmill.sample.language.patterns import Span, draw_scene, realise, sentences
from textmill.sample.language.world import World

PEOPLE = (
    "{mayor} is the {mayor_job} of {place}.",
    "{captain} plays for {team} and is the {captain_job}.",
    "{captain_family} lives in {place} and trains with {team}.",
    "{director} is the {director_job} of {employer} in {place}.",
    "{scientist} is a {scientist_job} at the {institute} and lives in {place}.",
    "{filmmaker}, a {filmmaker_job} from {place}, made {film}.",
    "{novelist}, a {novelist_job}, wrote {book} at home in {place}.",
    "{guide} is a {guide_job} and shows visitors the way to {sight}.",
    "The author of {book} is {novelist}, whom everybody in {place} knows.",
    "Ask {guide_family} about {sight}: nobody in {place} knows it better.",
    "{mayor_family} opens the {festival} every year.",
    "In {place}, {scientist_family} is known for {scientist_her} work at the {institute}.",
)
PLACES = (
    "{place} is a town in {region}.",
    "{place} and {sight} both lie in {region}.",
    "{sight} is the best known sight of {region}.",
    "The {festival} takes place in {place} every {festival_month}.",
    "The {hotel} stands in the middle of {place}.",
    "People in {place} go to {restaurant} for their birthday.",
    "The train from {place} to {away} leaves at {time} on {weekday}.",
    "Some {thousands} visitors a year come to {place} for {sight} alone.",
    "The {institute} is the pride of {place}.",
    "{away} is further away than it looks on the map.",
)
THINGS = (
    "{company} is a maker of {trade} in {place}.",
    "The {product} is a {kind} made by {company}.",
    "{company} comes from {place}, and so does the {product}.",
    "{team} is the club of {place}; in {year} it lost a final to {rival}.",
    "{film} was shot by {filmmaker} in {film_year}.",
    "{book} is the work of {novelist} and came out in {book_year}.",
    "Anyone who needs a {kind} in {place} buys the {product}.",
    "{employer} is led by {director}.",
    "The {other_product} comes from {competitor} in {away}, not from {company}.",
    "{team} play in {place} and beat {rival} {score} on {date}.",
)
DIARY = (
    "On {weekday} I took the train to {place}.",
    "I didn't sleep well at the {hotel}, but the breakfast made up for it.",
    'At {restaurant} the waiter said: "You look like {captain_family} of {team}."',
    "The rain stopped at {time}, and we walked to {sight}.",
    "I met {visitor}, a {visitor_job}, who had come from {away} for the {festival}.",
    "It's a pity that {book} was sold out at the station.",
    'A poster said "{film}, every night at {time}".',
    "We watched {team} train until it got dark.",
    "My new {kind}, a {product}, works; the old one doesn't.",
    "{guide_family} told us that the path to {sight} is closed until {month}.",
    "I paid {price} for a ticket and don't regret it.",
    'On the bus somebody read aloud from {book}: "Nobody leaves {place} twice."',
)
GREETINGS = (
    "Dear {visitor},",
    "Dear {novelist},",
    "Dear {scientist},",
    "Hello {guide},",
    "Dear friends in {place},",
    "Good morning {director},",
)
OPENINGS = (
    "thank you for your letter of {date}.",
    "I hope that you are well and that {place} is as quiet as ever.",
    "I'm sorry that it took me {few} weeks to write back.",
    "how was the {festival} this year?",
    "your parcel arrived on {weekday}, and the {product} is fine.",
    "it was good to see you at the {hotel}.",
    "we haven't heard from you since {month}.",
)
NEWS = (
    "My cousin now works for {employer}, where {director} is in charge.",
    "We went to see {film}, and I'm still thinking about it.",
    "The children read {book} and want to meet {novelist_family}.",
    "{team} lost again, and {captain_family} didn't even play.",
    "{mayor_family} has promised a new bridge, but you know how it goes in {place}.",
    "On {weekday} we had dinner at {restaurant} and talked about you.",
    "The {kind} broke, so I wrote to {company} in {place}.",
    'A woman from the {institute} gave a talk called "Why {sight} is moving".',
    "The train to {away} is late every {weekday}, as always.",
    "The summer was warm, and {sight} was full of people until {month}.",
    "I've sold the old car for {price}.",
    "They say that {competitor} wants to buy {company}, but {director_family} won't sell.",
)
REQUESTS = (
    "Could you send me the bill for the {product}?",
    "Would you like to come to {place} in {month}?",
    "Please tell {visitor} that the book is still with me.",
    "Can we move our meeting to {weekday} at {time}?",
    "Please keep a room for {few} nights from {date}.",
    "Let me know whether you need a ticket for {team} against {rival}.",
    "Do you still have the map of {sight}?",
)
CLOSINGS = (
    "With kind regards, {mayor}",
    "Yours, {captain}",
    "Best wishes from {region}, {filmmaker}",
    "See you soon, {guide}",
    "All the best, {director}",
    "Your old friend {novelist}",
)


def write_note(world: World, rng: Random) -> list[Span]:
    """Return a paragraph of facts about a town, or a diary entry."""
    if rng.random() < 0.6:
        facts = [*rng.sample(PEOPLE, 2), rng.choice(PLACES), *rng.sample(THINGS, 2)]
        patterns = rng.sample(facts, rng.randint(3, 5))
    else:
        patterns = rng.sample(DIARY, rng.randint(3, 5))
    scene = draw_scene(world, rng)
    return sentences([realise(pattern, scene, rng) for pattern in patterns])


def write_letter(world: World, rng: Random) -> list[Span]:
    """Return a letter, from the greeting to the signature."""
    patterns = [
        rng.choice(GREETINGS),
        rng.choice(OPENINGS),
        *rng.sample(NEWS, rng.randint(1, 3)),
        rng.choice(REQUESTS),
        rng.choice(CLOSINGS),
    ]
    scene = draw_scene(world, rng)
    return sentences([realise(pattern, scene, rng) for pattern in patterns])
