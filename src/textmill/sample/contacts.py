"""Personal data to plant, none of which belongs to anybody, and look-alikes of it.

Names end in .example (RFC 2606). IP addresses come from the documentation ranges (RFC 5737,
RFC 3849). Telephone numbers come from what NANPA, Ofcom and the Bundesnetzagentur keep free for
films and plays; the library phonenumbers regards all of them as valid.
"""

from __future__ import annotations

from ipaddress import IPv6Address
from random import Random

from textmill.sample.names import FAMILY_ENDINGS, FAMILY_STEMS, MONTHS, words

PHONE_FORMATS = {
    "US": (
        "({area}) 555-01{two}",
        "{area}-555-01{two}",
        "{area}.555.01{two}",
        "+1 {area} 555 01{two}",
        "+1 ({area}) 555-01{two}",
        "+1-{area}-555-01{two}",
    ),
    "GB": (
        "020 7946 0{three}",
        "(020) 7946 0{three}",
        "+44 20 7946 0{three}",
        "+44 (0)20 7946 0{three}",
        "0131 496 0{three}",
        "+44 113 496 0{three}",
    ),
    "DE": (
        "030 23125 {three}",
        "030/23125-{three}",
        "+49 30 23125{three}",
        "+49 (0)40 66969-{three}",
        "0221 4710-{three}",
        "(089) 99998 {three}",
    ),
}
US_AREAS = words("202 206 212 303 312 415 504 617")

EMAIL_SENTENCES = (
    "Write to {} if anything is unclear.",
    "My address is {}, as before.",
    "The list is kept by {} (mornings only).",
    "Questions go to {}, please.",
)
PHONE_SENTENCES = (
    "Call {} after lunch.",
    "The number is {}, and somebody always answers.",
    "Tickets by telephone ({}) until the evening.",
    "You can reach us on {}.",
)
IP_SENTENCES = (
    "The last login came from {} at night.",
    "The camera answers at {}, they say.",
    "Somebody at {} had changed the page.",
    "The server moved to {} without notice.",
)

LOOK_ALIKES = {
    "date": "The papers are dated {}.",
    "price": "In the end it cost {}.",
    "version": "The clock at the station runs software {} now.",
    "years": "The old hall was in use {}.",
    "score": "The youngest lost {} in the rain.",
    "time": "The recording stops at {} sharp.",
    "handle": "Online the club is known as {}.",
    "quantity": "They counted {} of them.",
}
"""Sentences whose value must stay, by the kind of value."""


def draw_email(rng: Random) -> str:
    """Return an address in one of the forms that people use."""
    first, family, company = rng.choice("abcdefghjklmnprstvw"), _family(rng), _family(rng)
    form = rng.choice(
        (
            "{first}.{family}@{company}.example",
            "{family}@mail.{company}.example",
            "{family}{number}@{company}.example",
            "{first}{family}+news@{company}.example",
            "{family}_{first}@{company}-post.example",
            "{Family}.Office@{Company}.example",
            "info@{company}{number}.example",
        )
    )
    return form.format(
        first=first,
        family=family,
        company=company,
        Family=family.capitalize(),
        Company=company.capitalize(),
        number=rng.randint(1, 99),
    )


def draw_phone(region: str, rng: Random) -> str:
    """Return a telephone number of the region: US, GB or DE."""
    return rng.choice(PHONE_FORMATS[region]).format(
        area=rng.choice(US_AREAS),
        two=f"{rng.randrange(100):02}",
        three=f"{rng.randrange(1000):03}",
    )


def draw_ipv4(rng: Random) -> str:
    """Return an address from one of the three documentation networks."""
    return f"{rng.choice(('192.0.2', '198.51.100', '203.0.113'))}.{rng.randint(1, 254)}"


def draw_ipv6(rng: Random) -> str:
    """Return an address from 2001:db8::/32, in short, full or upper-case form."""
    address = IPv6Address((0x20010DB8 << 96) + (rng.getrandbits(16) << 64) + rng.getrandbits(32))
    return rng.choice((address.compressed, address.exploded, address.compressed.upper()))


def draw_look_alike(kind: str, rng: Random) -> str:
    """Return a value of a kind in `LOOK_ALIKES`."""
    year, month, day = rng.randint(1995, 2024), rng.randint(1, 12), rng.randint(1, 28)
    few, many = rng.randint(1, 9), rng.randint(10, 99)
    forms = {
        "date": (f"{day} {MONTHS[month - 1]} {year}", f"{year}-{month:02}-{day:02}"),
        "price": (f"${few},{many}0.00", f"£{many}.50", f"€{few}{many}"),
        "version": (f"{few}.{many}.{month}", f"v{few}.{month}", f"{few}.0.{day}-rc1"),
        "years": (f"from {year - 40} to {year}", f"{year - 7}-{year}"),
        "score": (f"{few}-{month}", f"{few}:{month}"),
        "time": (f"{month}:{many % 60:02}:{day:02}", f"{day % 24:02}:{many % 60:02}"),
        "handle": (f"@{_family(rng)}{many}",),
        "quantity": (f"{many},{year % 1000:03}", f"{few}.{many} million", f"{many}/{many + few}"),
    }
    return rng.choice(forms[kind])


def _family(rng: Random) -> str:
    return (rng.choice(FAMILY_STEMS) + rng.choice(FAMILY_ENDINGS)).lower()
