"""Fictional personal data to plant in texts, and look-alikes of it.

Host names end in .example (RFC 2606). IP addresses are from the documentation ranges (RFC 5737,
RFC 3849). Telephone numbers are from ranges that NANPA, Ofcom and the Bundesnetzagentur reserve
for drama use; the library phonenumbers considers all of them valid. Cards are test numbers of
issuers, IBANs the examples of the ISO 13616 registry. Chinese ids belong to nobody alive; the
American numbers are those of sample forms. Keys are random.
"""

from __future__ import annotations

import base64
import string
from ipaddress import IPv6Address
from random import Random

from stdnum.cn import ric

from textmill.sample.language.names import FAMILY_ENDINGS, FAMILY_STEMS, MONTHS, words

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
CARD_SENTENCES = (
    "The room was paid with {} in advance.",
    "She read out the card, {}, over the telephone.",
    "On the slip stands {}, hardly legible.",
)
IBAN_SENTENCES = (
    "Gifts go to the account {}.",
    "The rent is sent to {} every month.",
    "The treasurer wrote {} on the board.",
)
NATIONAL_ID_SENTENCES = (
    "The form was filled in with {}.",
    "His papers bear the number {}.",
    "The clerk asked for {} again.",
)
ACCESS_KEY_SENTENCES = (
    "The script still contains {}, somebody noticed.",
    "They had to replace {} at once.",
    "The page showed the key {} to everybody.",
)
PRIVATE_KEY_SENTENCES = ("The file was pinned to the wall:\n{}\nNobody took it down.",)
URL_CREDENTIALS_SENTENCES = (
    "The pictures lie at https://{}@files.example.org/summer for now.",
    "The list is on ftp://{}@archive.example.net until May.",
)

CARDS = words("""
4111111111111111 4242424242424242 4012888888881881 5555555555554444 5105105105105100
2223003122003222 378282246310005 6011000990139424 30569309025904 3530111333300000 6200000000000005
""")
IBANS = words("""
DE89370400440532013000 GB29NWBK60161331926819 FR1420041010050500013M02606 AT611904300234573201
CH9300762011623852957 NL91ABNA0417164300 ES9121000418450200051332 SE4550000000058398257466
""")
AMERICAN_IDS = words("123-45-6789 111-22-3333 222-33-4444 333-44-5555 444-55-6666 555-66-7777")
CHINESE_DISTRICTS = words("110101 310101 320102 330106 420106 440103 500105 510104 610113")

LOOK_ALIKES = {
    "date": "The papers are dated {}.",
    "price": "In the end it cost {}.",
    "version": "The clock at the station runs software {} now.",
    "years": "The old hall was in use {}.",
    "score": "The youngest lost {} in the rain.",
    "time": "The recording stops at {} sharp.",
    "handle": "Online the club is known as {}.",
    "quantity": "They counted {} of them.",
    "order": "The order {} never came.",
    "isbn": "The book is listed as ISBN {}.",
    "hash": "The checksum should be {}.",
    "uuid": "The device calls itself {}.",
}
"""Sentences with a value that must not be redacted, by the kind of value."""


def draw_email(rng: Random) -> str:
    """Return an e-mail address in a common form."""
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
    """Return a telephone number of a region: US, GB or DE."""
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


def draw_card(rng: Random) -> str:
    """Return a test card number with spaces, hyphens or no separators."""
    number = rng.choice(CARDS)
    if len(number) != 16:
        return number
    return rng.choice(("", " ", "-")).join(number[at : at + 4] for at in range(0, 16, 4))


def draw_iban(rng: Random) -> str:
    """Return an example IBAN of the registry, in groups of four or without spaces."""
    number = rng.choice(IBANS)
    groups = (number[at : at + 4] for at in range(0, len(number), 4))
    return rng.choice(("", " ")).join(groups)


def draw_national_id(rng: Random) -> str:
    """Return a Chinese resident id of a person born before 1900, or an American number."""
    if rng.random() < 0.5:
        return rng.choice(AMERICAN_IDS)
    day = f"{rng.randint(1860, 1899)}{rng.randint(1, 12):02}{rng.randint(1, 28):02}"
    head = f"{rng.choice(CHINESE_DISTRICTS)}{day}{rng.randint(1, 999):03}"
    return head + ric.calc_check_digit(head + "0")


def draw_access_key(rng: Random) -> str:
    """Return a random key in the format of AWS, GitHub, Slack, Google or Stripe, or a JWT."""
    form = rng.choice(("aws", "github", "slack", "google", "stripe", "jwt"))
    if form == "aws":
        return "AKIA" + _characters(rng, string.ascii_uppercase + "234567", 16)
    if form == "slack":
        numbers = [_characters(rng, string.digits, 12) for _ in range(2)]
        return "-".join(["xoxb", *numbers, _letters(rng, 24)])
    if form == "jwt":
        parts = ('{"alg":"HS256"}', f'{{"sub":"{_family(rng)}"}}')
        encoded = [base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts]
        return ".".join([*encoded, _letters(rng, 43)])
    prefix, length = {"github": ("ghp_", 36), "google": ("AIza", 35), "stripe": ("sk_test_", 24)}[
        form
    ]
    return prefix + _letters(rng, length)


def draw_private_key(rng: Random) -> str:
    """Return random lines in the PEM header and footer of a private key."""
    kind = rng.choice(("", "RSA ", "EC "))
    lines = [_letters(rng, 64) for _ in range(rng.randint(1, 4))]
    ends = (f"-----{end} {kind}PRIVATE KEY-----" for end in ("BEGIN", "END"))
    return "\n".join([next(ends), *lines, next(ends)])


def draw_url_credentials(rng: Random) -> str:
    """Return a user name and password in the format of a URL."""
    return f"{_family(rng)}:{_letters(rng, rng.randint(6, 12))}"


def _letters(rng: Random, length: int) -> str:
    # At least one digit, as in any real key.
    drawn = _characters(rng, string.ascii_letters + string.digits, length - 1)
    return drawn + rng.choice(string.digits)


def _characters(rng: Random, alphabet: str, length: int) -> str:
    return "".join(rng.choices(alphabet, k=length))


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
        "order": (f"{year}-{many}/{few}", f"A{many}-{year}{many}"),
        "isbn": (f"978-{few}-{many}-{many}{year}-{few}",),
        "hash": (f"{rng.getrandbits(160):040x}", f"{rng.getrandbits(128):032x}"),
        "uuid": (_uuid(rng),),
    }
    return rng.choice(forms[kind])


def _uuid(rng: Random) -> str:
    # Every group starts with a letter, so that no telephone number occurs by chance.
    groups = (
        rng.choice("abcdef") + _characters(rng, "0123456789abcdef", n) for n in (7, 3, 3, 3, 11)
    )
    return "-".join(groups)


def _family(rng: Random) -> str:
    return (rng.choice(FAMILY_STEMS) + rng.choice(FAMILY_ENDINGS)).lower()
