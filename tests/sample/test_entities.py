from random import Random

import pytest
from seqeval.metrics.sequence_labeling import get_entities

from textmill.sample import entities
from textmill.sample.entities import GENRES, NEW_LEADS, tag, write_tagged
from textmill.sample.holdout import is_held_out
from textmill.sample.language.patterns import Span, draw_scene, plain, realise

TYPES = {"PER", "LOC", "ORG", "MISC"}


def entities_in(row) -> list[tuple[str, str]]:
    """Return type and words of each name, as seqeval finds them."""
    return [
        (kind, " ".join(row["tokens"][first : last + 1]))
        for kind, first, last in get_entities(row["ner_tags"])
    ]


def test_a_sentence_is_split_into_words_and_punctuation():
    spans = [
        Span("Léa Uxham", "PER"),
        Span(" didn't pay £3,500 at "),
        Span("Salted Pear & Thyme", "ORG"),
        Span(" in "),
        Span("Torgau-Nord", "LOC"),
        Span("."),
    ]
    tokens, tags = tag(spans)
    assert list(zip(tokens, tags, strict=True)) == [
        ("Léa", "B-PER"),
        ("Uxham", "I-PER"),
        ("didn't", "O"),
        ("pay", "O"),
        ("£", "O"),
        ("3,500", "O"),
        ("at", "O"),
        ("Salted", "B-ORG"),
        ("Pear", "I-ORG"),
        ("&", "I-ORG"),
        ("Thyme", "I-ORG"),
        ("in", "O"),
        ("Torgau-Nord", "B-LOC"),
        (".", "O"),
    ]


def test_adjacent_names_are_tagged_separately():
    spans = [Span("Uxham", "PER"), Span(" "), Span("Léa Uxham", "PER")]
    assert tag(spans)[1] == ["B-PER", "B-PER", "I-PER"]


def test_a_name_that_ends_inside_a_word_is_an_error():
    with pytest.raises(AssertionError, match="inside the word 'Kessel-like'"):
        tag([Span("Kessel", "LOC"), Span("-like")])


@pytest.mark.parametrize("pattern", [p for genre in (*GENRES, NEW_LEADS) for p in genre])
def test_every_pattern_can_be_tagged_and_its_tokens_rejoin_to_the_text(world, pattern):
    rng = Random(1)
    spans = realise(pattern, draw_scene(world, rng), rng)
    tokens, tags = tag(spans)
    assert "".join(tokens) == "".join(plain(spans).split())
    names = [(span.entity, span.text) for span in spans if span.entity]
    found = entities_in({"tokens": tokens, "ner_tags": tags})
    assert [(kind, text.replace(" ", "")) for kind, text in found] == [
        (kind, text.replace(" ", "")) for kind, text in names
    ]


@pytest.mark.parametrize("split", ["train", "test"])
def test_tags_are_strict_iob2_and_as_many_as_tokens(sample, split):
    for row in sample.rows("ner", split):
        assert len(row["tokens"]) == len(row["ner_tags"])
        before = "O"
        for tag_ in row["ner_tags"]:
            assert tag_ == "O" or (tag_[:2] in ("B-", "I-") and tag_[2:] in TYPES)
            if tag_.startswith("I-"):
                assert before in (f"B-{tag_[2:]}", tag_)
            before = tag_


@pytest.mark.parametrize("split", ["train", "test"])
def test_every_type_is_common_and_some_texts_have_no_name(sample, split):
    found = [entities_in(row) for row in sample.rows("ner", split)]
    kinds = [kind for names in found for kind, _ in names]
    assert all(kinds.count(kind) > 0.1 * len(kinds) for kind in TYPES)
    assert 0.04 < found.count([]) / len(found) < 0.16


def test_no_name_of_the_test_examples_is_in_the_training_examples(sample):
    train, test = (
        {name for row in sample.rows("ner", split) for _, name in entities_in(row)}
        for split in ("train", "test")
    )
    assert len(test) > 200
    assert not train & test


@pytest.mark.parametrize("split", ["train", "test"])
def test_the_type_of_some_names_depends_on_the_sentence(sample, split):
    types: dict[str, set[str]] = {}
    for row in sample.rows("ner", split):
        for token, tag_ in zip(row["tokens"], row["ner_tags"], strict=True):
            if tag_.startswith("B-"):
                types.setdefault(token, set()).add(tag_)
    assert {"B-PER", "B-ORG"} in types.values()  # families and companies
    assert {"B-LOC", "B-ORG", "B-MISC"} in types.values()  # towns, teams and festivals


def test_train_and_test_examples_share_no_pair_of_sentences(world, monkeypatch):
    drawn = []
    monkeypatch.setattr(
        entities,
        "realise",
        lambda pattern, scene, rng: drawn.append(pattern) or realise(pattern, scene, rng),
    )
    rng = Random(2)
    for is_test in (False, True):
        drawn.clear()
        for _ in range(400):
            write_tagged(world.part(is_held_out=is_test), rng, is_test=is_test)
        pairs = list(zip(drawn[::2], drawn[1::2], strict=True))
        new = [pair for pair in pairs if pair[0] in NEW_LEADS]
        known = [pair for pair in pairs if pair[0] not in NEW_LEADS]
        assert all(is_held_out(*pair) == is_test for pair in known)
        assert (len(new) > 50) == is_test
        assert is_test or not new
