"""The tokenizer on disk, and its special tokens.

Tokens are written with one character per byte, as in GPT-2's vocabulary.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from textmill.errors import InputError
from textmill.files import read_untrusted
from textmill.safety.placeholders import PLACEHOLDERS

if TYPE_CHECKING:
    from tokenizers import Tokenizer

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

MAX_BYTES = 1 << 28  # maximum size of tokenizer.json
_SHOWN_CHARS = 200


def damaged(file: Path, error: BaseException) -> InputError:
    """Return the error that a tokenizer file is damaged."""
    reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)[:_SHOWN_CHARS]
    return InputError(f"{file} is damaged ({reason}): create or download it again.")


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
        tokenizer = Tokenizer.from_buffer(read_untrusted(file, MAX_BYTES))
    except FileNotFoundError:
        raise InputError(f"{folder} has no tokenizer: tokenizer.json is missing.") from None
    except (InputError, KeyboardInterrupt):
        raise
    except BaseException as error:  # a panic of the library is not an Exception
        raise damaged(file, error) from None
    highest = max(tokenizer.get_vocab().values(), default=0) if n_ids else 0
    if n_ids is not None and highest >= n_ids:
        raise InputError(
            f"{file} has token ids up to {highest}, but the model's vocabulary size is {n_ids}: "
            "replace it by the model's own tokenizer."
        )
    # "<|endoftext|>" quoted in a document must not be encoded as its end.
    tokenizer.encode_special_tokens = True
    return tokenizer


def add_placeholders(tokenizer: Tokenizer) -> None:
    """Add a token for each placeholder of redacted personal data."""
    from tokenizers import AddedToken

    tokenizer.add_tokens([AddedToken(p, normalized=False) for p in PLACEHOLDERS.values()])
