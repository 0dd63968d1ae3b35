"""Specifies how the texts of a prompt are printed."""

from __future__ import annotations

from textmill.config import GenerationConfig
from textmill.training.writing import Piece
from textmill_flows.answering.inference import in_order


def test_a_single_sample_is_its_prompt_and_its_pieces() -> None:
    pieces = [Piece(" b", 0, 1), Piece(" c", 0, 2, "stop")]
    assert list(in_order("a", pieces, GenerationConfig())) == ["a", " b", " c"]


def test_samples_follow_one_another_in_order_with_number_and_seed() -> None:
    pieces = [
        Piece(" b", 0, 1),
        Piece(" x", 1, 1),
        Piece(" s", 2, 1),
        Piece(" y", 1, 2, "length"),
        Piece("", 0, 2, "stop"),
        Piece(" t", 2, 2),
        Piece(" u", 2, 3, "length"),
    ]
    shown = list(in_order("a", pieces, GenerationConfig(samples=3, seed=7)))
    assert "".join(shown) == (
        "--- sample 1 of 3, seed 7 ---\na b\n\n"
        "--- sample 2 of 3, seed 8 ---\na x y\n\n"
        "--- sample 3 of 3, seed 9 ---\na s t u"
    )
    assert shown[-1] == " u"  # the last one streams
