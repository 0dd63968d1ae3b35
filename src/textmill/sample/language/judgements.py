"""Words and patterns of the reviews: aspects, adjectives, and how opinions are combined."""

from __future__ import annotations

from dataclasses import dataclass

from textmill.sample.language.names import words


@dataclass(frozen=True)
class Domain:
    """A domain of reviews, such as films."""

    openers: tuple[str, ...]
    """Sentences that introduce the subject of the review."""
    aspects: tuple[str, ...]
    """Aspects that are judged; singular nouns."""
    good: tuple[str, ...]
    """Positive adjectives that fit every aspect, in addition to the general ones."""
    bad: tuple[str, ...]


FILM = Domain(
    openers=(
        "We saw {film} by {filmmaker} in {place}.",
        "{film} is one of {few} films that {filmmaker} made in {region}.",
        "{visitor} took me to see {film} on {weekday}.",
        "I had waited for {film} since {month}.",
        "{filmmaker_family} shot {film} around {sight}.",
    ),
    aspects=words("plot cast ending opening dialogue music pacing camerawork story humour"),
    good=words("gripping moving witty bold tender absorbing subtle"),
    bad=words("predictable shallow corny wooden incoherent laboured sentimental"),
)

BOOK = Domain(
    openers=(
        "I finished {book} by {novelist} in {few} nights.",
        "{novelist}, who lives in {place}, wrote {book} in {book_year}.",
        "My copy of {book} came from a shop in {away}.",
        "{visitor} lent me {book} in {month}.",
        "{book} is set in {place}, where {novelist_family} lives.",
    ),
    aspects=words("prose hero setting chapter argument twist narrator style cover theme"),
    good=words("gripping moving witty vivid tender absorbing subtle"),
    bad=words("predictable shallow wordy wooden muddled laboured sentimental"),
)

GADGET = Domain(
    openers=(
        "I bought the {product}, a {kind} by {company}, for {price}.",
        "The {product} is the {kind} that {company} sells in {place}.",
        "My {product} arrived from {place} on {date}.",
        "{visitor} swears by the {other_product}, but I use the {product} by {company}.",
        "{company} put version {version} on my {product}.",
    ),
    aspects=words("handle switch manual cable casing design packaging finish strap button"),
    good=words("sturdy handy sleek reliable practical durable neat"),
    bad=words("flimsy fiddly unreliable wobbly impractical fragile cheap"),
)

RESTAURANT = Domain(
    openers=(
        "We had dinner at {restaurant} in {place} on {weekday}.",
        "{restaurant} is {few} minutes from the station of {place}.",
        "{visitor} booked a table at {restaurant} for {time}.",
        "Lunch for {few} at {restaurant} came to {price}.",
        "The players of {team} eat at {restaurant} in {place}.",
    ),
    aspects=words("soup service wine dessert bread fish salad menu sauce coffee"),
    good=words("tasty fresh fragrant generous refined delicious inviting"),
    bad=words("bland stale greasy sloppy tasteless lukewarm overpriced"),
)

HOTEL = Domain(
    openers=(
        "We stayed {few} nights at the {hotel} in {place}.",
        "The {hotel} is close to {sight}.",
        "A room at the {hotel} cost us {price} in {month}.",
        "{visitor} chose the {hotel} for our trip to {place}.",
        "During the {festival} I had a room at the {hotel}.",
    ),
    aspects=words("room bed view breakfast staff lobby shower balcony pool garden"),
    good=words("spotless cosy inviting peaceful elegant welcoming refined"),
    bad=words("dirty cramped stuffy gloomy neglected noisy overpriced"),
)

DOMAINS = (FILM, BOOK, GADGET, RESTAURANT, HOTEL)

GOOD = words("""
    superb lovely charming enjoyable memorable delightful impressive brilliant refreshing splendid
    satisfying excellent wonderful pleasant convincing outstanding appealing remarkable
    """)
BAD = words("""
    dull awful dismal tedious disappointing forgettable shabby mediocre dreadful irritating
    unpleasant terrible poor tiresome hopeless frustrating lifeless ridiculous
    """)

# In the patterns below, <noun> and <adjective> are the words of an opinion, <first> and <last>
# whole clauses.
FRAMES = (
    "the <noun> is [very|truly|simply|quite|rather|really] <adjective>",
    "the <noun> was <adjective> [from start to end|throughout|all along|as ever]",
    "I found the <noun> [very|truly|quite|utterly] <adjective>",
    "the <noun> struck [me|us] as <adjective>",
    "the <noun> turned out [very|rather|quite] <adjective>",
    "[everybody|my sister|my neighbour] called the <noun> <adjective>",
    "the <noun> seemed <adjective> to [me|us]",
    "you will find the <noun> <adjective>",
)
DENIALS = (
    "the <noun> is not at all <adjective>",
    "the <noun> was never <adjective>",
    "the <noun> is anything but <adjective>",
    "I would not call the <noun> <adjective>",
    "the <noun> is far from <adjective>",
    "the <noun> was hardly <adjective>",
    "nobody could call the <noun> <adjective>",
    "the <noun> did not strike [me|us] as <adjective>",
)
CONTRASTS = (
    "<first>, but <last>",
    "<first>, yet <last>",
    "although <first>, <last>",
    "<first>; all the same, <last>",
    "<first>, and still <last>",
    "even if <first>, <last>",
)
ADDITIONS = (
    "<first>, and <last>",
    "<first>; what is more, <last>",
    "<first>; on top of that, <last>",
    "<first>, just as <last>",
)
VERDICTS = {
    "positive": (
        "I would [gladly|happily] do it again.",
        "[Five stars|Full marks] from me.",
        "We [recommend it|will be back].",
        "It was worth the money.",
    ),
    "negative": (
        "I [want|would like] my money back.",
        "[One star|Low marks] from me.",
        "We will [not be back|stay away].",
        "It was a waste of money.",
    ),
}
CONTEXTS = (
    "It was a [rainy|sunny|windy] {weekday}.",
    "{visitor} came along.",
    "I had read about it in {month}.",
    "We had {few} hours to spare.",
    "This was in {month} {year}.",
)
