"""Backbones for other libraries: a Hugging Face folder, an ONNX graph, a CTranslate2 model."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from textmill.config import GenerationConfig, ModelConfig
from textmill.corpus.tokens.conversations import ChatTemplate, has_chat_template
from textmill.corpus.tokens.tokenizer import END_ID, PAD_ID, TOKENIZER_FILES, load_tokenizer
from textmill.errors import InputError, listed
from textmill.exporting.decoder import DecoderSession, check_decoder, write_decoder
from textmill.exporting.onnx_files import check_difference, max_difference, quantize, quiet
from textmill.files import write_json
from textmill.hardware import n_cores
from textmill.model import GPT
from textmill.model.families import FAMILIES
from textmill.model.layout import CONFIG, WEIGHTS, family_of, read_config
from textmill.safety.model_redaction import FILE as REDACTION

GRAPH = "model.onnx"
TRANSLATED = ("gpt2", "llama", "qwen2", "qwen3")
"""Families that CTranslate2's converter reads; with GPT-NeoX's it fails on transformers 5."""
TYPES = {"float32": "float32", "int8": "int8", "bf16": "bfloat16"}
"""CTranslate2's names of the types of weights."""
COPIED = (*TOKENIZER_FILES, REDACTION)
"""Files of a backbone besides its weights and their configuration."""
CHECKED_TOKENS = 16


def write_hugging_face(
    folder: Path, backbone: GPT, generation: GenerationConfig, out: Path
) -> float:
    """Write a backbone for `transformers`; return the maximum difference of its logits there.

    Args:
        folder: of the model.
        backbone: that model.
        generation: settings of sampling, the defaults of the exported model.
        out: an empty folder.

    Raises:
        InputError: its architecture is none that the library has.
        RunError: the library computes something else.
    """
    _require_family(folder, [*FAMILIES], "transformers")
    _copy((CONFIG, WEIGHTS, *COPIED), folder, out)
    write_json(out / "generation_config.json", _generation(generation, folder))
    from transformers import AutoModelForCausalLM

    with _quiet_transformers():
        model: Any = AutoModelForCausalLM.from_pretrained(out, dtype=torch.float32)
    model.eval()
    ids = random_ids(backbone.config)
    with torch.inference_mode():
        found = model(torch.tensor([ids])).logits[0].numpy()
        expected = backbone(torch.tensor([ids]))[0]
    return check_difference(max_difference([expected], [found]), "The model in transformers")


def write_onnx(
    folder: Path, backbone: GPT, quantization: str, out: Path
) -> tuple[float, DecoderSession]:
    """Write a backbone as a graph; return its maximum difference from torch, and a session.

    The difference is that before quantization.

    Raises:
        RunError: the graph computes something else.
    """
    file = out / GRAPH
    write_decoder(backbone, file)
    session = DecoderSession(file, backbone)
    difference = check_decoder(backbone, session)
    if quantization == "int8":
        quantize(file)
        session = DecoderSession(file, backbone)
    _copy(COPIED, folder, out)
    return difference, session


def write_ctranslate2(
    folder: Path, backbone: GPT, quantization: str, out: Path
) -> tuple[float, TranslatedBackbone]:
    """Write a backbone for CTranslate2; return its maximum difference from torch, and the model.

    The difference is that before quantization.

    Raises:
        InputError: its architecture is none that the library has.
        RunError: the library computes something else.
    """
    _require_family(folder, TRANSLATED, "CTranslate2")
    with TemporaryDirectory(dir=out) as whole:
        # Also of smaller weights: rounding would hide that a conversion is wrong.
        model = _translate(folder, "float32", Path(whole))
        ids = random_ids(backbone.config)
        with torch.inference_mode():
            expected = backbone(torch.tensor([ids]))[0]
        difference = max_difference([expected], [model.logits(ids)])
        check_difference(difference, "The model in CTranslate2")
    return difference, _translate(folder, quantization, out)


