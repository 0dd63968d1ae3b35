"""The settings of question answering."""

from __future__ import annotations

from typing import Literal

from textmill.config import TaskConfig


class QuestionAnsweringConfig(TaskConfig):
    """Question answering: the part of a context that answers a question, as in SQuAD."""

    TEXT_SETTINGS = ("context", "question")

    kind: Literal["question_answering"]
    question: str = "question"
    """Column of the question."""
    context: str = "context"
    """Column of the text that contains the answer, or none."""
    answers: str = "answers"
    """Column of the answers: an object with the lists `text` and `answer_start`, offsets in
    characters. Without any answer, the lists are empty."""


SETTINGS = QuestionAnsweringConfig
"""The class of the settings of this kind."""
