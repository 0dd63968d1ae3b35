"""Specifies which personal data redaction finds, and what it must leave alone."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textmill.config import RedactionConfig
from textmill.errors import InputError
from textmill.safety.redaction import PLACEHOLDERS, check_regions, redact

CONFIG = RedactionConfig()


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("Write to bob.smith+x@mail.example.co.uk.", "Write to [EMAIL]."),
        ("<a@b.de>, mailto:c_d@e-f.org; g%h@i.museum", "<[EMAIL]>, mailto:[EMAIL]; [EMAIL]"),
        ("jürgen@münchen.de", "[EMAIL]"),
        ("x@mail.xn--p1ai", "[EMAIL]"),
        ("a@b.com,c@d.com", "[EMAIL],[EMAIL]"),
    ],
)
def test_email_addresses_are_replaced(text: str, redacted: str) -> None:
    assert redact(text, CONFIG) == (redacted, {"email": text.count("@"), "phone": 0, "ip": 0})


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
    ],
)
def test_telephone_numbers_are_replaced(text: str, redacted: str) -> None:
    counts = {"email": 0, "phone": redacted.count("[PHONE]"), "ip": 0}
    assert redact(text, CONFIG) == (redacted, counts)


@pytest.mark.parametrize(
    ("regions", "redacted"),
    [((), "01 23 45 67 89 or [PHONE]"), (("FR",), "[PHONE] or [PHONE]")],
)
def test_national_numbers_are_those_of_the_regions(regions: tuple[str, ...], redacted: str) -> None:
    config = RedactionConfig(phone_regions=regions)
    assert redact("01 23 45 67 89 or +33 1 23 45 67 89", config)[0] == redacted


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("from 10.0.0.1:8080 and http://192.168.1.255/x", "from [IP]:8080 and http://[IP]/x"),
        ("2001:0db8:85a3:0000:0000:8a2e:0370:7334/64", "[IP]/64"),
        ("ping 2001:db8::1: no answer from fe80::1", "ping [IP]: no answer from [IP]"),
    ],
)
def test_ip_addresses_are_replaced(text: str, redacted: str) -> None:
    counts = {"email": 0, "phone": 0, "ip": redacted.count("[IP]")}
    assert redact(text, CONFIG) == (redacted, counts)


@pytest.mark.parametrize(
    "text",
    [
        "999.1.1.1 and 1.2.3 and v1.2.3.4 and 1.2.3.4.5",
        "a::b std::dec add::bad x[1::2] ::1 12:30:45 00:1a:2b:3c:4d:5e",
        "05.11.2004 - 06.11.2004, 05.11.04 06.11.04, 05/11/2004 1/2/1999 01-02-2003",
        "2004-11-05 08:30, 11/05/2004, 05.11.2004, 20041105, 2004-11-05T08:30:00",
        "$1,250,000.00 or 1.250.000,00 EUR; $2125550123",
        "1914-1918, 1939-1945; 21-12 21-19 15-21; pp. 211-227 (2003)",
        "ISBN 978-3-16-148410-0; 3.14159265; 4111 1111 1111 1111",
        "@handle, a@b, x@y.z, 3@4.5, @ home",
    ],
)
def test_dates_prices_scores_and_versions_stay(text: str) -> None:
    assert redact(text, CONFIG) == (text, {"email": 0, "phone": 0, "ip": 0})


def test_nothing_is_replaced_when_switched_off() -> None:
    text = "a@b.com 10.0.0.1 +49 30 901820"
    assert redact(text, RedactionConfig(enabled=False))[0] == text


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Nd"], exclude_characters="@")))
def test_text_without_digits_and_at_signs_is_untouched(text: str) -> None:
    assert redact(text, CONFIG) == (text, {"email": 0, "phone": 0, "ip": 0})


@settings(deadline=None)
@given(
    st.text()
    | st.text("0123456789 .-:()+/@ab\n\xa0")
    | st.lists(
        st.sampled_from(
            ["a@b.com", "10.0.0.1", "(212) 736-5000", "+49 30 901820", " ", "x", ":", "1"]
        )
    ).map("".join)
)
def test_counts_are_those_of_the_placeholders_added(text: str) -> None:
    redacted, counts = redact(text, CONFIG)
    for kind, placeholder in PLACEHOLDERS.items():
        assert redacted.count(placeholder) == text.count(placeholder) + counts[kind]


@pytest.mark.parametrize(
    "unit", ["a", "@", "a@", "a@b.", "a.", "+", "1:", "2001:", "1.2.3.4 ", "x@1.1", "1 "]
)
def test_long_runs_of_any_one_thing_take_no_quadratic_time(unit: str) -> None:
    text = unit * (200_000 // len(unit))
    begin = time.process_time()
    redact(text, CONFIG)
    assert time.process_time() - begin < 4


@pytest.mark.parametrize(("region", "fix"), [("de", "write DE"), ("XX", "leave it out")])
def test_an_unknown_region_is_named_with_its_fix(region: str, fix: str) -> None:
    with pytest.raises(InputError, match=f"phone_regions: '{region}'.*{fix}"):
        check_regions(RedactionConfig(phone_regions=("US", region)))


def test_the_regions_of_the_default_are_known() -> None:
    check_regions(CONFIG)
