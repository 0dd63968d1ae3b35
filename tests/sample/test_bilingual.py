import re
from random import Random

import pytest

from textmill.sample import bilingual
from textmill.sample.bilingual import (
    MAX_SOURCE_CHARS,
    draw_scene,
    translate,
    write_foreign,
    write_pair,
)
from textmill.sample.holdout import is_held_out
from textmill.sample.language.grammar import Noun
from textmill.sample.language.parallel import PATTERNS
from textmill.sample.language.patterns import Translation
from textmill.sample.language.translated import named
from textmill.sample.language.world import Person

CHINESE_TEXT = re.compile(r"[\u4e00-\u9fffA-Za-z0-9·《》，。：？%]+")


def person(first: str, family: str, job: dict[str, str], *, is_woman: bool) -> Person:
    family_names = named("{}{}", *re.findall("[A-Z]?[a-z]+", family))
    return Person(named("{} {}", first, family_names), family_names, is_woman, job)


RESEARCHER = {"en": "researcher", "de": "Forscher", "zh": "研究员"}
SCENES = [
    {
        "scientist": person("Léa", "Ash-ton", {**RESEARCHER, "de": "Forscherin"}, is_woman=True),
        "visitor": person("Adam", "Kel-ford", RESEARCHER, is_woman=False),
        "place": named("Kessel"),
        "institute": Noun(named("{} University", "Kessel")),
        "sight": Noun(named("{} Abbey", "Raven")),
        "kind": Noun(named("watch")),
        "company": named("{} Group", "Altoline"),
    },
    {
        "scientist": person("Adam", "Kel-ford", RESEARCHER, is_woman=False),
        "visitor": person("Léa", "Ash-ton", {**RESEARCHER, "de": "Forscherin"}, is_woman=True),
        "place": named("Kessel"),
        "institute": Noun(named("{} Institute", "Kessel")),
        "sight": Noun(named("Mount {}", "Amber")),
        "kind": Noun(named("bicycle")),
        "company": named("{} & Sons", "Brioline"),
    },
]


@pytest.mark.parametrize(
    ("begin", "n_scene", "german", "chinese"),
    [
        (
            "In {place}, {scientist.family} is known",
            0,
            "In Kessel ist Ashton für ihre Arbeit an der Universität Kessel bekannt.",
            "在凯塞尔，阿什顿因她在凯塞尔大学的工作而出名。",
        ),
        (
            "In {place}, {scientist.family} is known",
            1,
            "In Kessel ist Kelford für seine Arbeit am Institut Kessel bekannt.",
            "在凯塞尔，凯尔福德因他在凯塞尔研究所的工作而出名。",
        ),
        (
            "Nobody knows how",
            0,
            "Niemand weiß, wie die Rabenabtei zu diesem Namen gekommen ist.",
            "没有人知道渡鸦修道院的名字是怎么来的。",
        ),
        (
            "Nobody knows how",
            1,
            "Niemand weiß, wie der Bernsteinberg zu diesem Namen gekommen ist.",
            "没有人知道琥珀山的名字是怎么来的。",
        ),
        (
            "Could you send me",
            0,
            "Könnten Sie mir die Rechnung für die Uhr von Altoline Group schicken?",
            "您能把从Altoline集团买的这块手表的账单寄给我吗？",
        ),
        (
            "Could you send me",
            1,
            "Könnten Sie mir die Rechnung für das Fahrrad von Brioline & Sons schicken?",
            "您能把从Brioline父子公司买的这辆自行车的账单寄给我吗？",
        ),
    ],
)
def test_german_and_chinese_forms_agree_with_their_referents(begin, n_scene, german, chinese):
    (pattern,) = [pattern for pattern in PATTERNS if pattern.en.startswith(begin)]
    texts = translate([pattern], SCENES[n_scene], Random(0))
    assert (texts["de"], texts["zh"]) == (german, chinese)


def test_choices_correspond_and_sentences_are_joined_for_each_language():
    pattern = Translation(
        "it [fell|rose] [fast|slowly].", "es [fiel|stieg] [schnell|langsam].", "[跌|涨]得[快|慢]。"
    )
    rng = Random(0)
    found = {tuple(translate([pattern], {}, rng).values()) for _ in range(50)}
    assert found == {
        ("It fell fast.", "Es fiel schnell.", "跌得快。"),
        ("It fell slowly.", "Es fiel langsam.", "跌得慢。"),
        ("It rose fast.", "Es stieg schnell.", "涨得快。"),
        ("It rose slowly.", "Es stieg langsam.", "涨得慢。"),
    }
    two = Translation("one.", "eins.", "一。"), Translation("two.", "zwei.", "二。")
    assert translate(two, {}, rng) == {"en": "One. Two.", "de": "Eins. Zwei.", "zh": "一。二。"}


