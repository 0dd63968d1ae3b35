import re

import pytest

from textmill.sample.holdout import is_held_out
from textmill.sample.language.judgements import BAD, DENIALS, DOMAINS, FRAMES, GOOD

NOUNS = sorted({noun for domain in DOMAINS for noun in domain.aspects}, key=len, reverse=True)
PRAISE = {*GOOD, *(word for domain in DOMAINS for word in domain.good)}
BLAME = {*BAD, *(word for domain in DOMAINS for word in domain.bad)}


def as_regex(frame: str) -> re.Pattern[str]:
    frame = re.sub(r"\[([^]]*)\]", r"(?:\1)", frame)
    frame = frame.replace("<noun>", f"(?P<noun>{'|'.join(NOUNS)})")
    words = "|".join(sorted(PRAISE | BLAME, key=len, reverse=True))
    return re.compile(rf"(?i)\b{frame.replace('<adjective>', f'(?P<adjective>{words})')}\b")


CLAUSES = [(as_regex(frame), frame in DENIALS) for frame in FRAMES + DENIALS]


def opinions_of(text: str) -> list[tuple[str, str, bool]]:
    """Return noun, adjective and whether it is praise, in the order of the text."""
    found = [
        (match.start(), match["noun"], match["adjective"], is_denial)
        for regex, is_denial in CLAUSES
        for match in regex.finditer(text)
    ]
    return [
        (noun, adjective, (adjective in PRAISE) != is_denial)
        for _, noun, adjective, is_denial in sorted(found)
    ]


def test_no_adjective_is_both_positive_and_negative():
    assert not PRAISE & BLAME


@pytest.mark.parametrize("split", ["train", "test"])
def test_the_last_opinion_determines_the_label(sample, split):
    for row in sample.rows("sentiment", split):
        _, _, is_praise = opinions_of(row["text"])[-1]
        assert is_praise == (row["label"] == "positive"), row["text"]


def test_train_and_test_examples_share_no_pair_of_noun_and_adjective(sample):
    pairs = {
        split: {
            (noun, adjective)
            for row in sample.rows("sentiment", split)
            for noun, adjective, _ in opinions_of(row["text"])
        }
        for split in ("train", "test")
    }
    assert not any(is_held_out(*pair) for pair in pairs["train"])
    assert all(is_held_out(*pair) for pair in pairs["test"])


def test_the_words_of_test_opinions_are_known_from_training(sample):
    words = {
        split: {
            word
            for row in sample.rows("sentiment", split)
            for noun, adjective, _ in opinions_of(row["text"])
            for word in (noun, adjective)
        }
        for split in ("train", "test")
    }
    assert len(words["test"] - words["train"]) <= 0.05 * len(words["test"])


def test_some_reviews_are_mixed_and_some_contain_negation(sample):
    rows = [opinions_of(row["text"]) for row in sample.rows("sentiment", "test")]
    mixed = [row for row in rows if len({is_praise for _, _, is_praise in row}) == 2]
    denied = [row for row in rows if any((adj in PRAISE) != praise for _, adj, praise in row)]
    assert 0.1 < len(mixed) / len(rows) < 0.4
    assert 0.1 < len(denied) / len(rows) < 0.4