def _translate(folder: Path, quantization: str, out: Path) -> TranslatedBackbone:
    """Write a backbone for CTranslate2, and return it."""
    from ctranslate2.converters import TransformersConverter

    with _quiet_transformers():
        converter = TransformersConverter(str(folder))
        converter.convert(str(out), quantization=TYPES[quantization], force=True)
    _copy(COPIED, folder, out)
    return TranslatedBackbone(out)


class TranslatedBackbone:
    """A backbone in CTranslate2, on the CPU.

    Args:
        folder: with the model and its tokenizer.
    """

    def __init__(self, folder: Path) -> None:
        import ctranslate2

        self.generator = ctranslate2.Generator(str(folder), intra_threads=n_cores())
        self.tokenizer = load_tokenizer(folder)

    def logits(self, ids: Sequence[int]) -> NDArray[np.float32]:
        """Return the logits of a row of tokens, (T, vocab_size)."""
        from ctranslate2 import DataType

        logits = self.generator.forward_batch([[*ids]]).to(DataType.float32)
        rows: NDArray[np.float32] = np.array(logits, np.float32)[0]
        return rows

    def generate(self, ids: Sequence[int], n_new: int) -> list[int]:
        """Return that many likeliest next tokens, one after another."""
        tokens = [self.tokenizer.id_to_token(id) for id in ids]
        [result] = self.generator.generate_batch(
            [tokens],
            max_length=n_new,
            min_length=n_new,
            sampling_topk=1,
            include_prompt_in_result=False,
        )
        return [int(id) for id in result.sequences_ids[0]]


def random_ids(config: ModelConfig) -> list[int]:
    """Return random tokens after END, as many as a comparison needs."""
    assert config.vocab_size is not None
    n = min(CHECKED_TOKENS, config.block_size) - 1
    ids = np.random.default_rng(0).integers(config.vocab_size, size=n)
    return [END_ID, *map(int, ids)]


@contextmanager
def _quiet_transformers() -> Iterator[None]:
    """Silence messages and progress bars of `transformers`."""
    from transformers import utils

    settings: Any = utils.logging
    had_bars = settings.is_progress_bar_enabled()
    settings.disable_progress_bar()
    try:
        with quiet():
            yield
    finally:
        if had_bars:
            settings.enable_progress_bar()


def _require_family(folder: Path, supported: Sequence[str], library: str) -> None:
    family = family_of(folder)
    if family is not None and family.model_type in supported:
        return
    config = read_config(folder)
    names = ("activation", "norm", "norm_placement", "position", "qk_norm", "bias")
    settings = ", ".join(f"{name}={getattr(config, name)}" for name in names)
    what = f"a {family.model_type}" if family is not None else f"of no family ({settings})"
    raise InputError(
        f"{library} has no architecture for this backbone, which is {what}; it reads "
        f"{listed(supported)}. Use --to onnx, which takes every backbone, or pretrain with "
        "model=auto, modern-* or gpt2-*."
    )


def _generation(config: GenerationConfig, folder: Path) -> dict[str, Any]:
    """Return the generation_config.json of the model in a folder."""
    ends = ChatTemplate(folder).ends if has_chat_template(folder) else ()
    find_id = load_tokenizer(folder).token_to_id
    values: dict[str, Any] = {
        "bos_token_id": END_ID,
        "eos_token_id": sorted({END_ID, *map(find_id, ends)}) if ends else END_ID,
        "pad_token_id": PAD_ID,
        "max_new_tokens": config.max_new_tokens,
        "do_sample": config.temperature > 0,
    }
    values["repetition_penalty"] = config.repetition_penalty  # of greedy decoding as well
    if config.temperature > 0:
        names = ("temperature", "top_k", "top_p", "min_p")
        values |= {name: getattr(config, name) for name in names}
        values["top_k"] = config.top_k or 0  # 0: from all tokens; null would be the library's 50
    return values


def _copy(names: Sequence[str], folder: Path, out: Path) -> None:
    for name in names:
        if (folder / name).exists():
            shutil.copyfile(folder / name, out / name)
