"""The step `tokenizer`: trains a tokenizer on the corpus, or converts an existing one.

All vocabularies contain the 256 bytes, so that any text can be encoded and decoded losslessly.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from textmill.config import TokenizerConfig
from textmill.corpus.tokens.conversion import convert, read_chat_template
from textmill.corpus.tokens.corpus_texts import read_sample
from textmill.corpus.tokens.tokenizer import END, MASK, PAD, SPECIAL_TOKENS, add_placeholders
from textmill.errors import InputError
from textmill.files import write_json
from textmill.hub_models import TOKENIZER_PARTS, local_folder
from textmill.safety.placeholders import PLACEHOLDERS

if TYPE_CHECKING:
    from tokenizers import Tokenizer, models

MAX_WORD_BYTES = 4192  # sentencepiece skips longer ones, which are not words


def train_tokenizer(config: TokenizerConfig, inputs: Mapping[str, Path], out: Path) -> None:
    """Train a tokenizer on the training split, or convert an existing one; write tokenizer.json.

    Args:
        config: size of the vocabulary, or the folder of an existing tokenizer.
        inputs: `corpus`, an output folder of the step `clean`.
        out: an empty folder.

    Raises:
        InputError: the corpus is too small for the vocabulary, or the existing tokenizer cannot be
            used.
    """
    template = None
    if config.init_from is None:
        tokenizer = _train(config, inputs["corpus"])
    else:
        folder = local_folder(config.init_from, TOKENIZER_PARTS)
        tokenizer, template = convert(folder), read_chat_template(folder)
    tokenizer.save(str(out / "tokenizer.json"))
    write_json(
        out / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "eos_token": END,
            "bos_token": END,
            "pad_token": PAD,
            "mask_token": MASK,
            "unk_token": END,  # never produced, but some readers need one
            "clean_up_tokenization_spaces": False,
            **({} if template is None else {"chat_template": template}),
        },
    )
    write_json(out / "metrics.json", {"vocab_size": tokenizer.get_vocab_size()})


def _train(config: TokenizerConfig, corpus: Path) -> Tokenizer:
    tokenizer = train_on(config, read_sample(corpus, "train", config.max_bytes))
    size = tokenizer.get_vocab_size()
    if size < config.vocab_size and config.kind != "character":
        raise InputError(
            f"tokenizer.vocab_size={config.vocab_size}: the corpus yields only {size} entries; "
            f"set tokenizer.vocab_size to {size} or less, or add more text."
        )
    return tokenizer


def train_on(config: TokenizerConfig, texts: Iterator[str]) -> Tokenizer:
    """Return a tokenizer trained on texts; it may have fewer entries than configured."""
    tokenizer = TRAINERS[config.kind](config, _without_placeholders(texts))
    add_placeholders(tokenizer)
    return tokenizer


def _train_bpe(config: TokenizerConfig, texts: Iterator[str]) -> Tokenizer:
    """Train a BPE (Sennrich et al. 2016) over bytes (Radford et al. 2019)."""
    from tokenizers import models, trainers

    tokenizer = _byte_level(models.BPE())
    trainer = trainers.BpeTrainer(
        vocab_size=config.vocab_size - len(PLACEHOLDERS),
        min_frequency=config.min_frequency,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=sorted(_alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def _train_unigram(config: TokenizerConfig, texts: Iterator[str]) -> Tokenizer:
    """Train a unigram language model over bytes (Kudo 2018, section 3.2).

    Trained by sentencepiece, because the scores of the trainer in tokenizers vary between runs.
    """
    from tokenizers import AddedToken, models

    splitter = _byte_level(models.BPE()).pre_tokenizer
    counts = Counter(word for text in texts for word, _ in splitter.pre_tokenize_str(text))
    seen = {byte for word in counts for byte in word}
    unseen = sorted(_alphabet() - seen)
    room = config.vocab_size - len(SPECIAL_TOKENS) - len(PLACEHOLDERS) - len(unseen)
    pieces = _train_pieces(counts, room)
    never = min((score for _, score in pieces), default=0.0) - 10
    vocabulary = [(token, 0.0) for token in SPECIAL_TOKENS] + pieces
    tokenizer = _byte_level(models.Unigram([*vocabulary, *((byte, never) for byte in unseen)]))
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in SPECIAL_TOKENS])
    return tokenizer


def _train_pieces(counts: Mapping[str, int], n_pieces: int) -> list[tuple[str, float]]:
    """Return the pieces of a unigram model with log probabilities, in descending order."""
    import sentencepiece

    if not counts:
        return []
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([f"{word}\t{count}" for word, count in sorted(counts.items())]),
        model_writer=model,
        input_format="tsv",
        model_type="unigram",
        vocab_size=n_pieces + 1,  # with the unknown piece, which is never produced
        hard_vocab_limit=False,
        character_coverage=1.0,
        required_chars="".join(sorted({byte for word in counts for byte in word})),
        # Words are already split and spelt in bytes.
        normalization_rule_name="identity",
        add_dummy_prefix=False,
        split_by_unicode_script=False,
        split_by_number=False,
        max_sentence_length=MAX_WORD_BYTES,
        unk_id=0,
        bos_id=-1,
        eos_id=-1,
        pad_id=-1,
        num_threads=1,  # the result would depend on the number of threads
        minloglevel=2,
    )
    trained = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    ids = range(1, trained.get_piece_size())
    return [(trained.id_to_piece(i), trained.get_score(i)) for i in ids]


def _make_bytes(config: TokenizerConfig, texts: Iterator[str]) -> Tokenizer:
    """Return the tokenizer of single bytes; the texts are not used."""
    return _of_characters([])


def _train_characters(config: TokenizerConfig, texts: Iterator[str]) -> Tokenizer:
    """Return a tokenizer with a token for each of the most frequent characters.

    Other characters are encoded as bytes.
    """
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(text)
    common = [c for c, count in counts.items() if count >= config.min_frequency and c > "\x7f"]
    common.sort(key=lambda character: (-counts[character], character))
    room = config.vocab_size - len(SPECIAL_TOKENS) - len(PLACEHOLDERS) - 256
    # A character of three or four bytes is merged from left to right, so its prefixes, which
    # characters of the same block share, need entries as well.
    entries: dict[str, None] = {}
    for character in common:
        spelt = _spelt(character)
        new = dict.fromkeys(spelt[:end] for end in range(2, len(spelt) + 1)) | entries
        if len(new) > room:
            break
        entries |= dict.fromkeys(spelt[:end] for end in range(2, len(spelt) + 1))
    return _of_characters(list(entries))


def _of_characters(entries: list[str]) -> Tokenizer:
    """Return the tokenizer of all bytes and the entries, each of which follows its prefixes."""
    from tokenizers import AddedToken, models

    tokens = [*SPECIAL_TOKENS, *sorted(_alphabet()), *entries]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    merges = [(entry[:-1], entry[-1]) for entry in entries]
    tokenizer = _byte_level(models.BPE(vocab=vocabulary, merges=merges), use_regex=False)
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in SPECIAL_TOKENS])
    return tokenizer


def _alphabet() -> set[str]:
    """Return the characters that represent the 256 bytes."""
    from tokenizers import pre_tokenizers

    return set(pre_tokenizers.ByteLevel.alphabet())


def _spelt(text: str) -> str:
    """Return the bytes of a text, written in the characters of GPT-2's vocabulary."""
    from tokenizers import pre_tokenizers

    [(spelt, _)] = pre_tokenizers.ByteLevel(
        add_prefix_space=False, use_regex=False
    ).pre_tokenize_str(text)
    return spelt


def _byte_level(model: models.Model, *, use_regex: bool = True) -> Tokenizer:
    from tokenizers import Tokenizer, decoders, pre_tokenizers

    tokenizer = Tokenizer(model)
    # GPT-2's pattern: words include the preceding space, and digits are separated from letters.
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=use_regex)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _without_placeholders(texts: Iterator[str]) -> Iterator[str]:
    """Yield the texts without placeholders, which are added as tokens later."""
    for text in texts:
        for placeholder in PLACEHOLDERS.values():
            text = text.replace(placeholder, " ")
        yield text


TRAINERS: dict[str, Callable[[TokenizerConfig, Iterator[str]], Tokenizer]] = {
    "bpe": _train_bpe,
    "unigram": _train_unigram,
    "byte": _make_bytes,
    "character": _train_characters,
}
