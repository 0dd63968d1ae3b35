import difflib
import json
import re
from collections import Counter
from html.parser import HTMLParser
from random import Random

import ftfy
import pytest

from textmill.config import RedactionConfig
from textmill.safety.placeholders import PLACEHOLDERS
from textmill.safety.redaction import redact
from textmill.sample import contacts
from textmill.sample.dirt import SHARES, as_mojibake, broken_lines

KINDS = {
    "email": ["emails"],
    "phone": ["phones"],
    "ip": ["ipv4", "ipv6"],
    "card": ["cards"],
    "iban": ["ibans"],
    "national_id": ["national_ids"],
    "access_key": ["access_keys"],
    "private_key": ["private_keys"],
    "url_credentials": ["url_credentials"],
}
VALUES = (*(planted for kinds in KINDS.values() for planted in kinds), "look_alikes")
EMAIL = re.compile(r"\S+@\S+\.example\b(?!\.\w)")
PHONE = re.compile(r"555.01\d\d|7946 0\d{3}|496 0\d{3}|23125.?\d{3}|66969-|4710-|99998 ")
IPV4 = re.compile(r"\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\b")
IPV6 = re.compile(r"(?i)\b2001:0?db8:")
CARD = re.compile(r"(?<![A-Z]{2}\d\d )\b[2-6]\d{3}(?:([ -])\d{4}\1\d{4}\1\d{4}|\d{10,12})\b")
IBAN = re.compile(r"\b[A-Z]{2}\d\d ?[0-9A-Z]{4} ?\d")
NATIONAL_ID = re.compile(r"\b\d{3}-\d\d-\d{4}\b|\b\d{6}18\d{9}[0-9X]\b")
ACCESS_KEY = re.compile("AKIA|ghp_|xoxb-|AIza|sk_test_|eyJ")
PRIVATE_KEY = re.compile("PRIVATE KEY")
URL_CREDENTIALS = re.compile(r"//\w+:\w+@")
TAG = re.compile(r"<[!/a-z]")


