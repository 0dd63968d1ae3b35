from ipaddress import IPv4Address, IPv6Address, ip_network
from random import Random

import phonenumbers
import pytest

from textmill.config import RedactionConfig
from textmill.safety.credentials import find_access_keys, find_private_keys, find_url_credentials
from textmill.safety.numbers import find_cards, find_ibans, find_national_ids
from textmill.safety.redaction import find_personal_data
from textmill.sample import contacts

RANGES = [ip_network(f"{net}/24") for net in ("192.0.2.0", "198.51.100.0", "203.0.113.0")]
REGIONS = ("US", "GB", "DE")


@pytest.mark.parametrize("region", REGIONS)
def test_every_phone_format_is_valid_and_found_in_running_text(region):
    rng = Random(0)
    values = {contacts.draw_phone(region, rng) for _ in range(300)}
    for value in values:
        assert phonenumbers.is_valid_number(phonenumbers.parse(value, region))
        text = contacts.PHONE_SENTENCES[0].format(value)
        found = [match.raw_string for match in phonenumbers.PhoneNumberMatcher(text, region)]
        assert len(found) == 1
        assert value.removeprefix("(") in found[0].removeprefix("(")


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("kind", contacts.LOOK_ALIKES)
def test_no_look_alike_is_a_phone_number(kind, region):
    rng = Random(0)
    for _ in range(300):
        text = contacts.LOOK_ALIKES[kind].format(contacts.draw_look_alike(kind, rng))
        assert not list(phonenumbers.PhoneNumberMatcher(text, region)), text


def test_ip_addresses_are_in_the_documentation_ranges():
    rng = Random(0)
    for _ in range(300):
        address = IPv4Address(contacts.draw_ipv4(rng))
        assert any(address in network for network in RANGES)
        assert IPv6Address(contacts.draw_ipv6(rng)) in ip_network("2001:db8::/32")


def test_email_addresses_end_in_a_reserved_domain():
    rng = Random(0)
    for _ in range(300):
        local, _, domain = contacts.draw_email(rng).partition("@")
        assert local
        assert domain.endswith(".example")


@pytest.mark.parametrize(
    ("draw", "find"),
    [
        (contacts.draw_card, find_cards),
        (contacts.draw_iban, find_ibans),
        (contacts.draw_national_id, find_national_ids),
        (contacts.draw_access_key, find_access_keys),
        (contacts.draw_private_key, find_private_keys),
    ],
)
def test_every_number_and_key_is_detected_completely(draw, find):
    rng = Random(0)
    for _ in range(300):
        value = draw(rng)
        assert list(find(value)) == [(0, len(value))], value


def test_credentials_are_found_in_their_sentences():
    rng = Random(0)
    for sentence in contacts.URL_CREDENTIALS_SENTENCES * 50:
        value = contacts.draw_url_credentials(rng)
        text = sentence.format(value)
        start = text.index(value)
        assert list(find_url_credentials(text)) == [(start, start + len(value))]


@pytest.mark.parametrize("kind", contacts.LOOK_ALIKES)
def test_no_look_alike_is_personal_data(kind):
    rng = Random(0)
    for _ in range(300):
        text = contacts.LOOK_ALIKES[kind].format(contacts.draw_look_alike(kind, rng))
        assert find_personal_data(text, RedactionConfig()) == [], text
