"""Inflected forms of names and words for the sentence patterns of each language.

A pattern selects a form after a dot, as in `{sight.zum}`; without a dot, the form is "", the bare
name. German forms are named after the masculine: `.zum` is "zum Rabenberg", but "zur Rabenabtei",
and `.sein` is "sein" or "ihr".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from textmill.sample.language.names import words
from textmill.sample.language.translated import Names
from textmill.sample.language.world import Person

Forms = Mapping[str, str]
"""The forms of one name or word in one language, by their names in patterns."""

MASCULINE, FEMININE, NEUTER = range(3)

GENDERS_BY_ENDING = {
    MASCULINE: words("see fall berg marathon lautsprecher laptop kocher mixer toaster drucker"),
    FEMININE: words("abtei schlucht universität sternwarte akademie messe kamera lampe maschine")
    + words("waage uhr"),
    NEUTER: words("schloss institut festival forum hotel haus telefon fahrrad zelt kajak"),
}
"""Endings of German nouns: the last part of a compound determines its gender."""

ARTICLES: Mapping[str, tuple[str, str, str]] = {
    "der": ("der", "die", "das"),
    "den": ("den", "die", "das"),
    "dem": ("dem", "der", "dem"),
    "ein": ("ein", "eine", "ein"),
    "einen": ("einen", "eine", "ein"),
    "am": ("am", "an der", "am"),
    "im": ("im", "in der", "im"),
    "vom": ("vom", "von der", "vom"),
    "zum": ("zum", "zur", "zum"),
    "einen_neuen": ("einen neuen", "eine neue", "ein neues"),
    "dem_neuen": ("dem neuen", "der neuen", "dem neuen"),
    "mein_alter": ("mein alter", "meine alte", "mein altes"),
}
"""Articles and contractions before a German noun in the singular, by gender."""

MEASURE_WORDS_BY_THING = dict(
    entry.split("=")
    for entry in words("""
    相机=台 音箱=个 手机=部 笔记本电脑=台 水壶=个 搅拌机=台 台灯=盏 烤面包机=台 电钻=把
    打印机=台 手电筒=支 秤=台 自行车=辆 手表=块 帐篷=顶 皮划艇=条
    """)
)
"""Chinese measure words by noun."""


@dataclass(frozen=True)
class Noun:
    """A word or name with an article in German, and with a measure word in Chinese if a thing."""

    names: Names


def forms_of(thing: Person | Noun | Names, language: str) -> Forms:
    """Return the forms of a person, a noun, or any other name or word."""
    if isinstance(thing, Person):
        return _PERSON_FORMS[language](thing)
    if isinstance(thing, Noun):
        return _NOUN_FORMS[language](thing.names[language])
    return {"": thing[language]}


def german_gender(noun: str) -> int:
    """Return the gender of a German noun, or of the first noun of a name.

    Raises:
        ValueError: its ending is unknown.
    """
    head = noun.partition(" ")[0].lower()
    for gender, endings in GENDERS_BY_ENDING.items():
        if head.endswith(endings):
            return gender
    raise ValueError(f"{noun!r} has no known gender: add its ending to GENDERS_BY_ENDING.")


def _german_noun(noun: str) -> Forms:
    return {"": noun, **_with_articles(noun, german_gender(noun))}


def _with_articles(noun: str, gender: int) -> dict[str, str]:
    return {form: f"{by_gender[gender]} {noun}" for form, by_gender in ARTICLES.items()}


def _chinese_noun(noun: str) -> Forms:
    measure = MEASURE_WORDS_BY_THING.get(noun)
    counted = {
        "one": f"一{measure}{noun}",
        "one_new": f"一{measure}新{noun}",
        "this": f"这{measure}{noun}",
    }
    return {"": noun, **(counted if measure else {})}


def _english_person(person: Person) -> Forms:
    return {
        "": person.names["en"],
        "family": person.family_names["en"],
        "job": person.job["en"],
        "ms": f"{'Ms' if person.is_woman else 'Mr'} {person.family_names['en']}",
        "she": "she" if person.is_woman else "he",
        "her": "her" if person.is_woman else "his",
    }


def _german_person(person: Person) -> Forms:
    family, job = person.family_names["de"], person.job["de"]
    if person.is_woman:
        gender, title, title_dative = FEMININE, "Frau", "Frau"
        pronouns = {"er": "sie", "ihm": "ihr", "sein": "ihr", "rel": "die"}
    else:
        gender, title, title_dative = MASCULINE, "Herr", "Herrn"
        pronouns = {"er": "er", "ihm": "ihm", "sein": "sein", "rel": "der"}
    return {
        "": person.names["de"],
        "family": family,
        "job": job,
        "herr": f"{title} {family}",
        "herrn": f"{title_dative} {family}",
        # Articles precede the job, as in "der Forscher": names of people have none.
        **_with_articles(job, gender),
        **pronouns,
    }


def _chinese_person(person: Person) -> Forms:
    family = person.family_names["zh"]
    return {
        "": person.names["zh"],
        "family": family,
        "job": person.job["zh"],
        "ms": f"{family}{'女士' if person.is_woman else '先生'}",
        "she": "她" if person.is_woman else "他",
    }


_NOUN_FORMS: Mapping[str, Callable[[str], Forms]] = {
    "en": lambda noun: {"": noun},
    "de": _german_noun,
    "zh": _chinese_noun,
}
_PERSON_FORMS: Mapping[str, Callable[[Person], Forms]] = {
    "en": _english_person,
    "de": _german_person,
    "zh": _chinese_person,
}
