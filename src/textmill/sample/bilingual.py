"""Translation pairs about the world, and longer texts in one language."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from random import Random

from textmill.sample.holdout import is_held_out
from textmill.sample.language.grammar import Noun, forms_of
from textmill.sample.language.names import MONTHS, WEEKDAYS, words
from textmill.sample.language.parallel import PATTERNS
from textmill.sample.language.patterns import Span, Translation
from textmill.sample.language.translated import LANGUAGES, Names, named
from textmill.sample.language.world import JOBS, Person, World

ONE_SENTENCE_SHARE = 0.4
"""Share of pairs with one sentence; the others have two."""
MAX_SOURCE_CHARS = 120
"""Longer texts are redrawn: with Chinese they would exceed the 128 tokens of a small model."""

Scene = Mapping[str, Person | Noun | Names]
"""Fillers by slot, for all languages."""

_PART = re.compile(r"\{(?P<slot>\w+)(?:\.(?P<form>\w+))?\}|\[(?P<choice>[^]]*)\]")
_FEW = dict(
    zip(
        words("two three four five six seven"),
        zip(words("zwei drei vier fünf sechs sieben"), words("两 三 四 五 六 七"), strict=True),
        strict=True,
    )
)
"""German and Chinese numbers; two is 两 because a measure word follows."""
_CURRENCIES = {
    "£{}": ("{} Pfund", "{}英镑"),
    "${}": ("{} Dollar", "{}美元"),
    "€{}": ("{} Euro", "{}欧元"),
}


def write_pair(language: str, world: World, rng: Random, *, is_test: bool) -> dict[str, str]:
    """Return an example of a split: the columns source, in English, and target.

    All patterns occur in training. Test examples differ by their pair of sentences, if there are
    two, and by the combination of pattern and town, which raw text does not contain either.
    """
    while True:
        patterns, scene = _draw_patterns(rng, is_test=is_test), draw_scene(world, rng)
        if is_test and not _is_reserved(patterns[0], scene):
            continue
        texts = translate(patterns, scene, rng)
        if len(texts["en"]) <= MAX_SOURCE_CHARS:
            return {"source": texts["en"], "target": texts[language]}


def _draw_patterns(rng: Random, *, is_test: bool) -> tuple[Translation, ...]:
    """Return one pattern, or two whose pair belongs to the split."""
    if rng.random() < ONE_SENTENCE_SHARE:
        return (rng.choice(PATTERNS),)
    while True:
        first, second = rng.sample(PATTERNS, 2)
        if is_held_out(first.en, second.en) == is_test:
            return first, second


def write_foreign(language: str, world: World, rng: Random) -> list[Span]:
    """Return a text of several sentences for pretraining, about one scene."""
    scene = draw_scene(world, rng)
    free = [pattern for pattern in PATTERNS if not _is_reserved(pattern, scene)]
    patterns = rng.sample(free, rng.randint(4, 6))
    return [Span(translate(patterns, scene, rng)[language])]


def _is_reserved(pattern: Translation, scene: Scene) -> bool:
    """Return whether raw text omits the pattern for the town of the scene."""
    return is_held_out(pattern.en, forms_of(scene["place"], "en")[""])


def translate(patterns: Sequence[Translation], scene: Scene, rng: Random) -> Names:
    """Return the text of the patterns in all languages, with the same choices in each."""
    texts: dict[str, list[str]] = {language: [] for language in LANGUAGES}
    for pattern in patterns:
        choices = [part["choice"] for part in _PART.finditer(pattern.en) if part["choice"]]
        picks = [rng.randrange(len(choice.split("|"))) for choice in choices]
        for language, sentences in texts.items():
            sentences.append(_realise(getattr(pattern, language), language, scene, picks))
    return {
        language: ("" if language == "zh" else " ").join(sentences)
        for language, sentences in texts.items()
    }


def _realise(text: str, language: str, scene: Scene, picks: Sequence[int]) -> str:
    remaining = iter(picks)

    def filled(part: re.Match[str]) -> str:
        if part["choice"]:
            return part["choice"].split("|")[next(remaining)]
        return forms_of(scene[part["slot"]], language)[part["form"] or ""]

    sentence = _PART.sub(filled, text)
    return sentence[0].upper() + sentence[1:]  # "die Forscherin …" can open a sentence


def draw_scene(world: World, rng: Random) -> Scene:
    """Return fillers for all slots, about one town and a second one to play or trade with."""
    here, there = rng.sample(world.towns, 2)
    bought = rng.choice(here.products)
    return {
        "place": here.place.names,
        "region": here.place.region.names,
        "sight": Noun(here.sight.names),
        "team": here.team.names,
        "institute": Noun(here.institute.names),
        "hotel": Noun(here.hotel.names),
        "restaurant": here.restaurant.names,
        "film": here.film.names,
        "film_year": named(str(here.film.year)),
        "book": here.book.names,
        "book_year": named(str(here.book.year)),
        "festival": Noun(here.festival.names),
        "festival_month": here.festival.month,
        "product": bought.names,
        "kind": Noun(bought.kind),
        "company": bought.maker.names,
        "trade": bought.maker.trade,
        "employer": here.companies[0].names,
        "away": there.place.names,
        "rival": there.team.names,
        "competitor": rng.choice(there.companies).names,
        **here.people,
        "visitor": there.people[rng.choice(list(JOBS))],
        **_draw_numbers(rng),
    }


def _draw_numbers(rng: Random) -> dict[str, Names]:
    few = rng.choice(list(_FEW))
    hour, minute = rng.randint(7, 22), rng.choice(("00", "15", "30", "45"))
    thousands, hundreds = rng.randint(2, 60), rng.randint(0, 9)
    percent, millions = rng.randint(2, 40), rng.randint(2, 90)
    currency, price = rng.choice(list(_CURRENCIES)), rng.randint(6, 480)
    us, them = rng.randint(2, 5), rng.randint(0, 1)
    return {
        "weekday": named(rng.choice(WEEKDAYS)),
        "month": named(rng.choice(MONTHS)),
        "date": _date(rng.randint(1, 28), rng.choice(MONTHS), rng.randint(2010, 2024)),
        "year": named(str(rng.randint(1995, 2024))),
        "count": named(str(rng.randint(12, 95))),
        "few": _in_languages(few, *_FEW[few]),
        "time": _in_languages(
            f"{hour}:{minute}",
            f"{hour}:{minute} Uhr",
            f"{hour}点" if minute == "00" else f"{hour}点{minute}分",
        ),
        "thousands": _in_languages(
            f"{thousands},{hundreds}00", f"{thousands}.{hundreds}00", f"{thousands}{hundreds}00"
        ),
        "percent": _in_languages(f"{percent} per cent", f"{percent} Prozent", f"{percent}%"),
        "millions": _in_languages(
            f"{millions} million",
            f"{millions} Millionen",
            # Chinese counts in units of ten thousand, up to a hundred million (not reached here).
            f"{millions}00万",
        ),
        "price": _in_languages(
            currency.format(price), *(form.format(price) for form in _CURRENCIES[currency])
        ),
        "score": _in_languages(f"{us}-{them}", f"{us}:{them}", f"{us}比{them}"),
    }


def _date(day: int, month: str, year: int) -> Names:
    return _in_languages(
        f"{day} {month} {year}",
        f"{day}. {named(month)['de']} {year}",
        f"{year}年{MONTHS.index(month) + 1}月{day}日",
    )


def _in_languages(en: str, de: str, zh: str) -> Names:
    return {"en": en, "de": de, "zh": zh}
