"""Specifies which telephone numbers are found, and where they begin and end."""

from __future__ import annotations

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textmill.config import RedactionConfig
from textmill.safety.phones import _Matcher, find_phones
from textmill.safety.redaction import redact

CONFIG = RedactionConfig(kinds=("phone",))


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("call (212) 555-0123 now", "call [PHONE] now"),
        ("+49 30 901820, or 030/901820", "[PHONE], or [PHONE]"),
        ("020 7946 0958.", "[PHONE]."),
        ("(650) 253-0000, (650) 253-0001", "[PHONE], [PHONE]"),
        ("+1 212-736-5000 ext. 12, thanks", "[PHONE], thanks"),
        ("+81 3-3211-0001", "[PHONE]"),
        ("on 2004-11-05 dial 212-736-5000", "on 2004-11-05 dial [PHONE]"),
        ("05.11.2004 030/901820", "05.11.2004 [PHONE]"),
        ("01.23.45.67.89 or +33.1.23.45.67.89", "01.23.45.67.89 or [PHONE]"),
        ("Tel.:\n0171 2345678\n", "Tel.:\n[PHONE]\n"),
        ("the desk (212-555-0123) is open", "the desk ([PHONE]) is open"),
        ("手机13800138000，电话010-55550100。", "手机[PHONE]，电话[PHONE]。"),
        ("９１９７３ and ＋４９　３０　９０１８２０", "９１９７３ and [PHONE]"),
    ],
)
def test_telephone_numbers_are_replaced(text: str, redacted: str) -> None:
    assert redact(text, CONFIG)[0] == redacted


@pytest.mark.parametrize(
    ("regions", "redacted"),
    [((), "01 23 45 67 89 or [PHONE]"), (("FR",), "[PHONE] or [PHONE]")],
)
def test_national_numbers_are_those_of_the_regions(regions: tuple[str, ...], redacted: str) -> None:
    config = RedactionConfig(kinds=("phone",), phone_regions=regions)
    assert redact("01 23 45 67 89 or +33 1 23 45 67 89", config)[0] == redacted


REGIONS = ("US", "GB", "DE", "CN", "FR", "IT", "AR")
NUMBERS = [
    phonenumbers.format_number(phonenumbers.example_number(region), style)
    for region in REGIONS
    for style in (
        phonenumbers.PhoneNumberFormat.E164,
        phonenumbers.PhoneNumberFormat.INTERNATIONAL,
        phonenumbers.PhoneNumberFormat.NATIONAL,
    )
]
PARTS = st.sampled_from([*NUMBERS, *" -./()+", " / ", " x ", "\xa0", "00", "011 "]) | st.from_regex(
    "[0-9]{1,6}", fullmatch=True
)


@settings(deadline=None, max_examples=300)
@given(st.lists(PARTS, max_size=10).map("".join), st.sampled_from(REGIONS))
def test_what_is_spared_the_library_it_would_not_have_found(text: str, region: str) -> None:
    expected = phonenumbers.PhoneNumberMatcher(text, region, leniency=phonenumbers.Leniency.VALID)
    places = [(match.start, match.end) for match in expected]
    found = _Matcher(text, region, leniency=phonenumbers.Leniency.VALID)
    assert [(match.start, match.end) for match in found] == places


def test_of_a_long_list_of_numbers_every_one_is_found() -> None:
    numbers = [f"+49 30 9018{last:02} / 030 9018{last:02}" for last in range(10, 90)]
    assert redact(" / ".join(numbers), CONFIG)[0] == " / ".join(["[PHONE] / [PHONE]"] * 80)


@pytest.mark.parametrize(
    "text",
    [
        "John Mayow (1641–1679) and the war of 1914-1918",
        "1,250,000 of 2,345,678",
        "9,600\t7,700\t4,200\t3/4",
        "from 05.11.2004 to 06.11.2004",
    ],
)
def test_years_and_quantities_are_none(text: str) -> None:
    assert list(find_phones(text, ("US", "GB", "DE"))) == []
