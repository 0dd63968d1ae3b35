"""Specifies how findings of all kinds become placeholders."""

from __future__ import annotations

import re
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.linear_time import assert_linear, cpu_seconds, repeat
from textmill.config import RedactionConfig, RedactionKind
from textmill.errors import InputError
from textmill.safety.placeholders import PLACEHOLDERS
from textmill.safety.redaction import (
    check_regions,
    find_emails,
    find_personal_data,
    redact,
)

CONFIG = RedactionConfig()
NOTHING = dict.fromkeys(PLACEHOLDERS, 0)
ONE_OF_EACH = {
    "email": "bob@example.com",
    "phone": "(212) 555-0123",
    "ip": "192.0.2.1",
    "card": "4111 1111 1111 1111",
    "iban": "GB29 NWBK 6016 1331 9268 19",
    "national_id": "11010519491231002X",
    "access_key": "AKIA" + "IOSFODNN7EXAMPLE",
    "private_key": "-----BEGIN PRIVATE KEY-----\n" + "MXFHCbE4" * 8 + "\n-----END PRIVATE KEY-----",
    "url_credentials": "bob:s3cret",
}
PIECES = [
    *ONE_OF_EACH.values(),
    *PLACEHOLDERS.values(),
    "https://bob:s3cret@example.com/",
    "?api_key=12345",
    "+49 30 901820",
    "123-45-6789",
    "2001:db8::1",
    "xox" + "b-123456789012-abcdefgh",
    "-----BEGIN RSA PRIVATE KEY-----",
    *[
        "1",
        "x",
        ":",
        ".",
        "-",
        "@",
        "(",
        ")",
        "|",
        "\n",
        "=",
        "字",
        "AB",
        "10",
        "2024-01-02",
        "[",
        "]",
        "/",
        "://",
    ],
    " ",
    *("&#64;", "&amp;", "#46;", "&shy;", "\\u0040", "\\n", "\\", "%40", "%20", "%2", "(at)", "[.]"),
    *("\xad", "\u200b", "\u2011", "\u2013", "\u202f", "\uff11", "\uff20", "\uff0e", "\u0661"),
    *("bob&#64;example.com", "4111\u200b1111\u200b1111\u200b1111", "\uff14111111111111111"),
]
TEXTS = (
    st.text()
    | st.text("0123456789 .-:()+/@ab\n\xa0|[]")
    | st.lists(st.sampled_from(PIECES), max_size=12).map("".join)
    | st.lists(st.sampled_from(PIECES), max_size=12).map(" ".join)
)


def sentence_of(kind: str) -> str:
    value = ONE_OF_EACH[kind]
    return f"See https://{value}@localhost/." if kind == "url_credentials" else f"It is {value}."


def test_there_is_a_placeholder_for_every_kind_of_the_config() -> None:
    assert set(PLACEHOLDERS) == set(get_args(RedactionKind)) == set(CONFIG.kinds)


@pytest.mark.parametrize("kind", PLACEHOLDERS)
def test_each_kind_has_its_placeholder_and_its_count(kind: str) -> None:
    text = sentence_of(kind)
    redacted = text.replace(ONE_OF_EACH[kind], PLACEHOLDERS[kind])
    assert redact(text, CONFIG) == (redacted, NOTHING | {kind: 1})


@pytest.mark.parametrize("kind", PLACEHOLDERS)
def test_each_kind_can_be_switched_off(kind: str) -> None:
    others = [other for other in PLACEHOLDERS if other != kind]
    config = RedactionConfig.model_validate({"kinds": others})
    text = " ".join(sentence_of(other) for other in PLACEHOLDERS)
    assert redact(text, config)[1] == dict.fromkeys(others, 1) | {kind: 0}


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("Write to bob.smith+x@mail.example.co.uk.", "Write to [EMAIL]."),
        ("<a@b.de>, mailto:c_d@e-f.org; g%h@i.museum", "<[EMAIL]>, mailto:[EMAIL]; [EMAIL]"),
        ("jürgen@münchen.de", "[EMAIL]"),
        ("x@mail.xn--p1ai", "[EMAIL]"),
        ("a@b.com,c@d.com", "[EMAIL],[EMAIL]"),
        ("请联系bob@example.com谢谢", "请联系[EMAIL]谢谢"),
    ],
)
def test_email_addresses_are_replaced(text: str, redacted: str) -> None:
    assert redact(text, CONFIG) == (redacted, NOTHING | {"email": text.count("@")})


def test_an_address_begins_no_more_than_256_characters_before_its_at_sign() -> None:
    assert list(find_emails("a" * 300 + "@b.com")) == [(44, 306)]


@pytest.mark.parametrize(
    "text",
    [
        "999.1.1.1 and 1.2.3 and v1.2.3.4 and 1.2.3.4.5",
        "a::b std::dec add::bad x[1::2] ::1 12:30:45 00:1a:2b:3c:4d:5e",
        "05.11.2004 - 06.11.2004, 05.11.04 06.11.04, 05/11/2004 1/2/1999 01-02-2003",
        "2004-11-05 08:30, 11/05/2004, 05.11.2004, 20041105, 2004-11-05T08:30:00",
        "$1,250,000.00 or 1.250.000,00 EUR; $2125550123",
        "1914-1918, 1939-1945; 21-12 21-19 15-21; pp. 211-227 (2003); (1641–1679)",
        "ISBN 978-3-16-148410-0; 3.14159265; 4111 1111 1111 1112",
        "@handle, a@b, x@y.z, 3@4.5, @ home",
    ],
)
def test_dates_prices_scores_and_versions_stay(text: str) -> None:
    assert redact(text, CONFIG) == (text, NOTHING)


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("https://me:hunter2@host.example/x", "https://[CREDENTIALS]@host.example/x"),
        ("a@b.com 10.0.0.1 +49 30 901820", "[EMAIL] [IP] [PHONE]"),
        ("2001:db8::192.0.2.33", "[IP]"),
        ("身份证11010519491231002X，卡4111111111111111", "身份证[NATIONAL_ID]，卡[CARD]"),
    ],
)
def test_the_surest_kind_of_overlapping_ones_is_taken(text: str, redacted: str) -> None:
    assert redact(text, CONFIG)[0] == redacted