@pytest.mark.parametrize(
    ("slot", "english", "german", "chinese"),
    [
        ("time", r"(\d+):(\d\d)", r"(\d+):(\d\d) Uhr", r"(\d+)点(?:(\d\d)分)?"),
        ("thousands", r"(\d+),(\d00)", r"(\d+)\.(\d00)", r"(\d+)(\d00)"),
        ("percent", r"(\d+) per cent", r"(\d+) Prozent", r"(\d+)%"),
        ("millions", r"(\d+) million", r"(\d+) Millionen", r"(\d+)00万"),
        ("price", r"[£$€](\d+)", r"(\d+) (?:Pfund|Dollar|Euro)", r"(\d+)(?:英镑|美元|欧元)"),
        ("score", r"(\d)-(\d)", r"(\d):(\d)", r"(\d)比(\d)"),
        ("year", r"(\d{4})", r"(\d{4})", r"(\d{4})"),
    ],
)
def test_numbers_are_equal_and_formatted_for_each_language(world, slot, english, german, chinese):
    rng = Random(0)
    for _ in range(50):
        value = draw_scene(world, rng)[slot]
        en, de = re.fullmatch(english, value["en"]), re.fullmatch(german, value["de"])
        zh = re.fullmatch(chinese, value["zh"])
        assert en.groups() == de.groups() == zh.groups(default="00")


def test_dates_are_formatted_for_each_language():
    assert bilingual._date(3, "March", 2019) == {
        "en": "3 March 2019",
        "de": "3. März 2019",
        "zh": "2019年3月3日",
    }


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: pattern.en[:50])
def test_every_pattern_is_filled_from_every_scene(world, pattern):
    rng = Random(3)
    for _ in range(20):
        texts = translate([pattern], draw_scene(world, rng), rng)
        assert not re.search(r"[{}\[\]|]", "".join(texts.values()))
        assert CHINESE_TEXT.fullmatch(texts["zh"]), texts["zh"]


def test_chinese_text_has_no_spaces(sample):
    texts = [row["target"] for s in ("train", "test") for row in sample.rows("translation-zh", s)]
    for text in texts + sample.raw["chinese"]:
        assert CHINESE_TEXT.fullmatch(text), text


@pytest.mark.parametrize("task", ["translation-de", "translation-zh"])
def test_sources_are_short_and_have_one_or_two_sentences(sample, task):
    sources = [row["source"] for s in ("train", "test") for row in sample.rows(task, s)]
    assert all(len(source) <= MAX_SOURCE_CHARS for source in sources)
    n_sentences = [len(re.findall(r"[.?](?= |$)", source)) for source in sources]
    assert set(n_sentences) == {1, 2}
    assert 0.3 < n_sentences.count(2) / len(n_sentences) < 0.7


def test_people_and_towns_keep_their_spelling_in_german(sample, world):
    names = [town.place.names["en"] for town in world.towns]
    names += [p.family_names["en"] for town in world.towns for p in town.people.values()]
    some_name = re.compile(rf"\b({'|'.join(names)})\b(?!-)")
    for row in sample.rows("translation-de", "train"):
        found = [sorted(set(some_name.findall(text))) for text in row.values()]
        assert found[0] == found[1] or "-" in row["target"], row


@pytest.fixture
def drawn(world, monkeypatch) -> dict[bool, set[tuple[Translation, ...]]]:
    """Return the patterns that pairs are made of, by whether they are test examples."""
    found: dict[bool, set[tuple[Translation, ...]]] = {}
    for is_test in (False, True):
        kept = found[is_test] = set()

        def spy(patterns, scene, rng, kept=kept):
            kept.add(tuple(patterns))
            return translate(patterns, scene, rng)

        monkeypatch.setattr(bilingual, "translate", spy)
        rng = Random(4)
        for _ in range(1500):
            write_pair("de", world.part(is_held_out=is_test), rng, is_test=is_test)
    return found


def test_train_and_test_examples_share_no_pair_of_sentences(drawn):
    for is_test in (False, True):
        pairs = [patterns for patterns in drawn[is_test] if len(patterns) == 2]
        assert len(pairs) > 300
        assert all(is_held_out(first.en, second.en) == is_test for first, second in pairs)


def test_every_pattern_occurs_in_training(drawn):
    assert {pattern for patterns in drawn[False] for pattern in patterns} == set(PATTERNS)


@pytest.mark.parametrize("language", ["de", "zh"])
def test_texts_for_pretraining_have_several_sentences(world, language):
    rng = Random(5)
    for _ in range(50):
        (span,) = write_foreign(language, world, rng)
        assert 4 <= len(re.findall(r"[?？。]|\.(?= [A-Z„]|$)", span.text)) <= 8
        assert len(span.text) >= 20  # else cleaning would take it for scrap
