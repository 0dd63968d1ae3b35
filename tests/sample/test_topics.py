import re

import pytest

from textmill.sample.holdout import is_held_out
from textmill.sample.language.news import TOPICS

SLOT_OR_CHOICE = re.compile(r"\\\{\w+\\\}|\\\[([^]]*)\\\]")


def as_regex(pattern: str) -> str:
    """Match any realisation of the pattern."""

    def loosened(part: re.Match[str]) -> str:
        return ".+?" if part[1] is None else f"(?:{part[1].rstrip(chr(92)).replace(chr(92), '')})"

    return SLOT_OR_CHOICE.sub(loosened, re.escape(pattern))


LEADS = [(label, lead) for label, topic in TOPICS.items() for lead in topic.leads + topic.new_leads]
PAIRS = [
    (label, lead, second, re.compile(f"(?i){as_regex(lead)} {as_regex(second)}"))
    for label, lead in LEADS
    for name, topic in TOPICS.items()
    for second in (topic.details if name == label else topic.asides)
]
"""Leads are tried one by one first: trying all pairs on every row takes too long."""


def pairs_of(text: str) -> list[tuple[str, str, str]]:
    """Return topic, opening and second pattern; more than one where patterns look alike."""
    begun = {lead for _, lead in LEADS if re.match(f"(?i){as_regex(lead)} ", text)}
    return [
        (label, lead, second)
        for label, lead, second, regex in PAIRS
        if lead in begun and regex.fullmatch(text)
    ]


@pytest.mark.parametrize("topic", TOPICS.values(), ids=list(TOPICS))
def test_every_topic_has_dozens_of_patterns(topic):
    patterns = {*topic.leads, *topic.new_leads, *topic.details, *topic.asides}
    assert len(patterns) >= 32


def test_the_first_sentence_determines_the_label(sample):
    for split in ("train", "test"):
        for row in sample.rows("topic", split):
            pairs = pairs_of(row["text"])
            assert {label for label, _, _ in pairs} == {row["label"]}, row


def test_train_and_test_examples_share_no_pair_of_sentences(sample):
    seen = {
        split: {
            (lead, second)
            for row in sample.rows("topic", split)
            for _, lead, second in pairs_of(row["text"])
        }
        for split in ("train", "test")
    }
    new_leads = {lead for topic in TOPICS.values() for lead in topic.new_leads}
    assert not seen["train"] & seen["test"]
    assert not any(is_held_out(*pair) or pair[0] in new_leads for pair in seen["train"])
    assert all(is_held_out(*pair) or pair[0] in new_leads for pair in seen["test"])
    assert any(lead in new_leads for lead, _ in seen["test"])