def test_nothing_is_replaced_when_switched_off() -> None:
    text = "a@b.com 10.0.0.1 +49 30 901820"
    assert redact(text, RedactionConfig(enabled=False))[0] == text


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Nd"], exclude_characters="@:")))
def test_text_without_digits_colons_and_at_signs_is_untouched(text: str) -> None:
    assert redact(text, CONFIG) == (text, NOTHING)


@pytest.mark.parametrize("far", ["", " Chapter 5.", " https://example.org", " bob@example.org"])
@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("Open example.org/x?secret=abc now.", "Open example.org/x?secret=[CREDENTIALS] now."),
        ("It is AKIA" + "IOSFODNNVEXAMPLE.", "It is [ACCESS_KEY]."),
        ("It is gh" + "p_" + "X" * 36 + ".", "It is gh" + "p_" + "X" * 36 + "."),
    ],
)
def test_what_is_found_does_not_depend_on_text_far_away(text: str, redacted: str, far: str) -> None:
    assert redact(text + far, CONFIG)[0] == redacted + redact(far, CONFIG)[0]


@settings(deadline=None)
@given(TEXTS)
def test_counts_are_those_of_the_placeholders_added(text: str) -> None:
    redacted, counts = redact(text, CONFIG)
    for kind, placeholder in PLACEHOLDERS.items():
        assert redacted.count(placeholder) == text.count(placeholder) + counts[kind]


@settings(deadline=None)
@given(TEXTS)
def test_everything_outside_the_findings_stays(text: str) -> None:
    rebuilt, done = "", 0
    for finding in find_personal_data(text, CONFIG):
        assert done <= finding.start < finding.end <= len(text)
        rebuilt += text[done : finding.start] + PLACEHOLDERS[finding.kind]
        done = finding.end
    assert redact(text, CONFIG)[0] == rebuilt + text[done:]


@settings(deadline=None, max_examples=300)
@given(TEXTS)
def test_what_is_redacted_is_not_changed_by_redacting_again(text: str) -> None:
    redacted = redact(text, CONFIG)[0]
    assert redact(redacted, CONFIG) == (redacted, NOTHING)


@pytest.mark.parametrize(
    "unit",
    [
        *("a", "@", "a@", "a@b.", "a.", "+", "1:", "2001:", "1.2.3.4 ", "x@1.1", "1 ", "1", "A"),
        *(
            "4111 1111 1111 1112 ",
            "GB29",
            "GB29 NWBK 6016 1331 9268 18 ",
            "-----BEGIN PRIVATE KEY-----",
        ),
        *("://", "://a:", "https://a:b@c ", "?api_key=", "eyJ", "eyJaaaaaaaaaa.", "xoxb-", "ghp_"),
        *(
            "&",
            "&amp;",
            "&#64;",
            "&#0",
            "\\",
            "\\\\u0040",
            "%25",
            "%40",
            "a%40b.cd",
            "(at) ",
            "( ",
            "[.",
        ),
        *("\xad", "\u200b1", "1\u20091", "1\u20111", "\uff11", "\uff20", "a\uff20b.cd ", "\u0661/"),
        *("1/2/", "12 34 ", "0 30/", "2125550147 ", "+49 30 901820 ", "(1) ", "1.2.3.4.", "a.b."),
        *("sk-", "sk-a1-", "SG.", "SG.a.", "hf_", "npm_a", "glpat-"),
        *(
            "aws_secret_access_key=",
            "123-45-",
            "110105194912310021 ",
            "AKIA",
            "-----END PRIVATE KEY-----",
        ),
    ],
)
def test_long_runs_of_any_one_thing_take_no_quadratic_time(unit: str) -> None:
    assert_linear(lambda text: redact(text, CONFIG), repeat(unit), 12_500)


@pytest.mark.parametrize("unit", ["1/2/", "12 34 ", "2125550147 ", "&#49;/", "\xad1/"])
def test_repeated_digits_take_a_few_calls_a_character(unit: str) -> None:
    text = unit * (200_000 // len(unit))
    redacting = min(cpu_seconds(lambda: redact(text, CONFIG)) for _ in range(3))
    calling = min(cpu_seconds(lambda: re.sub("(?s).", re.Match.group, text)) for _ in range(3))
    assert redacting < 12 * calling


@pytest.mark.parametrize(("region", "fix"), [("de", "write DE"), ("XX", "remove it")])
def test_an_unknown_region_is_named_with_its_fix(region: str, fix: str) -> None:
    with pytest.raises(InputError, match=f"phone_regions: unknown region '{region}': {fix}"):
        check_regions(RedactionConfig(phone_regions=("US", region)))


def test_the_regions_of_the_default_are_known() -> None:
    check_regions(CONFIG)
