"""Specifies which names and numbers are copied, and how training exchanges them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from textmill.corpus.tokens.tokenizer import load_tokenizer
from textmill.tasks.translation import copied
from textmill.tasks.translation.copied import (
    DIGIT,
    FIRST,
    FIRST_AFTER_SPACE,
    FURTHER,
    collate,
    encode_texts,
    exchange,
    find_copied,
    lower_words,
)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("it cost $313.", ["it cost $", "3", "1", "3", "."]),
        ("in 24 rooms", ["in ", "2", "4", " rooms"]),
        ("Anna saw  Zoë's K2", ["Anna", " saw ", " Zoë", "'s", " K", "2"]),
        ("座313次", ["座", "3", "1", "3", "次"]),
        ("to [NATIONAL_ID]", ["to [NATIONAL_ID]"]),
        ("", []),
    ],
)
def test_digits_and_capitalised_words_are_encoded_apart(
    backbone: Path, text: str, parts: list[str]
) -> None:
    tokenizer = load_tokenizer(backbone)
    (encoded,) = encode_texts(tokenizer, [text])
    assert [part for part, _ in encoded] == parts
    assert [tokenizer.decode(ids) for _, ids in encoded] == parts
    ids = [token for _, part in encoded for token in part]
    if not any(part.isdigit() for part in parts):
        assert ids == tokenizer.encode(text).ids


def find(tokenizer_folder: Path, source: str, target: str) -> tuple[list[list[str]], list[int]]:
    """The tokens at the positions of each copied token, and the classes."""
    tokenizer = load_tokenizer(tokenizer_folder)
    parts = encode_texts(tokenizer, [source, target])
    before = [[token for _, ids in part for token in ids] for part in parts]
    found = find_copied(*parts, (0, len(before[0])), lower_words([source, target]))
    ids = [*before[0], *before[1]]
    return [[tokenizer.decode([ids[i]]) for i in at] for at, _ in found], [k for _, k in found]


@pytest.mark.parametrize(
    ("source", "target", "tokens"),
    [
        ("at 12:30, not 12", "um 12.30, nicht 12", ["1", "2", "3", "0"]),
        ("12 rooms", "ein Zimmer", []),
        ("2 rooms", "12 Zimmer", []),  # another number, although its tokens include it
        ("The meal in The Hague: the best", "The meal, das beste", []),  # not a name elsewhere
    ],
)
def test_only_what_both_texts_have_is_copied(
    backbone: Path, source: str, target: str, tokens: list[str]
) -> None:
    found, _ = find(backbone, source, target)
    assert [token[0] for token in found] == tokens
    assert all(len({*token}) == 1 for token in found)


def test_a_name_is_copied_to_every_place_with_the_same_tokens(backbone: Path) -> None:
    found, classes = find(backbone, "Ab, meet Ab and Ab", "das ist Ab")
    # At the start, there is no space before it: these are other tokens, and not in the target.
    assert found == [[" A"] * 3, ["b"] * 3] or found == [[" "] * 3, ["A"] * 3, ["b"] * 3]
    assert classes == [FIRST_AFTER_SPACE, *[FURTHER] * (len(found) - 1)]
    assert find(backbone, "Ab", "Ab")[1][0] == FIRST


def batch() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Rows with two digits and a name each, which are copied once."""
    rows = torch.arange(40 * 9).view(40, 9) + 1000
    rows[:, 6:9] = rows[:, 1:4]
    cells = collate(
        [[([1, 6], DIGIT), ([2, 7], DIGIT), ([3, 8], FIRST)] for _ in rows], rows.size(1)
    )
    return rows[:, :-1], rows[:, 1:], cells["cells"], cells["classes"]


def test_exchanged_tokens_stay_equal_and_in_their_class(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copied, "EXCHANGED_SHARE", 1.0)
    input_ids, targets, cells, classes = batch()
    torch.manual_seed(0)
    new_ids, new_targets = exchange(input_ids, targets, cells, classes)
    assert torch.equal(new_ids[:, 1:], new_targets[:, :-1])  # still one sequence
    new = torch.cat((new_ids, new_targets[:, -1:]), dim=1)
    assert torch.equal(new[:, 1:4], new[:, 6:9])
    assert torch.equal(new[:, [0, 4, 5]], torch.cat((input_ids, targets[:, -1:]), 1)[:, [0, 4, 5]])
    for at in ([1, 2], [3]):
        assert sorted(new[:, at].flatten().tolist()) == input_ids[:, at].flatten().tolist()
        assert (new[:, at] != input_ids[:, at]).float().mean() > 0.8


def test_a_share_of_the_examples_is_exchanged_by_the_seed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(copied, "EXCHANGED_SHARE", 0.5)
    input_ids, *rest = batch()
    results = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        results.append(exchange(input_ids, *rest)[0])
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])
    n_changed = int((results[0] != input_ids).any(dim=1).sum())
    assert 10 <= n_changed <= 30  # of 40, three standard deviations
