from ipaddress import IPv4Address, IPv6Address, ip_network
from random import Random

import phonenumbers
import pytest

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


def test_ip_addresses_lie_in_the_documentation_ranges():
    rng = Random(0)
    for _ in range(300):
        address = IPv4Address(contacts.draw_ipv4(rng))
        assert any(address in network for network in RANGES)
        assert IPv6Address(contacts.draw_ipv6(rng)) in ip_network("2001:db8::/32")


def test_mail_addresses_end_in_a_reserved_domain():
    rng = Random(0)
    for _ in range(300):
        local, _, domain = contacts.draw_email(rng).partition("@")
        assert local
        assert domain.endswith(".example")
