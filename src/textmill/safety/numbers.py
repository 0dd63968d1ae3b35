"""Personal numbers that have a check digit or a fixed format.

Every pattern begins with digits, which `re` finds faster than a negative look-behind: the
look-behind comes after the first digits and covers them. All lengths are bounded.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from functools import cache

from stdnum import iban, luhn, numdb
from stdnum.cn import ric
from stdnum.exceptions import ValidationError
from stdnum.us import itin, ssn

from textmill.safety.characters import ALNUM

Span = tuple[int, int]
"""Start and end offsets in a text, end exclusive."""

_DIGIT = re.compile(r"\d")
_IPV4 = re.compile(
    rf"[0-9](?<![{ALNUM}.][0-9])[0-9]{{0,2}}(?:\.[0-9]{{1,3}}){{3}}(?![{ALNUM}]|\.[0-9])"
)
# Addresses in use begin with four digits (2000::/3, fe80::, fd00::). Requiring them excludes the
# "a::b" and "1::2" of source code, which are valid addresses as well.
_IPV6 = re.compile(
    rf"[0-9A-Fa-f]{{4}}:(?<![{ALNUM}:.][0-9A-Fa-f]{{4}}:)[0-9A-Fa-f]{{0,4}}"
    rf"(?::[0-9A-Fa-f]{{0,4}}){{1,6}}(?:(?:\.[0-9]{{1,3}}){{3}})?(?![{ALNUM}:])"
)
_TWO_COLONS = re.compile(":[0-9A-Fa-f]{0,4}:")
_VERSION_BEFORE = re.compile(
    r"(?:version|release|build|firmware|版本|版本号)\W{0,2}\Z", re.IGNORECASE
)

# Groups of four as on most cards, grouped as on American Express and Diners cards, or ungrouped.
_CARD = re.compile(
    rf"[0-9](?<![{ALNUM}][0-9])(?<![0-9][.,][0-9])(?<![0-9A-Za-z]-[0-9])"
    r"(?:[0-9]{3}([ \xa0-])[0-9]{4}\1[0-9]{4}\1[0-9]{4}(\1[0-9]{3}(?![0-9]))?"
    r"|[0-9]{3}([ \xa0-])[0-9]{6}\3[0-9]{4,5}|[0-9]{11,18})"
    rf"(?![{ALNUM}]|-[{ALNUM}]|[.,][0-9])"
)
# ISO/IEC 7812 ranges as published by the issuers. Visa numbers of 13 digits are no longer in use,
# and a tenth of the German article numbers (EAN) would match them.
_ISSUER = re.compile(
    r"4(?:[0-9]{15}|[0-9]{18})"  # Visa
    r"|5[1-5][0-9]{14}"  # Mastercard, and its newer range
    r"|(?:222[1-9]|22[3-9][0-9]|2[3-6][0-9]{2}|27[01][0-9]|2720)[0-9]{12}"
    r"|3[47][0-9]{13}"  # American Express
    r"|(?:6011|64[4-9][0-9]|65[0-9]{2})[0-9]{12,15}"  # Discover
    r"|30[0-5][0-9]{11}|3095[0-9]{10}|3[689][0-9]{12}"  # Diners Club
    r"|35(?:2[89]|[3-8][0-9])[0-9]{12,15}"  # JCB
    r"|(?:62|81)[0-9]{14,17}"  # UnionPay
    r"|220[0-4][0-9]{12,15}"  # Mir
    r"|(?:5018|5020|5038|5893|6304|6759|676[123])[0-9]{8,15}"  # Maestro
)

_IBAN_HEAD = re.compile(rf"[0-9]{{2}}(?<=[A-Z]{{2}}[0-9]{{2}})(?<![{ALNUM}][A-Z]{{2}}[0-9]{{2}})")
_IBAN_REST = re.compile("[ \xa0-]?[0-9A-Z]{4}(?:[ \xa0-]?[0-9A-Z]){7,26}")

_CHINESE_ID = re.compile(
    rf"[1-8](?<![{ALNUM}][1-8])[0-9]{{5}} ?(?:1[89]|20)[0-9]{{2}}[01][0-9][0-3][0-9] ?"
    rf"[0-9]{{3}}[0-9Xx](?![{ALNUM}])"
)
_AMERICAN_ID = re.compile(
    rf"[0-9](?<![{ALNUM}][0-9])(?<![0-9A-Za-z]-[0-9])[0-9]{{2}}-[0-9]{{2}}-[0-9]{{4}}"
    rf"(?![{ALNUM}]|-[{ALNUM}])"
)


def find_ips(text: str) -> Iterator[Span]:
    """Yield the spans of IPv4 and IPv6 addresses.

    Four dotted numbers that form a valid address count as one, unless the word before them says
    that they are a version.
    """
    if ":" in text and _TWO_COLONS.search(text):
        for match in _IPV6.finditer(text):
            address = match[0]
            # A colon after the address is punctuation: "ping 2001:db8::1: no answer".
            if address.endswith(":") and not address.endswith("::"):
                address = address[:-1]
            if _is_ip(address) and _DIGIT.search(address):
                yield match.start(), match.start() + len(address)
    for match in _IPV4.finditer(text):
        start, end = match.span()
        if _is_ip(match[0]) and not _VERSION_BEFORE.search(text[max(0, start - 10) : start]):
            yield start, end


def _is_ip(address: str) -> bool:
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return False
    return True


def find_cards(text: str) -> Iterator[Span]:
    """Yield the spans of payment card numbers: an issuer's range, its length, and Luhn's check.

    Source: ISO/IEC 7812-1:2017, annex B (Luhn).
    """
    for match in _CARD.finditer(text):
        start, end = match.span()
        if _is_card(match[0]):
            yield start, end
        elif match[2] and _is_card(match[0][: -len(match[2])]):
            # The number is followed by three digits, such as the card's verification code.
            yield start, end - len(match[2])


def _is_card(number: str) -> bool:
    digits = re.sub("[^0-9]", "", number)
    return bool(_ISSUER.fullmatch(digits)) and luhn.is_valid(digits)


def find_ibans(text: str) -> Iterator[Span]:
    """Yield the spans of international bank account numbers.

    Country, length, structure and check digits must be valid according to python-stdnum's registry.

    Source: ISO 13616-1:2020.
    """
    done = 0
    for match in _IBAN_HEAD.finditer(text):
        start = match.start() - 2
        rest = _IBAN_REST.match(text, match.end())
        if start < done or rest is None:
            continue
        end = _end_of_iban(text[start : rest.end()])
        if end and not re.match(f"[{ALNUM}]", text[start + end : start + end + 1]):
            done = start + end
            yield start, done


def _end_of_iban(text: str) -> int:
    """Return the length of the number at the beginning of a text, spaces included, or 0."""
    missing = _iban_length(text[:2])
    for position, character in enumerate(text):
        missing -= character.isalnum()
        if not missing:
            return position + 1 if iban_is_valid(text[: position + 1]) else 0
    return 0


def iban_is_valid(text: str) -> bool:
    """Return whether a text is a valid IBAN; national check digits are not verified."""
    try:
        iban.validate(text.replace("\xa0", " "), check_country=False)
    except ValidationError:
        return False
    return True


@cache
def _iban_length(country: str) -> int:
    """Return the number of characters of a country's IBANs, or 0 if it has none."""
    found = numdb.get("iban").info(country)[0][1]
    structure = found.get("bban", "")  # such as 8!n10!n
    return 4 + sum(map(int, re.findall(r"(\d+)!", structure))) if structure else 0


def find_national_ids(text: str) -> Iterator[Span]:
    """Yield the spans of Chinese resident ids and of US social security and taxpayer numbers.

    A Chinese id must contain a date and a valid check digit (GB 11643-1999). American numbers have
    no check digit: they are recognised by their hyphens, excluding ranges that are never issued.
    """
    for match in _CHINESE_ID.finditer(text):
        if _is_chinese_id(match[0].replace(" ", "")):
            yield match.span()
    for match in _AMERICAN_ID.finditer(text):
        if ssn.is_valid(match[0]) or itin.is_valid(match[0]):
            yield match.span()


def _is_chinese_id(number: str) -> bool:
    # stdnum's own validate() also requires a district that existed in the year of birth, which is
    # not true of ids issued later.
    try:
        ric.get_birth_date(number)
    except ValidationError:
        return False
    return number[-1].upper() == ric.calc_check_digit(number)
