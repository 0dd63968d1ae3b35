from random import Random

import pytest

from textmill.sample.language.grammar import Noun, forms_of, german_gender
from textmill.sample.language.names import PRODUCTS_BY_TRADE
from textmill.sample.language.translated import named
from textmill.sample.language.world import JOBS

KINDS = [kind for kinds in PRODUCTS_BY_TRADE.values() for kind in kinds.split()]


@pytest.mark.parametrize(
    ("form", "stem", "expected"),
    [
        ("Lake {}", "Amber", "zum Bernsteinsee"),
        ("{} Falls", "Thunder", "zum Donnerfall"),
        ("Mount {}", "Raven", "zum Rabenberg"),
        ("{} Abbey", "Heather", "zur Heideabtei"),
        ("{} Gorge", "Mirror", "zur Spiegelschlucht"),
        ("{} Castle", "Saint", "zum Heiligenschloss"),
        ("{} University", "Kessel", "zur Universität Kessel"),
        ("{} Institute", "Kessel", "zum Institut Kessel"),
        ("{} Fair", "Torgau-Nord", "zur Torgau-Nord-Messe"),
        ("{} House", "Savoy", "zum Haus Savoy"),
    ],
)
def test_german_articles_agree_with_the_last_part_of_a_compound(form, stem, expected):
    assert forms_of(Noun(named(form, stem)), "de")["zum"] == expected


@pytest.mark.parametrize(
    ("kind", "new", "with_new", "old"),
    [
        ("printer", "einen neuen Drucker", "dem neuen Drucker", "mein alter Drucker"),
        ("lamp", "eine neue Lampe", "der neuen Lampe", "meine alte Lampe"),
        ("tent", "ein neues Zelt", "dem neuen Zelt", "mein altes Zelt"),
    ],
)
def test_german_adjectives_agree_with_gender_and_case(kind, new, with_new, old):
    forms = forms_of(Noun(named(kind)), "de")
    assert (forms["einen_neuen"], forms["dem_neuen"], forms["mein_alter"]) == (new, with_new, old)


def test_all_kinds_of_products_have_the_right_gender():
    nouns = [named(kind)["de"] for kind in KINDS]
    assert [f"{('der', 'die', 'das')[german_gender(noun)]} {noun}" for noun in nouns] == [
        *("die Kamera", "der Lautsprecher", "das Telefon", "der Laptop"),
        *("der Wasserkocher", "der Mixer", "die Lampe", "der Toaster"),
        *("die Bohrmaschine", "der Drucker", "die Taschenlampe", "die Waage"),
        *("das Fahrrad", "die Uhr", "das Zelt", "das Kajak"),
    ]


def test_a_noun_of_unknown_gender_is_an_error():
    with pytest.raises(ValueError, match="'Kessel' has no known gender"):
        german_gender("Kessel")


def test_chinese_things_are_counted_by_their_measure_word():
    ones = [forms_of(Noun(named(kind)), "zh")["one"] for kind in KINDS]
    assert ones == [
        *("一台相机", "一个音箱", "一部手机", "一台笔记本电脑"),
        *("一个水壶", "一台搅拌机", "一盏台灯", "一台烤面包机"),
        *("一把电钻", "一台打印机", "一支手电筒", "一台秤"),
        *("一辆自行车", "一块手表", "一顶帐篷", "一条皮划艇"),
    ]
    assert forms_of(Noun(named("watch")), "zh")["this"] == "这块手表"


def test_forms_of_people_agree_with_their_gender(world):
    rng = Random(0)
    for _ in range(20):
        town = rng.choice(world.towns)
        person = town.people[rng.choice(list(JOBS))]
        german, chinese = forms_of(person, "de"), forms_of(person, "zh")
        family = person.family_names["en"]
        woman = ("die", "sie", "ihr", f"Frau {family}", f"Frau {family}", "她", "女士")
        man = ("der", "er", "sein", f"Herr {family}", f"Herrn {family}", "他", "先生")
        assert (
            *(german[form].split(" ")[0] for form in ("der", "er", "sein")),
            *(german[form] for form in ("herr", "herrn")),
            chinese["she"],
            chinese["ms"][-2:],
        ) == (woman if person.is_woman else man)
        assert german["job"].endswith("in") == person.is_woman
        assert german[""] == person.names["en"]
