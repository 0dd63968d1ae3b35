"""Noise planted in the raw text, and a record of it to test cleaning with.

Every document gets at most one kind of noise, so that the expected result is known.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from textmill.sample import contacts

SHARES = {
    "html": 0.06,
    "mojibake": 0.03,
    "exact_duplicates": 0.03,
    "near_duplicates": 0.02,
    "short": 0.015,
    "emails": 0.02,
    "phones": 0.02,
    "ipv4": 0.01,
    "ipv6": 0.005,
    "cards": 0.005,
    "ibans": 0.005,
    "national_ids": 0.005,
    "access_keys": 0.005,
    "private_keys": 0.002,
    "url_credentials": 0.005,
    "look_alikes": 0.02,
}
"""Share of the documents given to `plant` that get each kind of noise."""

SHORT_TEXTS = ("See p. {}.", "Ref. {}", "{} words", "No. {}: void", "p. {} ff.", "#{}", "({})")
"""Texts shorter than 20 characters, including a number of up to 5 digits."""

MARKUP = (
    '<script type="text/javascript">if (a < b && b > 0) {{ track("{number}"); }}</script>',
    "<style>p.note {{ margin: {number}px; }}</style>",
    "<!-- advertisement {number} -->",
)
"""Blocks that cleaning removes completely."""

NEARLY_SAME = {
    "the": "that",
    "and": "and also",
    "in": "around",
    "is": "was",
    "will": "may",
    "was": "has been",
    "for": "because of",
    "a": "one",
    "to": "towards",
}
"""Replacements of words in near duplicates; every text contains several of them."""

BROKEN_LINES = (
    '{"id": "broken-#", "text": "The line ends in the middle of a sen',
    '{"id": "broken-#", "text": "A quote " that was not escaped."}',
    "{'id': 'broken-#', 'text': 'Quoted as in Python.'}",
    '{"id": "broken-#" "text": "A comma is missing."}',
    "broken-#: no JSON at all.",
)

Entry = dict[str, Any]
"""The record of one planted document, as JSON."""


@dataclass
class Document:
    """A document of raw text, with its source and position."""

    source: str
    index: int
    """Index within the documents of the source, in reading order."""
    text: str


@dataclass
class Plan:
    """The documents still without noise, and the record of the planted noise."""

    rng: Random
    free: list[Document]
    """Documents without noise, in random order; drawn from the end."""
    record: dict[str, list[Entry]] = field(default_factory=dict)

    def draw(self, is_fit: Callable[[str], bool] = bool) -> Document:
        """Remove and return a free document whose text is suitable."""
        position = next(
            position
            for position in range(len(self.free) - 1, -1, -1)
            if is_fit(self.free[position].text)
        )
        return self.free.pop(position)

    def note(self, kind: str, document: Document, text: str, **facts: object) -> None:
        """Replace the text of the document by the noisy one, and record it."""
        document.text = text
        entry = {"source": document.source, "index": document.index, **facts}
        self.record.setdefault(kind, []).append(entry)


def plant(documents: list[Document], rng: Random) -> dict[str, list[Entry]]:
    """Plant noise in a part of the documents, in place; return the record by kind of noise."""
    free = list(documents)
    rng.shuffle(free)
    plan = Plan(rng, free)
    # Few documents are suitable for mojibake, so it is planted first.
    for kind in sorted(SHARES, key=lambda kind: kind != "mojibake"):
        for number in range(max(2, round(SHARES[kind] * len(documents)))):
            PLANTERS[kind](plan, number)
    for entries in plan.record.values():
        entries.sort(key=lambda entry: (entry["source"], entry["index"]))
    return plan.record


def as_mojibake(text: str) -> str:
    """Return the text with its UTF-8 bytes decoded as Windows-1252."""
    broken = text.encode("utf-8").decode("cp1252")
    assert broken.encode("cp1252").decode("utf-8") == text
    return broken


def as_html(text: str, rng: Random) -> tuple[str, list[str]]:
    """Return the text as part of a web page, and the kinds of markup in it."""
    page = html.escape(text).replace("&#x27;", "&#39;")
    forms = ["reference"] if page != text else []
    if rng.random() < 0.6:
        page = page.replace(". ", ".<br/>\n", 1)
        forms.append("br")
    words = page.split(" ")
    inner = [n for n, word in enumerate(words) if word.isalpha()]
    bold, linked = rng.sample(inner, 2)
    if rng.random() < 0.5:
        words[bold] = f"<b>{words[bold]}</b>"
        forms.append("b")
    if rng.random() < 0.5:
        address = f"https://www.example.org/page?id={rng.randint(1, 999)}&amp;lang=en"
        words[linked] = f'<a href="{address}" target="_blank">{words[linked]}</a>'
        forms.append("a")
    page = f'<p class="text">{" ".join(words)}</p>'
    forms.append("p")
    if rng.random() < 0.4:
        block = rng.choice(MARKUP)
        page = block.format(number=rng.randint(1, 999)) + "\n" + page
        forms.append(re.findall(r"script|style|!--", block)[0].replace("!--", "comment"))
    return page, forms


def _plant_html(plan: Plan, number: int) -> None:
    document = plan.draw()
    clean = document.text
    page, forms = as_html(clean, plan.rng)
    plan.note("html", document, page, clean=clean, forms=forms)


def _plant_mojibake(plan: Plan, number: int) -> None:
    document = plan.draw(_has_foreign_letter)
    clean = document.text
    plan.note("mojibake", document, as_mojibake(clean), clean=clean)


def _has_foreign_letter(text: str) -> bool:
    # The first condition alone would accept £ and €; the second alone is slow on ASCII texts.
    return not text.isascii() and any(c.isalpha() and not c.isascii() for c in text)


def _plant_exact_duplicate(plan: Plan, number: int) -> None:
    original, copy = plan.draw(), plan.draw()
    form = ("identical", "white space", "tag")[number % 3]
    words = original.text.split(" ")
    position = plan.rng.randrange(1, len(words))
    if form == "white space":
        words[position] = plan.rng.choice(("  ", "\n", "\t")) + words[position]
    elif form == "tag":
        words[position] = f"<i>{words[position]}</i>"
    facts = {"form": form, "original": {"source": original.source, "index": original.index}}
    plan.note("exact_duplicates", copy, " ".join(words), **facts)


def _plant_near_duplicate(plan: Plan, number: int) -> None:
    original = plan.draw(lambda text: not NEARLY_SAME.keys().isdisjoint(text.split(" ")))
    copy = plan.draw()
    words = original.text.split(" ")
    changeable = [n for n, word in enumerate(words) if word in NEARLY_SAME]
    for position in plan.rng.sample(changeable, min(len(changeable), plan.rng.randint(1, 3))):
        words[position] = NEARLY_SAME[words[position]]
    facts = {"original": {"source": original.source, "index": original.index}}
    plan.note("near_duplicates", copy, " ".join(words), **facts)


def _plant_short(plan: Plan, number: int) -> None:
    document = plan.draw()
    # The number prevents short texts from being duplicates of each other.
    text = plan.rng.choice(SHORT_TEXTS).format(number + 1)
    plan.note("short", document, text, value=text)


def _plant_value(
    kind: str, draw: Callable[[Random], str], frames: tuple[str, ...]
) -> Callable[[Plan, int], None]:
    def planter(plan: Plan, number: int) -> None:
        value = draw(plan.rng)
        document = plan.draw()
        text = _with_sentence(document.text, plan.rng.choice(frames).format(value), plan.rng)
        plan.note(kind, document, text, value=value)

    return planter


def _plant_phone(plan: Plan, number: int) -> None:
    region = list(contacts.PHONE_FORMATS)[number % len(contacts.PHONE_FORMATS)]
    value = contacts.draw_phone(region, plan.rng)
    document = plan.draw()
    sentence = plan.rng.choice(contacts.PHONE_SENTENCES).format(value)
    text = _with_sentence(document.text, sentence, plan.rng)
    plan.note("phones", document, text, value=value, region=region)


def _plant_look_alike(plan: Plan, number: int) -> None:
    form = list(contacts.LOOK_ALIKES)[number % len(contacts.LOOK_ALIKES)]
    value = contacts.draw_look_alike(form, plan.rng)
    document = plan.draw()
    text = _with_sentence(document.text, contacts.LOOK_ALIKES[form].format(value), plan.rng)
    plan.note("look_alikes", document, text, value=value, form=form)


def _with_sentence(text: str, sentence: str, rng: Random) -> str:
    """Return the text with the sentence prepended or appended."""
    return f"{sentence} {text}" if rng.random() < 0.3 else f"{text} {sentence}"


PLANTERS: dict[str, Callable[[Plan, int], None]] = {
    "html": _plant_html,
    "mojibake": _plant_mojibake,
    "exact_duplicates": _plant_exact_duplicate,
    "near_duplicates": _plant_near_duplicate,
    "short": _plant_short,
    "emails": _plant_value("emails", contacts.draw_email, contacts.EMAIL_SENTENCES),
    "phones": _plant_phone,
    "ipv4": _plant_value("ipv4", contacts.draw_ipv4, contacts.IP_SENTENCES),
    "ipv6": _plant_value("ipv6", contacts.draw_ipv6, contacts.IP_SENTENCES),
    "cards": _plant_value("cards", contacts.draw_card, contacts.CARD_SENTENCES),
    "ibans": _plant_value("ibans", contacts.draw_iban, contacts.IBAN_SENTENCES),
    "national_ids": _plant_value(
        "national_ids", contacts.draw_national_id, contacts.NATIONAL_ID_SENTENCES
    ),
    "access_keys": _plant_value(
        "access_keys", contacts.draw_access_key, contacts.ACCESS_KEY_SENTENCES
    ),
    "private_keys": _plant_value(
        "private_keys", contacts.draw_private_key, contacts.PRIVATE_KEY_SENTENCES
    ),
    "url_credentials": _plant_value(
        "url_credentials", contacts.draw_url_credentials, contacts.URL_CREDENTIALS_SENTENCES
    ),
    "look_alikes": _plant_look_alike,
}


def broken_lines(n_lines: int, rng: Random) -> list[str]:
    """Return lines of invalid JSON."""
    return [rng.choice(BROKEN_LINES).replace("#", str(number)) for number in range(n_lines)]