class _VisibleText(HTMLParser):
    """The text of a page, by the standard library."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self.hidden = 0

    def handle_starttag(self, tag, attrs):
        self.hidden += tag in ("script", "style")

    def handle_endtag(self, tag):
        self.hidden -= tag in ("script", "style")

    def handle_data(self, data):
        if not self.hidden:
            self.parts.append(data)


def visible(text: str) -> str:
    parser = _VisibleText()
    parser.feed(text)
    parser.close()
    return squeezed("".join(parser.parts))


def squeezed(text: str) -> str:
    return " ".join(text.split())


def places(sample, kind) -> set[tuple[str, int]]:
    return {(entry["source"], entry["index"]) for entry in sample.planted[kind]}


def matching(sample, is_match) -> set[tuple[str, int]]:
    return {
        (source, index)
        for source, texts in sample.raw.items()
        for index, text in enumerate(texts)
        if is_match(text)
    }


def test_the_counts_are_those_of_the_lists(sample):
    counts = sample.planted["counts"]
    assert counts == {kind: len(sample.planted[kind]) for kind in counts}
    assert set(counts) == {*SHARES, "broken_lines"}
    n_english = 1005 * 82 // 100
    assert all(counts[kind] == max(2, round(share * n_english)) for kind, share in SHARES.items())


def test_german_and_chinese_text_is_clean(sample):
    for text in sample.raw["german"] + sample.raw["chinese"]:
        redacted, _ = redact(text, RedactionConfig())
        assert redacted == text
    entries = [entry for kind in SHARES for entry in sample.planted[kind]]
    assert {entry["source"] for entry in entries} == {"articles", "reviews", "notes", "letters"}


def test_no_document_has_two_kinds_of_noise(sample):
    dirty = [place for kind in SHARES for place in places(sample, kind)]
    assert len(dirty) == len(set(dirty))


def test_html_is_only_in_the_recorded_documents(sample):
    tagged = {
        (entry["source"], entry["index"])
        for entry in sample.planted["exact_duplicates"]
        if entry["form"] == "tag"
    }
    assert matching(sample, TAG.search) == places(sample, "html") | tagged
    assert matching(sample, re.compile(r"&#?\w+;").search) <= places(sample, "html")
    for entry in sample.planted["html"]:
        assert visible(sample.text_of(entry)) == squeezed(entry["clean"])


@pytest.mark.parametrize(
    ("form", "mark"),
    [
        ("p", "<p "),
        ("br", "<br/>"),
        ("b", "<b>"),
        ("a", "<a href="),
        ("script", "<script"),
        ("style", "<style"),
        ("comment", "<!--"),
        ("reference", r"&(amp|quot|#39);(?!lang)"),
    ],
)
def test_the_forms_of_html_are_recorded(sample, form, mark):
    entries = sample.planted["html"]
    having = [entry for entry in entries if re.search(mark, sample.text_of(entry))]
    assert having
    assert having == [entry for entry in entries if form in entry["forms"]]


def test_mojibake_is_restored_by_its_inverse_and_by_ftfy(sample):
    for entry in sample.planted["mojibake"]:
        text = sample.text_of(entry)
        assert text != entry["clean"]
        assert text.encode("cp1252").decode("utf-8") == entry["clean"]
        assert ftfy.fix_text(text) == entry["clean"]


def test_ftfy_does_not_change_other_text(sample):
    # German quotation marks and the full-width commas of Chinese are no accidents.
    config = ftfy.TextFixerConfig(
        unescape_html=False, uncurl_quotes=False, fix_character_width=False
    )
    changed = matching(sample, lambda text: ftfy.fix_text(text, config) != text)
    assert changed == places(sample, "mojibake")


def test_mojibake_of_a_known_text():
    assert as_mojibake("Kørvik, £5") == "KÃ¸rvik, Â£5"


def test_only_planted_duplicates_are_equal_after_cleaning(sample):
    entries = sample.planted["exact_duplicates"]
    for entry in entries:
        copy, original = sample.text_of(entry), sample.text_of(entry["original"])
        assert (copy == original) == (entry["form"] == "identical")
        assert visible(copy) == squeezed(original)
    cleaned = [ftfy.fix_text(visible(text)) for texts in sample.raw.values() for text in texts]
    assert len(cleaned) - len(set(cleaned)) == len(entries)
    assert {entry["form"] for entry in entries} == {"identical", "white space", "tag"}


def test_near_duplicates_differ_in_a_few_words(sample):
    for entry in sample.planted["near_duplicates"]:
        copy, original = sample.text_of(entry), sample.text_of(entry["original"])
        steps = difflib.SequenceMatcher(None, copy.split(), original.split()).get_opcodes()
        assert 1 <= sum(step[0] != "equal" for step in steps) <= 3


def test_short_documents_are_those_under_20_characters(sample):
    assert matching(sample, lambda text: len(text) < 20) == places(sample, "short")


@pytest.mark.parametrize("kind", VALUES)
def test_planted_values_are_in_their_documents(sample, kind):
    for entry in sample.planted[kind]:
        assert entry["value"] in sample.text_of(entry)


@pytest.mark.parametrize(
    ("kind", "regex"),
    [
        ("emails", EMAIL),
        ("phones", PHONE),
        ("ipv4", IPV4),
        ("ipv6", IPV6),
        ("cards", CARD),
        ("ibans", IBAN),
        ("national_ids", NATIONAL_ID),
        ("access_keys", ACCESS_KEY),
        ("private_keys", PRIVATE_KEY),
        ("url_credentials", URL_CREDENTIALS),
    ],
)
def test_personal_data_is_only_in_the_recorded_documents(sample, kind, regex):
    assert matching(sample, regex.search) == places(sample, kind)


@pytest.mark.parametrize("kind", KINDS)
def test_redaction_finds_every_planted_value_and_nothing_else(sample, kind):
    expected = Counter(
        {
            (entry["source"], entry["index"]): 1
            for planted in KINDS[kind]
            for entry in sample.planted[planted]
        }
    )
    found = Counter(
        {
            (source, index): count
            for source, texts in sample.raw.items()
            for index, text in enumerate(texts)
            if (count := redact(text, RedactionConfig())[1][kind])
        }
    )
    assert found == expected


def test_planted_values_are_replaced_completely(sample):
    for kind, [planted, *_] in KINDS.items():
        for entry in sample.planted[planted]:
            text, _ = redact(sample.text_of(entry), RedactionConfig())
            assert PLACEHOLDERS[kind] in text
            assert not set(re.findall(r"\w{4,}", entry["value"])) & set(re.findall(r"\w+", text))


def test_every_kind_of_value_occurs(sample):
    assert {e["form"] for e in sample.planted["look_alikes"]} == set(contacts.LOOK_ALIKES)
    assert {e["region"] for e in sample.planted["phones"]} == set(contacts.PHONE_FORMATS)


def test_only_broken_lines_are_invalid_json(sample):
    broken = []
    for number, line in enumerate(sample.article_lines):
        try:
            json.loads(line)
        except json.JSONDecodeError:
            broken.append({"line": number, "raw": line})
    assert broken == sample.planted["broken_lines"]


def test_every_form_of_broken_line_is_invalid_json():
    for line in broken_lines(50, Random(0)):
        with pytest.raises(json.JSONDecodeError):
            json.loads(line)
