"""Specifies the GPT: what it computes, in what order, and what a token may see."""

from __future__ import annotations

import itertools
import math
from typing import Any, get_args

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.model.conftest import ARRANGEMENTS, POSITIONS, VOCAB_SIZE, build, tiny, tokens
from textmill.compose import compose
from textmill.config import ModelConfig, RotaryScaling
from textmill.model.gpt import GPT, Attention

CHOICES = ["position", "activation", "norm", "norm_placement", "qk_norm", "bias"]
COMBINATIONS = [
    dict(zip(CHOICES, values, strict=True))
    for values in itertools.product(
        *(get_args(ModelConfig.model_fields[name].annotation) or (False, True) for name in CHOICES)
    )
]


def plain_attention(q: Tensor, k: Tensor, v: Tensor, is_causal: bool) -> Tensor:
    """One head, (T, hs), query by query: Vaswani et al. 2017, eq. 1."""
    rows = []
    for t, query in enumerate(q):
        end = t + 1 if is_causal else len(q)
        weights = torch.exp(k[:end] @ query / math.sqrt(q.size(1)))
        rows.append(weights / weights.sum() @ v[:end])
    return torch.stack(rows)


def scaled(angle: float, scaling: RotaryScaling) -> float:
    """An angle per token for a longer context, as in the released code of Llama 3.1."""
    wavelength = 2 * math.pi / angle
    if wavelength > scaling.original_block_size / scaling.low_turns:
        return angle / scaling.factor
    if wavelength < scaling.original_block_size / scaling.high_turns:
        return angle
    smooth = scaling.original_block_size / wavelength - scaling.low_turns
    smooth /= scaling.high_turns - scaling.low_turns
    return (1 - smooth) * angle / scaling.factor + smooth * angle


