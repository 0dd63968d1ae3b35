"""Specifies how a model completes prompts: greedily, and by beam search."""

from __future__ import annotations

import pytest
import torch

from tests.model.test_generation import VOCAB_SIZE, build, prompts
from textmill.model.beam_search import complete
from textmill.model.gpt import GPT


def completed_alone(
    model: GPT, prompt: list[int], end_id: int, is_causal: bool = True
) -> tuple[list[int], bool]:
    """Full passes over one row without a cache, until the end or a full context."""
    new: list[int] = []
    prefix = None if is_causal else torch.tensor([len(prompt)])
    while len(prompt) + len(new) <= model.config.block_size:
        with torch.no_grad():
            hidden = model.hidden(torch.tensor([prompt + new]), prefix=prefix)
            token = int(model.lm_head(hidden[0, -1]).argmax())
        if token == end_id:
            return new, True
        new.append(token)
    return new, False


@pytest.mark.parametrize("norm", ["layer", "rms"])
@pytest.mark.parametrize("norm_placement", ["pre", "post"])
@pytest.mark.parametrize("position", ["learned", "sinusoidal", "rotary"])
def test_every_row_is_completed_as_if_it_were_alone(
    position: str, norm: str, norm_placement: str
) -> None:
    model = build(16, position, norm=norm, norm_placement=norm_placement).double()
    lengths = [5, 1, 16, 3, 9, 15, 2, 5]
    rows = [prompts(length).tolist() for length in lengths]
    seen = set()
    for end_id in range(0, VOCAB_SIZE, 5):
        together = complete(model, rows, end_id)
        assert together == [completed_alone(model, row, end_id) for row in rows]
        seen |= {has_ended for _, has_ended in together}
    assert seen == {True, False}


@pytest.mark.parametrize("position", ["learned", "sinusoidal", "rotary"])
def test_a_prompt_that_is_read_both_ways_is_a_prefix_of_its_completion(position: str) -> None:
    model = build(16, position).double()
    with torch.no_grad():
        model.wte.weight.mul_(0.2)  # or a token's own embedding would decide what follows it
    rows = [prompts(length).tolist() for length in (5, 1, 16, 3, 9)]
    for end_id in range(0, VOCAB_SIZE, 5):
        together = complete(model, rows, end_id, is_causal=False)
        assert together == [completed_alone(model, row, end_id, is_causal=False) for row in rows]
    causal = [complete(model, rows, end_id) for end_id in range(VOCAB_SIZE)]
    assert causal != [complete(model, rows, e, is_causal=False) for e in range(VOCAB_SIZE)]


def test_a_full_context_ends_a_completion_unended() -> None:
    model = build(8)
    with torch.no_grad():
        model.lm_head.weight[7] = 0.0  # token 7 never is the likeliest
    # The last token written need not be read again, so eight tokens of context make room for nine.
    for length in (1, 7, 8):
        ((new, has_ended),) = complete(model, [prompts(length).tolist()], end_id=7)
        assert (length + len(new), has_ended) == (9, False)


def test_completion_stops_when_all_rows_have_ended() -> None:
    model = build(16)
    rows = [prompts(3).tolist(), prompts(2).tolist()]
    passes: list[int] = []
    model.lm_head.register_forward_hook(lambda *_: passes.append(1))
    for end_id in range(VOCAB_SIZE):
        passes.clear()
        done = complete(model, rows, end_id)
        assert len(passes) == max(len(new) + has_ended for new, has_ended in done)


def searched_alone(
    model: GPT, prompt: list[int], end_id: int, beams: int
) -> tuple[list[int], bool]:
    """Beam search over one prompt by full passes without a cache, to the end of the context."""
    live, ended = [(0.0, [])], []
    for n_tokens in range(1, model.config.block_size + 2 - len(prompt)):
        extended = []
        for score, new in live:
            with torch.no_grad():
                logits = model(torch.tensor([prompt + new]))[0, -1]
            for token, likely in enumerate(logits.log_softmax(-1).tolist()):
                extended.append((score + likely, [*new, token]))
        kept = sorted(extended, reverse=True)[: beams - len(ended)]
        ended += [(score / n_tokens, new[:-1]) for score, new in kept if new[-1] == end_id]
        live = [(score, new) for score, new in kept if new[-1] != end_id]
    return (max(ended)[1], True) if ended else (max(live)[1], False)


@pytest.mark.parametrize(
    ("position", "beams", "lengths"),
    [
        ("learned", 2, [5, 1, 9, 3, 8, 2]),
        ("rotary", 3, [5, 1, 9, 3, 8, 2]),
        ("rotary", VOCAB_SIZE + 9, [6, 8]),
    ],
)
def test_every_row_is_searched_as_if_it_were_alone(
    position: str, beams: int, lengths: list[int]
) -> None:
    model = build(9, position).double()
    rows = [prompts(length).tolist() for length in lengths]
    is_greedy = []
    for end_id in range(0, VOCAB_SIZE, 7):
        together = complete(model, rows, end_id, beams)
        assert together == [searched_alone(model, row, end_id, beams) for row in rows]
        is_greedy.append(together == complete(model, rows, end_id))
    assert not all(is_greedy)


def test_a_search_stops_when_no_partial_completion_can_win() -> None:
    model = build(64)
    with torch.no_grad():
        model.lm_head.weight[7] = 30 * model.ln_f(model.hidden(prompts(1, 3)))[0, -1]
    passes: list[int] = []
    model.lm_head.register_forward_hook(lambda *_: passes.append(1))
    assert complete(model, [prompts(3).tolist()], 7, beams=4) == [([], True)]
    assert len(passes) == 1
