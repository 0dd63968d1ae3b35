"""How the answers of a kind of task are judged by behaviour tests: `behaviour.py` of the kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Any, Protocol, cast

from textmill.config import KINDS
from textmill.errors import InputError
from textmill.tasks.behaviour.templates import Filled
from textmill.tasks.kinds import load_part

Given = Mapping[str, Filled]
"""An input, by column."""
Answer = Mapping[str, Any]
"""A prediction, with the details that metrics need."""


def read_given(texts: Mapping[str, Any]) -> Given:
    """Return an input from its form in JSON."""
    return {
        column: Filled(
            value["text"], tuple((b, e, slot) for b, e, slot in value["places"]), value["correct"]
        )
        for column, value in texts.items()
    }


class Behaviour(Protocol):
    """What behaviour tests of a kind expect: `behaviour.py`; does not import torch."""

    check_label: Callable[[Any, str], None] | None
    """Raises ValueError unless models with these settings, which have `labels`, give a probability
    of a label; None: answers have no labels."""
    probability: Callable[[Answer, str], float] | None
    """Returns the probability of a label; None: answers have no labels."""

    def expected(self, spec: Any, expect: Any, given: Given) -> Any:
        """Return the right answer in a form that JSON can hold.

        Args:
            spec: the kind's settings of a model.
            expect: the value of `expect` in a test, all of whose scalars are text.
            given: an input of the test.

        Raises:
            ValueError: no model with these settings can give this answer.
        """

    def is_right(self, answer: Answer, expected: Any) -> bool:
        """Return whether an answer is the expected one."""

    def decision(self, answer: Answer, given: Given) -> Any:
        """Return what an invariance must not change, with the names of slots for their values."""

    def show(self, answer: Answer) -> str:
        """Return an answer as text, for the report."""


def behaviour_of(kind: str, setting: str) -> Behaviour:
    """Return the behaviour module of a kind.

    Args:
        kind: the kind of task.
        setting: the setting that needs it, for the message.

    Raises:
        InputError: kinds of extensions may lack it.
    """
    if find_spec(f"{KINDS[kind]}.behaviour") is None:
        raise InputError(
            f"{setting}: the kind {kind!r} has no behaviour.py, which judges behaviour tests: "
            "write it, or remove the setting."
        )
    return cast(Behaviour, load_part(kind, "behaviour"))