def plain_forward(model: GPT, input_ids: Tensor, is_causal: bool) -> Tensor:
    """The logits of one sequence, (T, vocab_size), from the weights and the papers' formulas."""
    config, weights = model.config, model.state_dict()
    T, C, hs = len(input_ids), config.n_embd, config.head_dim or config.n_embd // config.n_head

    def linear(name: str, x: Tensor) -> Tensor:
        return x @ weights[f"{name}.weight"].T + weights.get(f"{name}.bias", torch.zeros(()))

    def rms_norm(name: str, x: Tensor) -> Tensor:
        eps = config.norm_eps or (1e-6 if config.norm == "rms" else 1e-5)
        return x / (x.pow(2).mean(1, keepdim=True) + eps).sqrt() * weights[f"{name}.weight"]

    def norm(name: str, x: Tensor) -> Tensor:
        if config.norm == "rms":
            return rms_norm(name, x)
        x = x - x.mean(1, keepdim=True)
        x = x / (x.pow(2).mean(1, keepdim=True) + 1e-5).sqrt() * weights[f"{name}.weight"]
        return x + weights.get(f"{name}.bias", torch.zeros(()))

    def turn(name: str, x: Tensor) -> Tensor:
        if config.qk_norm:
            x = rms_norm(name, x)
        if config.position != "rotary":
            return x
        r = int(config.rotary_share * hs)
        theta = [config.rotary_base ** (-2 * i / r) for i in range(r // 2)]
        if config.rotary_scaling is not None:
            theta = [scaled(angle, config.rotary_scaling) for angle in theta]
        phase = torch.tensor([[m * angle for angle in theta] for m in range(T)]).double()
        turned = torch.complex(x[:, : r // 2], x[:, r // 2 : r]) * torch.exp(1j * phase)
        return torch.cat((turned.real, turned.imag, x[:, r:]), dim=1)

    def attend(name: str, x: Tensor) -> Tensor:
        group = config.n_head // (config.n_kv_head or config.n_head)
        sizes = (config.n_head * hs, *[config.n_head * hs // group] * 2)
        q, k, v = linear(f"{name}.c_attn", x).split(sizes, dim=1)
        heads = [slice(h * hs, (h + 1) * hs) for h in range(config.n_head)]
        shared = [heads[h // group] for h in range(config.n_head)]
        y = [
            plain_attention(
                turn(f"{name}.q_norm", q[:, h]), turn(f"{name}.k_norm", k[:, g]), v[:, g], is_causal
            )
            for h, g in zip(heads, shared, strict=True)
        ]
        return linear(f"{name}.c_proj", torch.cat(y, dim=1))

    def feed_forward(name: str, x: Tensor) -> Tensor:
        x = linear(f"{name}.c_fc", x)
        half = x.size(1) // 2
        x = {
            "relu": lambda: x.clamp(min=0),
            "gelu": lambda: x / 2 * (1 + (math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)).tanh()),
            "gelu_exact": lambda: x / 2 * (1 + (x / math.sqrt(2)).erf()),
            "relu_squared": lambda: x.clamp(min=0) ** 2,
            "swiglu": lambda: x[:, :half] * x[:, :half].sigmoid() * x[:, half:],
        }[config.activation]()
        return linear(f"{name}.c_proj", x)

    x = weights["wte.weight"][input_ids]
    if config.position == "learned":
        x = x + weights["wpe.weight"][:T]
    if config.position == "sinusoidal":
        x = x * math.sqrt(C)
        for pos, i in itertools.product(range(T), range(C // 2)):
            x[pos, 2 * i] += math.sin(pos / 10000 ** (2 * i / C))
            x[pos, 2 * i + 1] += math.cos(pos / 10000 ** (2 * i / C))
    for layer in (f"h.{i}" for i in range(config.n_layer)):
        if config.parallel_residual:
            attended = attend(f"{layer}.attn", norm(f"{layer}.ln_1", x))
            x = x + attended + feed_forward(f"{layer}.mlp", norm(f"{layer}.ln_2", x))
        elif config.norm_placement == "pre":
            x = x + attend(f"{layer}.attn", norm(f"{layer}.ln_1", x))
            x = x + feed_forward(f"{layer}.mlp", norm(f"{layer}.ln_2", x))
        else:
            x = norm(f"{layer}.ln_1", x + attend(f"{layer}.attn", x))
            x = norm(f"{layer}.ln_2", x + feed_forward(f"{layer}.mlp", x))
    return norm("ln_f", x) @ weights["lm_head.weight"].T


@pytest.mark.parametrize("is_causal", [True, False])
def test_attention_is_the_softmax_of_scaled_products_over_the_values(is_causal: bool) -> None:
    torch.manual_seed(0)
    attention = Attention(tiny(qk_norm=False), layer=0).double()
    x = torch.randn(1, 7, 16, dtype=torch.float64)
    q, k, v = attention.c_attn(x)[0].split(16, dim=1)
    heads = [
        plain_attention(q[:, h], k[:, h], v[:, h], is_causal) for h in (slice(8), slice(8, 16))
    ]
    expected = torch.cat(heads, dim=1) @ attention.c_proj.weight.T
    torch.testing.assert_close(attention(x, None, None, is_causal, None)[0], expected)


@pytest.mark.parametrize("is_causal", [True, False])
@pytest.mark.parametrize("choices", ARRANGEMENTS.values(), ids=ARRANGEMENTS)
def test_the_logits_are_those_of_the_papers_formulas(
    choices: dict[str, Any], is_causal: bool
) -> None:
    model = build(**choices)
    input_ids = tokens(2, 12)
    expected = torch.stack([plain_forward(model, row, is_causal) for row in input_ids])
    # The tables of angles are kept in single precision.
    torch.testing.assert_close(model(input_ids, is_causal=is_causal), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("choices", ARRANGEMENTS.values(), ids=ARRANGEMENTS)
@pytest.mark.parametrize(("is_causal", "changed"), [(True, [5, 6, 7, 8]), (False, list(range(9)))])
def test_a_token_changes_the_logits_of_those_that_see_it(
    choices: dict[str, Any], is_causal: bool, changed: list[int]
) -> None:
    model = build(**choices)
    input_ids = tokens(1, 9)
    other = input_ids.clone()
    other[0, 5] = (other[0, 5] + 1) % VOCAB_SIZE
    difference = model(input_ids, is_causal=is_causal) - model(other, is_causal=is_causal)
    assert difference[0].abs().amax(dim=1).gt(1e-9).nonzero().flatten().tolist() == changed


def test_tokens_of_a_prefix_see_each_other_and_nothing_after() -> None:
    model = build()
    input_ids = tokens(3, 9)
    states = model.hidden(input_ids, prefix=torch.tensor([4, 0, 9]))
    other = input_ids.clone()
    other[:, 3] = (other[:, 3] + 1) % VOCAB_SIZE
    changed = (model.hidden(other, prefix=torch.tensor([4, 0, 9])) != states).any(dim=-1)
    assert changed.tolist() == [[True] * 9, [False] * 3 + [True] * 6, [True] * 9]
    other = input_ids.clone()
    other[:, 4] = (other[:, 4] + 1) % VOCAB_SIZE
    changed = (model.hidden(other, prefix=torch.tensor([4, 0, 9])) != states).any(dim=-1)
    assert changed.tolist() == [[False] * 4 + [True] * 5] * 2 + [[True] * 9]
    torch.testing.assert_close(states[1], model.hidden(input_ids[1:2])[0])
    torch.testing.assert_close(states[2], model.hidden(input_ids[2:], is_causal=False)[0])


@pytest.mark.parametrize("is_causal", [True, False])
@pytest.mark.parametrize("position", POSITIONS)
def test_packed_documents_have_the_logits_that_they_have_apart(
    position: str, is_causal: bool
) -> None:
    model = build(position=position)
    input_ids = tokens(2, 12)
    lengths = [[3, 1, 6, 2], [12]]
    documents = torch.tensor([[7] * 3 + [2] + [5] * 6 + [9] * 2, [0] * 12])
    packed = model(input_ids, documents, is_causal)
    for row, row_lengths in enumerate(lengths):
        pieces = input_ids[row].split(row_lengths)
        apart = [model(piece[None], is_causal=is_causal)[0] for piece in pieces]
        torch.testing.assert_close(packed[row], torch.cat(apart), atol=1e-6, rtol=0)


@pytest.mark.parametrize("is_causal", [True, False])
@pytest.mark.parametrize("position", POSITIONS)
def test_padding_does_not_change_the_logits_of_a_text(position: str, is_causal: bool) -> None:
    model = build(position=position)
    text = tokens(1, 5)
    padded = torch.cat((text, torch.zeros(1, 7, dtype=torch.int64)), dim=1)
    documents = torch.tensor([[0] * 5 + [-1] * 7])
    logits = model(padded, documents, is_causal)[:, :5]
    torch.testing.assert_close(logits, model(text, is_causal=is_causal))


def test_a_model_in_bf16_keeps_the_documents_of_a_block_apart() -> None:
    model = build().float()
    input_ids = tokens(2, 12)
    documents = torch.tensor([[0] * 5 + [1] * 7, [0] * 11 + [-1]])
    with torch.autocast("cpu", torch.bfloat16):
        before = model(input_ids, documents)
        others = input_ids.clone()
        others[0, :5] = (others[0, :5] + 1) % VOCAB_SIZE
        after = model(others, documents)
    assert torch.equal(before[0, 5:], after[0, 5:])
    assert not torch.equal(before[0, :5], after[0, :5])
    exact = model(input_ids, documents)
    assert (before - exact).norm() / exact.norm() < 0.02


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
@pytest.mark.parametrize("is_causal", [True, False])
@pytest.mark.parametrize("choices", ARRANGEMENTS.values(), ids=ARRANGEMENTS)
def test_attention_by_blocks_is_attention_by_pairs(
    monkeypatch: pytest.MonkeyPatch, choices: dict[str, Any], is_causal: bool
) -> None:
    """The mask of a GPU, on the CPU, where its kernel has no backward pass."""
    model = build(**choices, block_size=256)
    input_ids = tokens(2, 256)
    documents = torch.tensor([[4] * 100 + [5] * 30 + [1] * 126, [0] * 200 + [-1] * 56])
    expected = model(input_ids, documents, is_causal)
    monkeypatch.setattr(GPT, "_uses_flex_attention", lambda *_: True)
    with torch.no_grad():
        logits = model(input_ids, documents, is_causal)
    torch.testing.assert_close(logits, expected.detach())


@pytest.mark.gpu
@pytest.mark.parametrize("is_causal", [True, False])
def test_a_gpu_attends_by_blocks_with_the_gradients_of_the_cpu(is_causal: bool) -> None:
    torch.manual_seed(0)
    model = GPT(tiny(n_embd=64, block_size=256)).train()
    input_ids = tokens(2, 256)
    documents = torch.tensor([[4] * 100 + [5] * 30 + [1] * 126, [0] * 200 + [-1] * 56])
    gradients = []
    for device in ("cpu", "cuda"):
        model = model.to(device)
        assert model._uses_flex_attention(documents.to(device)) == (device == "cuda")
        logits = model(input_ids.to(device), documents.to(device), is_causal)
        logits.square().mean().backward()
        gradients.append([p.grad.cpu() for p in model.parameters() if p.grad is not None])
        model.zero_grad()
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-2)


@pytest.mark.parametrize("choices", ARRANGEMENTS.values(), ids=ARRANGEMENTS)
def test_activations_that_are_computed_again_give_the_same_gradients(
    choices: dict[str, Any],
) -> None:
    """Dropout too: bit for bit, in a forward pass that keeps less."""
    gradients, kept = [], []
    for is_checkpointed in (False, True):
        torch.manual_seed(0)
        model = GPT(tiny(**choices, dropout=0.3)).train()
        model.activation_checkpointing = is_checkpointed
        sizes: list[int] = []

        def keep(tensor: Tensor, sizes: list[int] = sizes) -> Tensor:
            sizes.append(tensor.numel())
            return tensor

        torch.manual_seed(1)
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            loss = model(tokens(2, 12), torch.zeros(2, 12)).square().mean()
        loss.backward()
        gradients.append([parameter.grad for parameter in model.parameters()])
        kept.append(sum(sizes))
    for one, other in zip(*gradients, strict=True):
        assert one is not None
        assert torch.equal(one, other)
    assert kept[1] < kept[0] / 2


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("gpt2-124m", 124_439_808),
        ("gpt2-355m", 354_823_168),
        ("gpt2-774m", 774_030_080),
        ("gpt2-1558m", 1_557_611_200),
    ],
)
def test_a_gpt2_has_its_published_number_of_parameters(name: str, published: int) -> None:
    config = compose("demo", [f"model={name}", "model.vocab_size=50257"]).model.sized()
    with torch.device("meta"):
        model = GPT(config)
    assert sum(parameter.numel() for parameter in model.parameters()) == published


def test_a_step_costs_six_operations_for_each_weight_and_twelve_for_each_pair() -> None:
    model = GPT(tiny(activation="relu_squared"))
    matrices = 2 * (4 * 16 * 16 + 2 * 4 * 16 * 16)
    assert model.n_matmul_parameters() == matrices + VOCAB_SIZE * 16
    assert model.flops_per_token(10) == 6 * (matrices + VOCAB_SIZE * 16) + 12 * 2 * 16 * 10
    model.lm_head = torch.nn.Identity()  # as a task does that has an output of its own
    assert model.n_matmul_parameters() == matrices


def test_tied_embeddings_are_one_matrix_and_untied_ones_are_two() -> None:
    tied, untied = GPT(tiny(tie_embeddings=True)), GPT(tiny(tie_embeddings=False))
    assert tied.lm_head.weight is tied.wte.weight
    sizes = [sum(p.numel() for p in model.parameters()) for model in (tied, untied)]
    assert sizes[1] - sizes[0] == VOCAB_SIZE * 16
    assert not torch.equal(untied.lm_head.weight, untied.wte.weight)


@pytest.mark.parametrize(
    "choices", COMBINATIONS, ids=lambda choices: "-".join(map(str, choices.values()))
)
def test_every_combination_gives_every_parameter_a_finite_gradient(choices: dict[str, Any]) -> None:
    torch.manual_seed(0)
    model = GPT(tiny(**choices))
    logits = model(tokens(2, 12))
    F.cross_entropy(logits.flatten(0, 1), tokens(2, 12).flatten()).backward()
    assert logits.shape == (2, 12, VOCAB_SIZE)
    unfit = [
        name
        for name, parameter in model.named_parameters()
        if parameter.grad is None or not parameter.grad.isfinite().all()
    ]
    assert unfit == []


@pytest.mark.parametrize("choices", ARRANGEMENTS.values(), ids=ARRANGEMENTS)
def test_an_untrained_model_is_nearly_indifferent_between_tokens(choices: dict[str, Any]) -> None:
    torch.manual_seed(0)
    logits = GPT(tiny(**choices))(tokens(16, 12))
    loss = F.cross_entropy(logits.flatten(0, 1), tokens(16, 12, seed=2).flatten())
    assert loss.item() == pytest.approx(math.log(VOCAB_SIZE), abs=0.1)


@pytest.mark.parametrize(
    ("layers", "part", "std"),
    [(2, "c_proj", 0.01), (8, "c_proj", 0.005), (2, "c_fc", 0.02), (2, "c_attn", 0.02)],
)
def test_initial_weights_into_the_residual_stream_shrink_with_depth(
    layers: int, part: str, std: float
) -> None:
    torch.manual_seed(0)
    weights = GPT(tiny(n_layer=layers)).state_dict()
    chosen = torch.cat([w.flatten() for name, w in weights.items() if f"{part}.weight" in name])
    assert chosen.std().item() == pytest.approx(std, rel=0.1)


def test_dropout_acts_in_training_alone() -> None:
    model = build(dropout=0.5)
    input_ids = tokens(1, 8)
    torch.testing.assert_close(model(input_ids), build(dropout=0.0)(input_ids))
    model.train()
    assert not torch.allclose(model(input_ids), model(input_ids))


@pytest.mark.parametrize(("held", "new"), [(0, 13), (12, 1), (5, 8)])
def test_more_tokens_than_the_context_holds_are_an_error(held: int, new: int) -> None:
    model = build()
    cache = model.new_cache(1)
    cache.length = held
    with pytest.raises(ValueError, match="13 tokens do not fit into model.block_size=12: shorten"):
        model(tokens(1, new), cache=cache)


def test_a_model_without_a_vocabulary_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"model\.vocab_size is not set"):
        GPT(tiny(vocab_size=None))
