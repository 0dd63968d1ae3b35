"""The tokenizer: trained on the corpus, or converted from an existing one.

All kinds include the 256 bytes, so that encoding is lossless for any text. Tokens are written with
one character per byte, as in GPT-2's vocabulary.
"""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textmill.config import TokenizerConfig
from textmill.errors import InputError
from textmill.files import read_untrusted, write_json
from textmill.safety.placeholders import PLACEHOLDERS

if TYPE_CHECKING:
    from tokenizers import Tokenizer, models

END = "<|endoftext|>"
"""Ends every document, and precedes the first token of a generated text."""
PAD = "<|pad|>"
MASK = "<|mask|>"
SOURCE = "<|source|>"
"""Precedes the input of a generative task."""
TARGET = "<|target|>"
"""Precedes its output."""
SPECIAL_TOKENS = (END, PAD, MASK, SOURCE, TARGET)
END_ID, PAD_ID, MASK_ID, SOURCE_ID, TARGET_ID = range(len(SPECIAL_TOKENS))

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json")
"""Tokenizer files in a model folder."""

_MAX_BYTES = 1 << 28  # maximum size of tokenizer.json
_SHOWN_CHARS = 200
MAX_WORD_BYTES = 4192  # sentencepiece skips longer ones, which are not words


def train_tokenizer(config: TokenizerConfig, inputs: Mapping[str, Path], out: Path) -> None:
    """Train on the corpus, or convert an existing tokenizer, and write tokenizer.json.

    Args:
        config: kind and size of the vocabulary, or the folder of an existing tokenizer.
        inputs: `corpus`, a folder of the clean step.
        out: an empty folder.

    Raises:
        InputError: the corpus is too small for the vocabulary, or the existing tokenizer is
            invalid.
    """
    if config.init_from is None:
        tokenizer = _train(config, inputs["corpus"])
    else:
        tokenizer = convert(Path(config.init_from))
    tokenizer.save(str(out / "tokenizer.json"))
    write_json(
        out / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "eos_token": END,
            "bos_token": END,
            "pad_token": PAD,
            "mask_token": MASK,
            "clean_up_tokenization_spaces": False,
        },
    )
    write_json(out / "metrics.json", {"vocab_size": tokenizer.get_vocab_size()})


