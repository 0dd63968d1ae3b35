"""Personal data found by its format, and replaced by typed placeholders."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial

import phonenumbers

from textmill.config import RedactionConfig
from textmill.errors import InputError
from textmill.safety.characters import MASK, UNSPACED
from textmill.safety.credentials import (
    KEYS_OF_LETTERS,
    find_access_keys,
    find_private_keys,
    find_url_credentials,
)
from textmill.safety.numbers import Span, find_cards, find_ibans, find_ips, find_national_ids
from textmill.safety.obfuscation import DIGITS, deobfuscate, original_span
from textmill.safety.phones import find_phones
from textmill.safety.placeholders import PLACEHOLDERS

Finder = Callable[[str], Iterable[Span]]

# Searched in the raw text, where escapes matter: in "ftp://ann:p%40w@host" the second at sign ends
# the password.
_RAW_KINDS = {"private_key", "url_credentials"}
_OBFUSCATION_CHARS = "@\uff20&\\%[({\x00"
"""A text with neither a digit nor one of these characters is not obfuscated."""

_WITH_DIGITS = {"access_key", "iban", "national_id", "card", "ip", "phone"}
_NUMBERS = {"iban", "national_id", "card", "phone"}
_DIGIT = re.compile(f"[0-9{DIGITS}]")
# Matches part of each of these numbers: seven digits with few separators, or two letters and two
# digits followed by more of either.
_NUMBER = re.compile(r"\d(?:(?:[^\w\n:,$%]{0,4}\d){6}|(?<=[A-Z]{2}\d)\d[ \xa0-]?[0-9A-Z]{4})")
_LOCAL_CHARS = 256  # maximum of an e-mail address before its @; RFC 5321 allows 64
_LOCAL_REVERSED = re.compile(rf"(?:[^\W{UNSPACED}]|[.%+-])+")
_DOMAIN = re.compile(
    rf"(?:[^\W_][\w-]{{0,62}}\.){{1,8}}(?:xn--[a-z0-9-]{{2,59}}|[^\W\d_{UNSPACED}]{{2,24}})"
    rf"(?![^\W_{UNSPACED}])"
)


@dataclass(frozen=True)
class Finding:
    """Personal data in a text."""

    kind: str
    start: int
    end: int
    """Exclusive."""


def check_regions(config: RedactionConfig) -> None:
    """Raise InputError if a region of the configuration has no known telephone numbers."""
    for region in config.phone_regions:
        if region not in phonenumbers.SUPPORTED_REGIONS:
            upper = region.upper()
            hint = f"write {upper}" if upper in phonenumbers.SUPPORTED_REGIONS else "remove it"
            raise InputError(
                f"corpus.redaction.phone_regions: unknown region {region!r}: {hint}. Regions are "
                "ISO 3166 country codes such as US, GB or DE."
            )


def redact(text: str, config: RedactionConfig) -> tuple[str, dict[str, int]]:
    """Replace personal data of the configured kinds by its placeholders.

    Redacting the result again changes nothing.

    Returns:
        The text, and the number of replacements for every kind of `PLACEHOLDERS`.
    """
    counts = dict.fromkeys(PLACEHOLDERS, 0)
    findings = find_personal_data(text, config)
    for finding in findings:
        counts[finding.kind] += 1
    return with_placeholders(text, findings, 0, len(text)), counts


def with_placeholders(text: str, findings: Iterable[Finding], start: int, end: int) -> str:
    """Return a part of a text with placeholders for the findings of which it has at least a part.

    Args:
        text: the whole text.
        findings: in their order and without overlaps.
        start: where the part begins.
        end: where it ends, exclusive.
    """
    pieces: list[str] = []
    done = start
    for finding in findings:
        if finding.start < end and finding.end > start:
            pieces += [text[done : finding.start], PLACEHOLDERS[finding.kind]]
            done = finding.end
    return "".join(pieces) + text[done:end]


def find_personal_data(text: str, config: RedactionConfig) -> list[Finding]:
    """Return the personal data of the configured kinds in a text, in order and without overlaps."""
    findings: list[Finding] = []
    if not config.enabled:
        return findings
    finders = _finders(config.kinds, config.phone_regions)
    while new := _find_in_all(text, finders):
        # Masking a finding may reveal its neighbour: "1.2.3.4" in "1.2.3.4+49 30 901820".
        findings += new
        text = _masked(text, [(finding.start, finding.end) for finding in new])
    return sorted(findings, key=lambda finding: finding.start)


@cache
def _finders(kinds: tuple[str, ...], phone_regions: tuple[str, ...]) -> Mapping[str, Finder]:
    """Return the finder of each kind, the most specific first."""
    finders: dict[str, Finder] = {
        "private_key": find_private_keys,
        "url_credentials": find_url_credentials,
        "email": find_emails,
        "access_key": find_access_keys,
        "iban": find_ibans,
        "national_id": find_national_ids,
        "card": find_cards,
        "ip": find_ips,
        "phone": partial(find_phones, regions=phone_regions),
    }
    return {kind: find for kind, find in finders.items() if kind in kinds}


def _find_in_all(text: str, finders: Mapping[str, Finder]) -> list[Finding]:
    """Return the findings in the raw text and in its normalised view."""
    has_digits = bool(_DIGIT.search(text))
    may_hide = has_digits or any(map(text.__contains__, _OBFUSCATION_CHARS))
    if not may_hide or not (views := deobfuscate(text)):
        return _find_once(text, finders, has_digits)
    found = _find_once(text, {kind: finders[kind] for kind in finders if kind in _RAW_KINDS}, True)
    if found:
        return found  # the caller masks these and searches again
    view = views[-1].text
    for finding in _find_once(view, finders, bool(_DIGIT.search(view))):
        found.append(Finding(finding.kind, *original_span(views, (finding.start, finding.end))))
    # The view may join what was separate: two addresses with a zero-width space between them.
    return found or _find_once(text, finders, has_digits)


def _find_once(text: str, finders: Mapping[str, Finder], has_digits: bool) -> list[Finding]:
    """Return the findings of each kind, in the text not covered by the kinds before it."""
    findings: list[Finding] = []
    # Most texts have no digits, and most others no long number: two searches save seven.
    hopeless: Collection[str] = ()
    if not has_digits:
        hopeless = _WITH_DIGITS
        # One search for most texts: both markers contain it.
        if "IA" in text and any(map(text.__contains__, KEYS_OF_LETTERS)):
            hopeless = _WITH_DIGITS - {"access_key"}
    elif not _NUMBER.search(text):
        hopeless = _NUMBERS
    for kind, find in finders.items():
        if kind not in hopeless and (spans := _without_overlaps(find(text))):
            findings += [Finding(kind, start, end) for start, end in spans]
            text = _masked(text, spans)
    return findings


def find_emails(text: str) -> Iterator[Span]:
    """Yield the spans of e-mail addresses, internationalised domains included.

    An ideograph before the @ ends the address: Chinese puts no space between a word and an address.
    """
    done = 0
    at = text.find("@")
    while at >= 0:
        # A pattern for the whole address would try every word as its beginning.
        before = text[max(done, at - _LOCAL_CHARS) : at][::-1]
        local, domain = _LOCAL_REVERSED.match(before), _DOMAIN.match(text, at + 1)
        if local and domain:
            done = domain.end()
            yield at - local.end(), done
        at = text.find("@", at + 1)


def _without_overlaps(spans: Iterable[Span]) -> list[Span]:
    kept: list[Span] = []
    for start, end in sorted(spans):
        if not kept or start >= kept[-1][1]:
            kept.append((start, end))
    return kept


def _masked(text: str, spans: list[Span]) -> str:
    """Return the text with the spans masked, at the same length."""
    pieces: list[str] = []
    done = 0
    for start, end in sorted(spans):
        pieces += [text[done:start], MASK * (end - start)]
        done = end
    return "".join(pieces) + text[done:]
