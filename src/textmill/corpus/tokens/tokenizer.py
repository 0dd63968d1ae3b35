"""The tokenizer on disk, and what is fixed in its vocabulary.

A token is spelt with one character for each of its bytes, as in GPT-2's vocabulary.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from textmill.errors import InputError
from textmill.files import read_foreign

if TYPE_CHECKING:
    from tokenizers import Tokenizer

END = "<|endoftext|>"
"""Ends every document, and stands before the first token when a text is begun."""
PAD = "<|pad|>"
MASK = "<|mask|>"
SOURCE = "<|source|>"
"""Stands before the input of a task that writes its answer."""
TARGET = "<|target|>"
"""Stands before the answer."""
SPECIAL_TOKENS = (END, PAD, MASK, SOURCE, TARGET)
END_ID, PAD_ID, MASK_ID, SOURCE_ID, TARGET_ID = range(len(SPECIAL_TOKENS))

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json")
"""What a model folder holds of its tokenizer."""

MAX_BYTES = 1 << 28  # of a tokenizer.json
_SHOWN_CHARS = 200


def damaged(file: Path, error: BaseException) -> InputError:
    """Return the error that a file is damaged, which another has shown."""
    reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)[:_SHOWN_CHARS]
    return InputError(f"{file} is damaged ({reason}): make or fetch it again.")


def load_tokenizer(folder: Path, n_ids: int | None = None) -> Tokenizer:
    """Return the tokenizer of a folder; it reads special tokens in a text as plain text.

    Args:
        folder: of a tokenizer, or of a model.
        n_ids: how many numbers of tokens the model knows; None: whatever they are.

    Raises:
        InputError: there is no tokenizer.json, it is damaged, or it is another model's.
    """
    from tokenizers import Tokenizer

    file = folder / "tokenizer.json"
    try:
        tokenizer = Tokenizer.from_buffer(read_foreign(file, MAX_BYTES))
    except FileNotFoundError:
        raise InputError(f"{folder} holds no tokenizer: tokenizer.json is missing.") from None
    except (InputError, KeyboardInterrupt):
        raise
    except BaseException as error:  # a panic of the library is no Exception
        raise damaged(file, error) from None
    highest = max(tokenizer.get_vocab().values(), default=0) if n_ids else 0
    if n_ids is not None and highest >= n_ids:
        raise InputError(
            f"{file} numbers tokens up to {highest}, and the model beside it knows {n_ids}: put "
            "the model's own tokenizer there."
        )
    # A document that quotes "<|endoftext|>" must not end there.
    tokenizer.encode_special_tokens = True
    return tokenizer
