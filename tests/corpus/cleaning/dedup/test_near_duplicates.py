"""Specifies near-duplicate detection, against plain Python and planted edits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
import pytest

from textmill.config import NearDuplicatesConfig
from textmill.corpus.cleaning.dedup import near_duplicates as module
from textmill.corpus.cleaning.dedup.near_duplicates import (
    NearDuplicateIndex,
    Sketch,
    Sketcher,
    jaccard,
)

WORDS = [f"{a}{b}{c}" for a in "bdfgklmn" for b in ("a", "ei", "o", "u") for c in "lmnrst"]
CHARACTERS = [chr(0x4E00 + 7 * n) for n in range(600)]
DEFAULT = NearDuplicatesConfig(enabled=True)


def similarity(first: list[str], second: list[str]) -> float:
    """Return the Jaccard similarity of two lists of words by their sets of 3-grams."""
    sets = [set(zip(words, words[1:], words[2:], strict=False)) for words in (first, second)]
    return len(sets[0] & sets[1]) / len(sets[0] | sets[1])


def edited(words: list[str], rate: float, rng: Random, vocabulary: list[str]) -> list[str]:
    """Return the words with a share of them replaced, dropped or doubled by another."""
    words = list(words)
    for place in rng.sample(range(len(words)), round(rate * len(words))):
        kind = rng.randrange(3)
        new = rng.choice(vocabulary)
        words[place] = (new, "", f"{words[place]} {new}")[kind]
    return [word for entry in words for word in entry.split()]


def found_by(
    texts: list[str], folder: Path, config: NearDuplicatesConfig = DEFAULT
) -> dict[int, tuple[int, float]]:
    """Return for each near duplicate the text that it matched, and how similar they are."""
    found: dict[int, tuple[int, float]] = {}
    with NearDuplicateIndex(config, folder) as kept:
        for index, sketch in enumerate(Sketcher(config).sketch(texts)):
            match = kept.find(sketch)
            if match is None:
                kept.add(index.to_bytes(16, "big"), sketch)
            else:
                found[index] = (int.from_bytes(match[0], "big"), match[1])
    return found


def planted(
    rate: float, join: str, vocabulary: list[str], n: int = 1000
) -> tuple[list[list[str]], list[str]]:
    """Return n originals and as many edited copies, as words and as texts, copies last."""
    rng = Random(5)
    originals = [rng.choices(vocabulary, k=rng.randint(60, 300)) for _ in range(n)]
    words = originals + [edited(text, rate, rng, vocabulary) for text in originals]
    return words, [join.join(text) for text in words]


@pytest.mark.parametrize(("join", "vocabulary"), [(" ", WORDS), ("", CHARACTERS)])
@pytest.mark.parametrize(
    ("rate", "least", "most"),
    [(0.02, 0.999, 1.0), (0.05, 0.99, 1.0), (0.1, 0.3, 0.8), (0.2, 0, 0.01)],
)
def test_planted_edits_are_found(
    tmp_path: Path, join: str, vocabulary: list[str], rate: float, least: float, most: float
) -> None:
    words, texts = planted(rate, join, vocabulary)
    found = found_by(texts, tmp_path)
    right = {copy for copy, (original, _) in found.items() if original == copy - 1000}
    assert least <= len(right) / 1000 <= most
    assert len(right) >= 0.99 * len(found)
    for copy, (original, value) in found.items():
        assert value == similarity(words[copy], words[original]) >= 0.6


def test_candidates_are_as_frequent_as_the_lsh_curve_predicts(tmp_path: Path) -> None:
    words, texts = planted(0.1, " ", WORDS)
    sketches = Sketcher(DEFAULT).sketch(texts)
    pairs = list(zip(sketches[:1000], sketches[1000:], strict=True))
    share = np.mean([np.any(first.bands == second.bands) for first, second in pairs])
    likeness = [similarity(a, b) for a, b in zip(words[:1000], words[1000:], strict=True)]
    expected = np.mean([1 - (1 - s**5) ** 20 for s in likeness])
    assert share == pytest.approx(expected, abs=0.05)  # 3 standard deviations of 1000 draws


def test_shingles_are_unique_and_jaccard_compares_them() -> None:
    first, second = Sketcher(DEFAULT).sketch(["a b c d a b c", "b c d e, A. b! c?"])
    assert (len(first.shingles), len(second.shingles)) == (4, 5)  # abc bcd cda dab; bcd cde dea ...
    assert jaccard(first.shingles, second.shingles) == 2 / 7


def test_text_without_words_has_no_duplicates(tmp_path: Path) -> None:
    assert found_by(["?!", "?!", "one", "One.", "two"], tmp_path) == {3: (2, 1.0)}


def test_the_earliest_of_the_most_similar_documents_is_found(tmp_path: Path) -> None:
    text = Random(0).choices(WORDS, k=200)
    texts = [" ".join(text[:n]) for n in (120, 200, 199)]
    config = DEFAULT.model_copy(update={"threshold": 0.7})
    assert found_by(texts, tmp_path, config)[2] == (1, 197 / 198)


def test_the_number_of_compared_candidates_is_limited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[Sketch] = []
    count: Callable[..., float] = lambda a, b: compared.append(a) or 0.0  # noqa: E731
    monkeypatch.setattr(module, "jaccard", count)
    config = DEFAULT.model_copy(update={"max_candidates": 3})
    found_by(["the same few words"] * 6, tmp_path, config)
    assert len(compared) == 0 + 1 + 2 + 3 + 3 + 3


def test_the_result_does_not_depend_on_batches_and_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, texts = planted(0.05, " ", WORDS, 300)
    expected = found_by(texts, tmp_path)
    monkeypatch.setattr(module, "_BATCH_CHARS", 3000)
    monkeypatch.setattr(module, "_RECENT", 16)
    assert found_by(texts, tmp_path) == expected
    assert list(tmp_path.iterdir()) == []


def test_a_long_text_is_sketched_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    text = " ".join(Random(1).choices(WORDS, k=5000))
    (whole,) = Sketcher(DEFAULT).sketch([text])
    monkeypatch.setattr(module, "_PIECE_CHARS", 2000)
    pieces = Sketcher(DEFAULT).sketch(["short one", text])[1]
    assert jaccard(whole.shingles, pieces.shingles) > 0.99
    assert np.array_equal(np.unique(pieces.shingles), pieces.shingles)


def test_the_seed_determines_the_permutations() -> None:
    other = DEFAULT.model_copy(update={"seed": 1})
    (first,), (second,) = (Sketcher(config).sketch(["a b c d e"]) for config in (DEFAULT, other))
    assert not np.any(first.bands == second.bands)
    assert np.array_equal(first.shingles, second.shingles)
