"""Specifies the conversion of existing tokenizers: the same tokens under other ids."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

from textmill.corpus.tokens.conversion import convert
from textmill.corpus.tokens.tokenizer import SPECIAL_TOKENS, load_tokenizer
from textmill.errors import InputError
from textmill.safety.placeholders import PLACEHOLDERS

LLAMA3 = Regex(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
PIECES = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
WORDS = pre_tokenizers.ByteLevel(add_prefix_space=False)
ARRANGEMENTS: dict[str, dict[str, Any]] = {
    "gpt2": {"words": WORDS},
    "smollm": {"words": pre_tokenizers.Sequence([pre_tokenizers.Digits(True), WORDS])},
    "llama 3": {
        "words": pre_tokenizers.Sequence([pre_tokenizers.Split(LLAMA3, "isolated"), PIECES]),
        "special": ["<|begin_of_text|>", "<|end_of_text|>"],
    },
    "qwen": {
        "words": pre_tokenizers.Sequence([pre_tokenizers.Split(LLAMA3, "isolated"), PIECES]),
        "normalizer": normalizers.NFC(),
        "special": ["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
    },
    "gpt-neox": {"words": WORDS, "normalizer": normalizers.NFC(), "spaces": ["   ", "    "]},
}
TEXTS = [
    "The cat sat on the mat, and the dog sat on the cat.",
    "It's 2,024 or 12345 €;\n\n  then     naïve 那只猫 👩‍👩‍👧.",
    "<|im_start|>user<|endoftext|>",
    "",
]


def write(folder: Path, words: Any, **choices: Any) -> Tokenizer:
    """Write a tokenizer as the hub has them: trained, then with added tokens."""
    tokenizer = Tokenizer(models.BPE(ignore_merges=False))
    if "normalizer" in choices:
        tokenizer.normalizer = choices["normalizer"]
    tokenizer.pre_tokenizer, tokenizer.decoder = words, decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=300, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(TEXTS * 10, trainer)
    tokenizer.add_tokens([AddedToken(s, normalized=True) for s in choices.get("spaces", ())])
    special = choices.get("special", ["<|endoftext|>"])
    tokenizer.add_special_tokens(special)
    first = (special[0], tokenizer.token_to_id(special[0]))
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{first[0]} $A", special_tokens=[first]
    )
    tokenizer.enable_truncation(4)
    tokenizer.save(str(folder / "tokenizer.json"))
    tokenizer.no_truncation()
    return tokenizer


@pytest.mark.parametrize("choices", ARRANGEMENTS.values(), ids=ARRANGEMENTS)
def test_texts_are_split_into_the_same_tokens(tmp_path: Path, choices: dict[str, Any]) -> None:
    earlier = write(tmp_path, **choices)
    convert(tmp_path).save(str(tmp_path / "tokenizer.json"))
    converted = load_tokenizer(tmp_path)
    earlier.encode_special_tokens = True
    for text in TEXTS:
        encoded = converted.encode(text)
        assert encoded.tokens == earlier.encode(text, add_special_tokens=False).tokens
        assert converted.decode(encoded.ids, skip_special_tokens=False) == text


@pytest.mark.parametrize("choices", ARRANGEMENTS.values(), ids=ARRANGEMENTS)
def test_special_tokens_come_first_and_placeholders_last(
    tmp_path: Path, choices: dict[str, Any]
) -> None:
    earlier = write(tmp_path, **choices)
    converted = convert(tmp_path)
    tokens = [converted.id_to_token(i) for i in range(converted.get_vocab_size())]
    assert tokens[: len(SPECIAL_TOKENS)] == list(SPECIAL_TOKENS)
    assert tokens[-len(PLACEHOLDERS) :] == list(PLACEHOLDERS.values())
    theirs = sorted(earlier.get_vocab(), key=earlier.get_vocab().__getitem__)
    kept = [token for token in theirs if token not in SPECIAL_TOKENS]
    assert tokens[len(SPECIAL_TOKENS) : -len(PLACEHOLDERS)] == kept


@pytest.mark.parametrize(
    "pre_tokenizer",
    [
        None,
        {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True},
        {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
    ],
    ids=["none", "sentencepiece", "a space before the text"],
)
def test_a_tokenizer_that_does_not_spell_bytes_is_refused(
    tmp_path: Path, pre_tokenizer: dict[str, Any] | None
) -> None:
    write(tmp_path, WORDS)
    file = tmp_path / "tokenizer.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"pre_tokenizer": pre_tokenizer}))
    with pytest.raises(InputError, match=r"tokenizer\.json is not a byte-level BPE, as those of"):
        convert(tmp_path)
