"""Personal data found by its form, and replaced by typed placeholders."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable

import phonenumbers

from textmill.config import RedactionConfig
from textmill.errors import InputError

PLACEHOLDERS = {"email": "[EMAIL]", "phone": "[PHONE]", "ip": "[IP]"}
"""What stands in a text for an address or number of each kind."""

# All patterns are bounded or possessive, and start only where the text before cannot belong to
# them: each character is looked at a fixed number of times, whatever the text.
_DIGIT = re.compile(r"\d")
_EMAIL = re.compile(
    r"(?<![\w.%+-])[\w.%+-]++@(?:[^\W_][\w-]{0,62}\.){1,8}"
    r"(?:xn--[a-z0-9-]{2,59}|[^\W\d_]{2,24})(?![^\W_])"
)
_IPV4 = re.compile(r"(?<![\w.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?!\w|\.[0-9])")
# Addresses in use begin with four digits (2000::/3, fe80::, fd00::). Asking for them spares the
# "a::b" and "1::2" of program text, which are valid addresses as well.
_IPV6 = re.compile(
    r"(?<![\w:.])[0-9A-Fa-f]{4}(?::[0-9A-Fa-f]{0,4}){2,7}(?:(?:\.[0-9]{1,3}){3})?(?![\w:])"
)
# Dates are valid telephone numbers in Germany, where 05.11.2004 is one of Hannover.
_DATE = re.compile(
    r"(?<![\d+])(?<!\d[./-])(?:[0-3]?\d([./-])[0-3]?\d\1(?:19|20)?\d\d"
    r"|(?:19|20)\d\d([./-])[01]?\d\2[0-3]?\d)(?![./-]?\d)"
)
# Seven or more digits with little between them. phonenumbers needs 100 us to look at such a place,
# so it is shown nothing else.
_DIGIT_GROUP = re.compile(r"\d(?:[^\w\n:]{0,4}\d){6,}+")
_CHARS_BEFORE = 12  # phonenumbers looks at leading brackets and signs, and the character before
_CHARS_AFTER = 32  # and at an extension, or the minutes of a time


def check_regions(config: RedactionConfig) -> None:
    """Check that the telephone numbers of all regions are known.

    Raises:
        InputError: a region is not.
    """
    for region in config.phone_regions:
        if region not in phonenumbers.SUPPORTED_REGIONS:
            upper = region.upper()
            hint = f"write {upper}" if upper in phonenumbers.SUPPORTED_REGIONS else "leave it out"
            raise InputError(
                f"corpus.redaction.phone_regions: {region!r} is no region whose telephone numbers "
                f"are known: {hint}. Regions are ISO 3166 codes of countries such as US, GB or DE."
            )


def redact(text: str, config: RedactionConfig) -> tuple[str, dict[str, int]]:
    """Replace e-mail addresses, IP addresses and telephone numbers by their placeholders.

    A telephone number must be valid in its country's numbering plan. Four numbers with dots that
    could be an IPv4 address are taken for one, even if they are a version.

    Returns:
        The text, and the number of replacements by kind: `email`, `phone` and `ip`, all of them
        always there.
    """
    counts = dict.fromkeys(PLACEHOLDERS, 0)
    if not config.enabled:
        return text, counts
    if "@" in text:
        text, counts["email"] = _EMAIL.subn(PLACEHOLDERS["email"], text)
    if _DIGIT.search(text):
        text, counts["ip"] = _redact_ip(text)
        text, counts["phone"] = _redact_phones(text, config.phone_regions)
    return text, counts


def _redact_ip(text: str) -> tuple[str, int]:
    count = 0

    def placeholder(match: re.Match[str]) -> str:
        nonlocal count
        address = match[0]
        # A colon after the address is punctuation: "ping 2001:db8::1: no answer".
        rest = ":" if address.endswith(":") and not address.endswith("::") else ""
        try:
            ipaddress.ip_address(address.removesuffix(rest))
        except ValueError:
            return address
        if not _DIGIT.search(address):
            return address
        count += 1
        return PLACEHOLDERS["ip"] + rest

    if ":" in text:
        text = _IPV6.sub(placeholder, text)
    return _IPV4.sub(placeholder, text), count


def _redact_phones(text: str, regions: tuple[str, ...]) -> tuple[str, int]:
    if not _DIGIT_GROUP.search(text):
        return text, 0
    without_dates = _DATE.sub(lambda match: "|" * len(match[0]), text)
    groups = [match.span() for match in _DIGIT_GROUP.finditer(without_dates)]
    pieces: list[str] = []
    done = count = 0
    for index, (start, end) in enumerate(groups):
        # The neighbours' digits are kept out: half a number can look like a whole one.
        previous_end = groups[index - 1][1] if index else 0
        next_start = groups[index + 1][0] if index + 1 < len(groups) else len(text)
        left = max(start - _CHARS_BEFORE, previous_end, done)
        right = min(end + _CHARS_AFTER, next_start)
        for first, last in _phone_spans(without_dates[left:right], regions):
            pieces += [text[done : left + first], PLACEHOLDERS["phone"]]
            done = left + last
            count += 1
    return "".join(pieces) + text[done:], count


def _phone_spans(text: str, regions: tuple[str, ...]) -> Iterable[tuple[int, int]]:
    """Return the places of telephone numbers in order, overlapping ones as one."""
    # Every region finds international numbers too; None finds nothing else.
    spans = sorted(
        (match.start, match.end)
        for region in regions or (None,)
        for match in phonenumbers.PhoneNumberMatcher(
            text, region, leniency=phonenumbers.Leniency.VALID
        )
    )
    merged: list[tuple[int, int]] = []
    for start, end in spans:
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged
