import pytest

from textmill.sample.language import names
from textmill.sample.language.translated import CHINESE, named, named_restaurant, titled


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (named("Torgau-Nord"), ("Torgau-Nord", "Torgau-Nord", "北托尔高")),
        (named("{}{}", "Thorn", "ley"), ("Thornley", "Thornley", "索恩利")),
        (
            named("{} & Sons", "Altoline"),
            ("Altoline & Sons", "Altoline & Sons", "Altoline父子公司"),
        ),
        (named("Hotel {}", "Aurora"), ("Hotel Aurora", "Hotel Aurora", "奥罗拉酒店")),
        (named("{} Abbey", "Raven"), ("Raven Abbey", "Rabenabtei", "渡鸦修道院")),
        (named("Monday"), ("Monday", "Montag", "星期一")),
        (named("1997"), ("1997", "1997", "1997")),
        (
            titled("Silver", "Harbour"),
            ("The Silver Harbour", "„Der silberne Hafen“", "《银色的港湾》"),
        ),
        (
            titled("Last", "Lantern"),
            ("The Last Lantern", "„Die letzte Laterne“", "《最后的灯笼》"),
        ),
        (
            named_restaurant("Golden", "Pear & Thyme"),
            ("Golden Pear & Thyme", "Golden Pear & Thyme", "金色梨与百里香餐厅"),
        ),
    ],
)
def test_names_are_composed_in_each_language(found, expected):
    assert (found["en"], found["de"], found["zh"]) == expected


def test_names_may_be_parts_of_names():
    family = named("{}{}", "Ash", "ton")
    person = named("{} {}", "Léa", family)
    assert person == {"en": "Léa Ashton", "de": "Léa Ashton", "zh": "蕾雅·阿什顿"}
    assert named("{} Group", family)["zh"] == "阿什顿集团"


def test_every_first_name_and_syllable_has_a_chinese_transliteration():
    words = {*names.WOMEN, *names.MEN, *names.FAMILY_STEMS, *names.FAMILY_ENDINGS}
    assert words <= CHINESE.keys()
    first_names = [CHINESE[name] for name in names.WOMEN + names.MEN]
    assert len(set(first_names)) == len(first_names)
