"""The tokens of words in windows of the context, and their spelling; does not import torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from textmill.corpus.tokens.tokenizer import TARGET_ID
from textmill.tasks.tagging.examples import Spec, Words
from textmill.tasks.tagging.spelling import spelling_rows
from textmill.training.word_windows import Window, encode_words, split_windows

if TYPE_CHECKING:
    from tokenizers import Tokenizer


def read_words(
    tokenizer: Tokenizer, spec: Spec, words: Words, predicate: int | None, block_size: int
) -> tuple[list[Window], NDArray[np.int32]]:
    """Return the windows of a text, and the spelling features of its words.

    The predicate follows a special token, by which the words around it can tell where it is.
    """
    space = "" if spec.is_by_character else " "
    forms = [f"{space}{word}" if index else word for index, word in enumerate(words)]
    features = spelling_rows(words, spec.is_by_character, spec.n_spelling_rows)
    tokens = encode_words(tokenizer, forms, block_size - 1 - spec.has_predicate)
    if predicate is not None:
        tokens[predicate] = [TARGET_ID, *tokens[predicate]]
    return split_windows(tokens, block_size), features
