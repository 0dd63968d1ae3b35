"""Specifies which kinds of task have behaviour tests, and that all say the same things."""

from __future__ import annotations

import pytest

from textmill.config import KINDS
from textmill.errors import InputError
from textmill.tasks.behaviour.judging import Behaviour, behaviour_of

NAMES = [name for name in vars(Behaviour) if not name.startswith("_")]


@pytest.mark.parametrize("kind", KINDS)
def test_all_kinds_judge_behaviour(kind: str) -> None:
    judge = behaviour_of(kind, "behaviour")
    assert {"expected", "is_right", "decision", "show"} <= {*NAMES}
    assert not [name for name in NAMES if not hasattr(judge, name)]
    assert (judge.probability is None) == (judge.check_label is None)


def test_a_kind_without_behaviour_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KINDS, "curves", "textmill.tasks.curve")
    with pytest.raises(InputError, match=r"tasks\.x\.behaviour: the kind 'curves' has no beha"):
        behaviour_of("curves", "tasks.x.behaviour")