def _train(config: TokenizerConfig, corpus: Path) -> Tokenizer:
    texts = _strip_placeholders(read_sample(corpus, "train", config.max_bytes))
    tokenizer = TRAINERS[config.kind](config, texts)
    _add_placeholders(tokenizer)
    size = tokenizer.get_vocab_size()
    if size < config.vocab_size and config.kind != "character":
        raise InputError(
            f"tokenizer.vocab_size={config.vocab_size}: the corpus yields only {size} entries; "
            f"set tokenizer.vocab_size to {size} or less, or add text."
        )
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

    Uses sentencepiece, because the scores of tokenizers' own trainer are not deterministic.
    """
    from tokenizers import AddedToken, models

    splitter = _byte_level(models.BPE()).pre_tokenizer
    counts = Counter(word for text in texts for word, _ in splitter.pre_tokenize_str(text))
    seen = {byte for word in counts for byte in word}
    unseen = sorted(_alphabet() - seen)
    room = config.vocab_size - len(SPECIAL_TOKENS) - len(PLACEHOLDERS) - len(unseen)
    pieces = _train_unigram_pieces(counts, room)
    never = min((score for _, score in pieces), default=0.0) - 10
    vocabulary = [(token, 0.0) for token in SPECIAL_TOKENS] + pieces
    tokenizer = _byte_level(models.Unigram([*vocabulary, *((byte, never) for byte in unseen)]))
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in SPECIAL_TOKENS])
    return tokenizer


def _train_unigram_pieces(counts: Mapping[str, int], n_pieces: int) -> list[tuple[str, float]]:
    """Return subword pieces with their log probabilities, the most likely first."""
    import sentencepiece

    if not counts:
        return []
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([f"{word}\t{count}" for word, count in sorted(counts.items())]),
        model_writer=model,
        input_format="tsv",
        model_type="unigram",
        vocab_size=n_pieces + 1,  # plus the unknown piece, which never occurs
        hard_vocab_limit=False,
        character_coverage=1.0,
        required_chars="".join(sorted({byte for word in counts for byte in word})),
        # Words are already split and represented as bytes.
        normalization_rule_name="identity",
        add_dummy_prefix=False,
        split_by_unicode_script=False,
        split_by_number=False,
        max_sentence_length=MAX_WORD_BYTES,
        unk_id=0,
        bos_id=-1,
        eos_id=-1,
        pad_id=-1,
        num_threads=1,  # the order of summation depends on their number
        minloglevel=2,
    )
    trained = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    ids = range(1, trained.get_piece_size())
    return [(trained.id_to_piece(i), trained.get_score(i)) for i in ids]


def _make_bytes(config: TokenizerConfig, texts: Iterator[str]) -> Tokenizer:
    """Return the byte tokenizer, which needs no training."""
    return _character_level([])


def _train_characters(config: TokenizerConfig, texts: Iterator[str]) -> Tokenizer:
    """Return a tokenizer with a token for each frequent character, and bytes for the others."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(text)
    common = [c for c, count in counts.items() if count >= config.min_frequency and c > "\x7f"]
    common.sort(key=lambda character: (-counts[character], character))
    room = config.vocab_size - len(SPECIAL_TOKENS) - len(PLACEHOLDERS) - 256
    # A character of three or four bytes is merged from left to right, and its prefixes, which
    # characters of the same Unicode block share, need entries as well.
    entries: dict[str, None] = {}
    for character in common:
        spelt = _spell(character)
        new = dict.fromkeys(spelt[:end] for end in range(2, len(spelt) + 1)) | entries
        if len(new) > room:
            break
        entries |= dict.fromkeys(spelt[:end] for end in range(2, len(spelt) + 1))
    return _character_level(list(entries))


def _character_level(entries: list[str]) -> Tokenizer:
    """Return the tokenizer of bytes and entries, with prefixes before the entries they begin."""
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


def _spell(text: str) -> str:
    """Return the bytes of a text as characters of GPT-2's vocabulary."""
    from tokenizers import pre_tokenizers

    [(spelt, _)] = pre_tokenizers.ByteLevel(
        add_prefix_space=False, use_regex=False
    ).pre_tokenize_str(text)
    return spelt


def convert(folder: Path) -> Tokenizer:
    """Return the tokenizer of a folder with textmill's special tokens before its own tokens.

    It splits text as before; only the token ids change.

    Raises:
        InputError: tokenizer.json is missing, damaged, or not a byte-level BPE.
    """
    from tokenizers import AddedToken, models

    file = folder / "tokenizer.json"
    try:
        described = json.loads(read_untrusted(file, _MAX_BYTES).decode())
        model, pre_tokenizer = described["model"], described["pre_tokenizer"]
        if (model["type"], pre_tokenizer["type"]) != ("BPE", "ByteLevel"):
            raise InputError(
                f"{file} is not a byte-level BPE such as GPT-2's: remove tokenizer.init_from to "
                "train a new one."
            )
        spelt = sorted(model["vocab"], key=model["vocab"].__getitem__)
        merges = [tuple(m.split(" ") if isinstance(m, str) else m) for m in model["merges"]]
    except FileNotFoundError:
        raise InputError(f"{folder} has no tokenizer: tokenizer.json is missing.") from None
    except InputError:
        raise
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise _damaged(file, error) from None
    kept = [token for token in spelt if token not in SPECIAL_TOKENS]
    vocabulary = {token: number for number, token in enumerate((*SPECIAL_TOKENS, *kept))}
    try:
        tokenizer = _byte_level(models.BPE(vocab=vocabulary, merges=merges))
    except Exception as error:  # the library raises nothing narrower
        raise _damaged(file, error) from None
    tokenizer.add_special_tokens([AddedToken(t, special=True) for t in SPECIAL_TOKENS])
    _add_placeholders(tokenizer)
    return tokenizer


