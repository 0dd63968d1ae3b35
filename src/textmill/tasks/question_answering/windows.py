"""The tokens of questions and contexts in windows, and their features; does not import torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from textmill.corpus.tokens.tokenizer import END_ID
from textmill.tasks.question_answering.answers import Prepared
from textmill.tasks.question_answering.examples import Spec
from textmill.tasks.question_answering.overlap import overlap_rows
from textmill.training.word_windows import Window, encode_words, split_windows

if TYPE_CHECKING:
    from tokenizers import Tokenizer

QUESTION_SHARE = 0.5
"""Maximum share of a window for the question."""
N_ROWS = 2**13
"""Rows of the table of features."""


def read_question(
    tokenizer: Tokenizer, spec: Spec, item: Prepared, block_size: int
) -> tuple[list[Window], NDArray[np.int32], bool]:
    """Return the windows, the features of all units, and whether the question was truncated."""
    max_question = max(1, int(QUESTION_SHARE * block_size) - 2)
    asked = "".join(item.question.forms)
    ids = tokenizer.encode_batch_fast([asked], add_special_tokens=False)[0].ids
    question = [END_ID, *ids[:max_question], END_ID]
    passage = item.passage
    words = encode_words(tokenizer, passage.forms, block_size - len(question))
    # The state of the first token, which reads all of its window, is that of "no answer".
    owners = [len(words), *[-1] * (len(question) - 1)]
    windows = split_windows(words, block_size, (question, owners))
    features = overlap_rows(spec, item.question.words, passage.words, N_ROWS, is_lexical=False)
    return windows, features, item.is_cut or len(ids) > max_question
