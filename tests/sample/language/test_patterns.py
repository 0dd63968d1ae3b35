from random import Random

from textmill.sample.language.patterns import Span, draw_scene, plain, realise, sentences


def test_spans_join_to_the_text_and_mark_the_names():
    scene = {"captain": Span("Ada Stone", "PER"), "place": Span("Kessel", "LOC")}
    spans = realise("{captain} won in {place}.", scene, Random(0))
    assert spans == [
        Span("Ada Stone", "PER"),
        Span(" won in "),
        Span("Kessel", "LOC"),
        Span("."),
    ]
    assert plain(spans) == "Ada Stone won in Kessel."


def test_every_word_of_a_choice_is_drawn():
    rng = Random(0)
    texts = {plain(realise("It [rose|fell far].", {}, rng)) for _ in range(40)}
    assert texts == {"It rose.", "It fell far."}


def test_sentences_start_with_a_capital_letter_and_are_separated_by_a_space():
    spans = sentences([[Span("élan is all.")], [Span("He", None), Span(" left.")]])
    assert plain(spans) == "Élan is all. He left."


def test_scenes_are_consistent_with_the_world(world):
    rng = Random(0)
    towns = {town.place.names["en"]: town for town in world.towns}
    for _ in range(100):
        scene = draw_scene(world, rng)
        here = towns[scene["place"].text]
        makers = {p.names["en"]: p.maker.names["en"] for p in here.products}
        assert scene["team"] == Span(here.team.names["en"], "ORG")
        assert scene["captain"] == Span(here.people["captain"].names["en"], "PER")
        assert scene["novelist_job"].text == "novelist"
        assert scene["book_year"].text == str(here.book.year)
        assert scene["away"] in [Span(name, "LOC") for name in towns]
        assert makers[scene["product"].text] == scene["company"].text
        assert scene["away"] != scene["place"]