def _damaged(file: Path, error: BaseException) -> InputError:
    reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)[:_SHOWN_CHARS]
    return InputError(f"{file} is damaged ({reason}): create or download it again.")


def _byte_level(model: models.Model, *, use_regex: bool = True) -> Tokenizer:
    from tokenizers import Tokenizer, decoders, pre_tokenizers

    tokenizer = Tokenizer(model)
    # The pattern is GPT-2's: words include the space before them, digits are split from letters.
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=use_regex)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _add_placeholders(tokenizer: Tokenizer) -> None:
    from tokenizers import AddedToken

    tokenizer.add_tokens([AddedToken(p, normalized=False) for p in PLACEHOLDERS.values()])


def load_tokenizer(folder: Path, n_ids: int | None = None) -> Tokenizer:
    """Return the tokenizer of a folder; special tokens in a text are encoded as plain text.

    Args:
        folder: folder of a tokenizer or a model.
        n_ids: the model's vocabulary size; None: not checked.

    Raises:
        InputError: tokenizer.json is missing, damaged, or does not match the model.
    """
    from tokenizers import Tokenizer

    file = folder / "tokenizer.json"
    try:
        tokenizer = Tokenizer.from_buffer(read_untrusted(file, _MAX_BYTES))
    except FileNotFoundError:
        raise InputError(f"{folder} has no tokenizer: tokenizer.json is missing.") from None
    except (InputError, KeyboardInterrupt):
        raise
    except BaseException as error:  # a panic of the library is not an Exception
        raise _damaged(file, error) from None
    highest = max(tokenizer.get_vocab().values(), default=0) if n_ids else 0
    if n_ids is not None and highest >= n_ids:
        raise InputError(
            f"{file} has token ids up to {highest}, but the vocabulary of the model is {n_ids}: "
            "replace it by the model's own tokenizer."
        )
    # A document that quotes "<|endoftext|>" must not end there.
    tokenizer.encode_special_tokens = True
    return tokenizer


def read_texts(corpus: Path, split: str) -> Iterator[str]:
    """Yield the texts of one split of a corpus folder, in the order of its shards."""
    for (texts,) in _read_columns(corpus / split, "text"):
        yield from texts.to_pylist()


def read_sample(corpus: Path, split: str, max_bytes: int) -> Iterator[str]:
    """Yield texts of one split: all, or a sample by hash of about max_bytes."""
    import pyarrow.compute as pc

    sizes = (pc.sum(pc.binary_length(texts)) for (texts,) in _read_columns(corpus / split, "text"))
    total = sum(size.as_py() or 0 for size in sizes)
    if total <= max_bytes:
        yield from read_texts(corpus, split)
        return
    for texts, ids in _read_columns(corpus / split, "text", "doc_id"):
        for text, doc_id in zip(texts.to_pylist(), ids.to_pylist(), strict=True):
            # The first digits of the id determine the split.
            if int(doc_id[-16:], 16) * total < max_bytes << 64:
                yield text


def _read_columns(folder: Path, *names: str) -> Iterator[list[Any]]:
    """Yield columns of a folder's shards by row group, a few megabytes each."""
    import pyarrow.parquet as pq

    for shard in corpus_shards(folder):
        with pq.ParquetFile(shard) as file:
            for number in range(file.num_row_groups):
                yield file.read_row_group(number, columns=list(names)).select(names).columns


def corpus_shards(folder: Path) -> list[Path]:
    """Return the files of one split of a corpus folder, in their order."""
    return sorted(folder.glob("*.parquet"))


def _strip_placeholders(texts: Iterator[str]) -> Iterator[str]:
    """Yield the texts without placeholders, which are tokens of their own."""
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
