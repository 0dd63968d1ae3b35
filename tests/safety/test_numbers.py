"""Specifies which numbers are those of persons, by their published check digits and examples."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import iban, luhn
from stdnum.cn import ric

from textmill.safety.numbers import find_cards, find_ibans, find_ips, find_national_ids

Finder = Callable[[str], Iterable[tuple[int, int]]]


def found(find: Finder, text: str) -> list[str]:
    return [text[start:end] for start, end in find(text)]


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("from 10.0.0.1:8080 and http://192.168.1.255/x", ["10.0.0.1", "192.168.1.255"]),
        ("2001:0db8:85a3:0000:0000:8a2e:0370:7334/64", ["2001:0db8:85a3:0000:0000:8a2e:0370:7334"]),
        ("ping 2001:db8::1: no answer from fe80::1", ["2001:db8::1", "fe80::1"]),
        ("fdab:cdef:abcd::1 or 2001:db8::a", ["fdab:cdef:abcd::1", "2001:db8::a"]),
        ("主机10.0.0.1重启", ["10.0.0.1"]),
        ("version 1.2.3.4, Release: 1.2.3.4, 版本1.2.3.4", []),
        ("dead:beef::cafe a::b v1.2.3.4 1.2.3.4.5 256.1.1.1", []),
    ],
)
def test_ip_addresses_are_found(text: str, addresses: list[str]) -> None:
    assert sorted(found(find_ips, text)) == sorted(addresses)


# The numbers that issuers and payment services publish for tests.
CARDS = [
    "4111111111111111",
    "4242424242424242",
    "4012888888881881",
    "5555555555554444",
    "5105105105105100",
    "2223003122003222",
    "378282246310005",
    "371449635398431",
    "6011111111111117",
    "6011000990139424",
    "30569309025904",
    "38520000023237",
    "36227206271667",
    "3530111333300000",
    "3566002020360505",
    "6200000000000005",
    "6205500000000000004",
    "6759649826438453",
]


@pytest.mark.parametrize("number", CARDS)
def test_published_card_numbers_are_found_until_a_digit_changes(number: str) -> None:
    assert found(find_cards, f"Card {number}.") == [number]
    for last in set("0123456789") - {number[-1]}:
        assert found(find_cards, f"Card {number[:-1]}{last}.") == []


@pytest.mark.parametrize(
    "number",
    [
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        "4111\xa01111\xa01111\xa01111",
        "3782 822463 10005",
        "3056 930902 5904",
        "6205 5000 0000 0000 004",
    ],
)
def test_the_groups_printed_on_cards_are_accepted(number: str) -> None:
    assert found(find_cards, f"({number}) 123") == [number]


def test_the_code_behind_a_number_is_no_part_of_it() -> None:
    assert found(find_cards, "4111 1111 1111 1111 737") == ["4111 1111 1111 1111"]


@pytest.mark.parametrize(
    "text",
    [
        "0.4111111111111111",
        "4111111111111111.5",
        "a4111111111111111",
        "4111111111111111f",
        "7411-4111-1111-1111-1111-11",
        "4111  1111  1111  1111",
        "4111 1111-1111 1111",
        "490154203237518",  # an IMEI, which ends in Luhn's check digit as well
        "9999999999999995",  # right by Luhn, and in nobody's range
    ],
)
def test_parts_of_other_numbers_are_no_cards(text: str) -> None:
    assert found(find_cards, text) == []


@given(st.from_regex(r"4[0-9]{14}", fullmatch=True), st.integers(0, 9))
def test_luhn_decides_on_a_number_in_the_range_of_an_issuer(head: str, last: int) -> None:
    number = f"{head}{last}"
    assert found(find_cards, number) == ([number] if luhn.is_valid(number) else [])


# From the registry of ISO 13616 (SWIFT).
IBANS = [
    "DE89370400440532013000",
    "GB29NWBK60161331926819",
    "FR1420041010050500013M02606",
    "AT611904300234573201",
    "CH9300762011623852957",
    "NL91ABNA0417164300",
    "ES9121000418450200051332",
    "IT60X0542811101000000123456",
    "BE68539007547034",
    "PL61109010140000071219812874",
    "SE4550000000058398257466",
    "NO9386011117947",
    "SA0380000000608010167519",
    "AE070331234567890123456",
    "TR330006100519786457841326",
    "LU280019400644750000",
    "PT50000201231234567890154",
    "IE29AIBK93115212345678",
    "CZ6508000000192000145399",
    "MT84MALT011000012345MTLCAST001S",
]


@pytest.mark.parametrize("number", IBANS)
@pytest.mark.parametrize("separator", ["", " ", "-"])
def test_the_examples_of_the_registry_are_found(number: str, separator: str) -> None:
    printed = separator.join(number[at : at + 4] for at in range(0, len(number), 4))
    assert found(find_ibans, f"IBAN {printed}, BIC COBADEFFXXX") == [printed]
    assert found(find_ibans, f"{printed} BIC COBADEFFXXX") == [printed]


@given(st.sampled_from(IBANS), st.integers(4, 14), st.sampled_from("0123456789"))
def test_a_changed_digit_makes_it_none(number: str, place: int, digit: str) -> None:
    changed = number[:place] + digit + number[place + 1 :]
    expected = [changed] if iban.is_valid(changed, check_country=False) else []
    assert found(find_ibans, changed) == expected


def test_two_account_numbers_in_a_row_are_two() -> None:
    assert found(find_ibans, f"{IBANS[0]} {IBANS[1]}") == IBANS[:2]


@pytest.mark.parametrize("text", ["xDE89370400440532013000", "DE893704004405320130001", "DE12"])
def test_parts_of_other_words_are_no_account_numbers(text: str) -> None:
    assert found(find_ibans, text) == []


@given(
    st.from_regex(
        r"[1-6][1-5][0-9]{4}18[0-9]{2}(0[1-9]|1[0-2])(0[1-9]|1[0-9]|2[0-8])[0-9]{3}", fullmatch=True
    )
)
def test_a_chinese_id_has_one_right_check_digit(head: str) -> None:
    right = head + ric.calc_check_digit(head + "0")
    numbers = [head + last for last in "0123456789X"]
    assert [number for number in numbers if found(find_national_ids, f"号码{number}。")] == [right]


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("11010519491231002X 11010519491231002x", ["11010519491231002X", "11010519491231002x"]),
        ("110105 19491231 002X", ["110105 19491231 002X"]),
        ("11010519491331002X", []),  # a thirteenth month
        ("011010519491231002X, 11010519491231002X1", []),
        ("123-45-6789, 912-73-1234", ["123-45-6789", "912-73-1234"]),
        ("000-12-3456 666-12-3456 123-00-6789 123-45-0000 900-10-1234", []),
        ("1-123-45-6789 123-45-6789-0 123-45-67890 x123-45-6789", []),
    ],
)
def test_national_ids_are_found(text: str, numbers: list[str]) -> None:
    assert found(find_national_ids, text) == numbers
