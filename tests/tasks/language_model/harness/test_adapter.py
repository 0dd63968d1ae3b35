"""Specifies a backbone as a model of lm-eval: equal to lm-eval's own class, and to our loss."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM

from tests.tasks.language_model.harness.conftest import TEXTS
from textmill import model as models
from textmill.config import ModelConfig
from textmill.corpus.tokens.tokenizer import END_ID, TOKENIZER_FILES
from textmill.errors import InputError
from textmill.model import GPT
from textmill.tasks.language_model import continuations
from textmill.tasks.language_model.harness.adapter import Backbone, decoding_of

PAIRS = [
    ("The cat sat on", " the mat"),
    ("The cat sat on", " the"),
    ("The cat sat on", " a"),
    ("The dog ", "sat"),
    ("", "The mat"),
    ("那只猫", "坐在"),
    ("The cat sat on the mat, and the dog sat. " * 3, " The mat"),
]

MODERN: Any = {
    "vocab_size": 300,
    "position": "rotary",
    "activation": "swiglu",
    "norm": "rms",
    "qk_norm": True,
    "bias": False,
}
"""That of Qwen3."""


def instances(kind: Any, *arguments: tuple[Any, ...]) -> list[Instance]:
    return [Instance(kind, {}, given, number) for number, given in enumerate(arguments)]


@pytest.fixture(scope="module")
def backbone(folders: dict[str, Path]) -> Backbone:
    return Backbone(folders["backbone"], "cpu")


@pytest.fixture(scope="module")
def reference(folders: dict[str, Path]) -> HFLM:
    return HFLM(pretrained=str(folders["backbone"]), device="cpu", batch_size=2, add_bos_token=True)


def test_continuations_are_scored_as_by_lm_evals_own_class(
    backbone: Backbone, reference: HFLM
) -> None:
    requests = instances("loglikelihood", *PAIRS)
    found = backbone.loglikelihood(requests, disable_tqdm=True)
    expected = reference.loglikelihood(requests, disable_tqdm=True)
    assert [value for value, _ in found] == pytest.approx([v for v, _ in expected], abs=1e-4)
    assert [is_greedy for _, is_greedy in found] == [is_greedy for _, is_greedy in expected]


def test_a_backbone_of_the_modern_architecture_runs_in_lm_eval_as_well(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    for name in TOKENIZER_FILES:
        shutil.copy(folders["backbone"] / name, tmp_path / name)
    torch.manual_seed(1)
    models.save(GPT(ModelConfig(n_layer=2, n_head=2, n_embd=16, block_size=32, **MODERN)), tmp_path)
    assert '"qwen3"' in (tmp_path / "config.json").read_text()
    reference = HFLM(pretrained=str(tmp_path), device="cpu", batch_size=2, add_bos_token=True)
    requests = instances("loglikelihood", *PAIRS)
    found = Backbone(tmp_path, "cpu").loglikelihood(requests, disable_tqdm=True)
    expected = reference.loglikelihood(requests, disable_tqdm=True)
    assert [value for value, _ in found] == pytest.approx([v for v, _ in expected], abs=1e-4)


def test_texts_are_scored_in_windows_as_by_lm_evals_own_class(
    backbone: Backbone, reference: HFLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference.add_bos_token = False  # its windows begin with the prefix already
    requests = instances("loglikelihood_rolling", *((text,) for text in TEXTS))
    found = backbone.loglikelihood_rolling(requests, disable_tqdm=True)
    expected = reference.loglikelihood_rolling(requests, disable_tqdm=True)
    reference.add_bos_token = True
    assert found == pytest.approx(expected, abs=1e-3)
    # However they are divided into batches.
    monkeypatch.setattr(continuations, "BATCH_TOKENS", 1)
    monkeypatch.setattr(continuations, "LOGIT_ROWS", 3)
    assert backbone.loglikelihood_rolling(requests, True) == pytest.approx(found, abs=1e-4)


def test_completions_are_greedy_and_end_before_a_stop_string(
    backbone: Backbone, reference: HFLM
) -> None:
    settings = {"until": ["\n\n"], "max_gen_toks": 8, "do_sample": False}
    prompts = [("The cat", settings), ("那只", settings)]
    found = backbone.generate_until(instances("generate_until", *prompts), disable_tqdm=True)
    expected = reference.generate_until(instances("generate_until", *prompts), disable_tqdm=True)
    # Half a character at the end is left out.
    assert found == [text.rstrip("\N{REPLACEMENT CHARACTER}") for text in expected]
    stop = found[0][2:4]
    (cut,) = backbone.generate_until(
        instances("generate_until", ("The cat", settings | {"until": ["never", stop]})), True
    )
    assert cut == found[0][: found[0].index(stop)]


def test_a_longer_completion_than_the_context_keeps_half_of_the_prompt(backbone: Backbone) -> None:
    request = instances("generate_until", ("The cat sat. " * 20, {"until": [], "max_gen_toks": 99}))
    (text,) = backbone.generate_until(request, disable_tqdm=True)
    assert len(text) > 32


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"do_sample": True, "top_p": 0.9, "typical_p": 0.5}, "typical_p not supported"),
        ({"num_beams": 4}, "num_beams not supported"),
        ({"temperature": -1.0}, "temperature=-1.0: Input should be greater than or equal to 0"),
    ],
)
def test_unsupported_decoding_is_named(
    backbone: Backbone, settings: dict[str, Any], named: str
) -> None:
    with pytest.raises(InputError, match=named):
        backbone.generate_until(instances("generate_until", ("The", settings)), True)


def test_a_single_beam_is_greedy_decoding() -> None:
    assert decoding_of({"num_beams": 1, "max_gen_toks": 3}) == decoding_of({"max_gen_toks": 3})


def test_special_tokens_in_a_text_are_text(backbone: Backbone) -> None:
    ids = backbone.tok_encode("a<|endoftext|>")
    assert ids[0] == END_ID
    assert END_ID not in ids[1:]
    assert backbone.tok_encode("a<|endoftext|>", add_special_tokens=False) == ids[1:]


def test_a_model_with_another_tokenizer_is_refused(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    shutil.copytree(folders["backbone"], tmp_path, dirs_exist_ok=True)
    file = tmp_path / "tokenizer.json"
    file.write_text(file.read_text().replace("<|endoftext|>", "</s>"))
    with pytest.raises(InputError, match=r"no tokenizer of textmill.*pretrain.init_from="):
        Backbone(tmp_path, "cpu")


def test_the_likelihood_by_hand(backbone: Backbone) -> None:
    ids = torch.tensor([backbone.tok_encode("The cat")])
    with torch.inference_mode():
        log_p = backbone.network(ids[:, :-1]).log_softmax(-1)[0]
    expected = sum(float(log_p[at, token]) for at, token in enumerate(ids[0, 1:].tolist()))
    (found,) = backbone.loglikelihood_rolling(instances("loglikelihood_rolling", ("The cat",)))
    assert found == pytest.approx(expected, abs=1e-4)
    assert math.isfinite(found)
