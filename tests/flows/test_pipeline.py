"""Specifies the flows of single tasks: which tasks there are, and whose curve is computed."""

from __future__ import annotations

import pytest

from textmill.compose import compose
from textmill.errors import InputError
from textmill_flows.pipeline import check_task, with_curve


def test_an_unknown_task_is_named_with_the_closest_one() -> None:
    config = compose("demo")
    check_task(config, "topic")
    with pytest.raises(InputError, match="no task 'topics'; did you mean 'topic'"):
        check_task(config, "topics")


def test_the_curve_of_one_task_is_enabled_and_its_settings_are_kept() -> None:
    config = compose("demo", ["curve.enabled=true", "tasks.topic.curve.seeds=7"])
    topic, *others = with_curve(config, "topic").tasks
    assert (topic.curve.enabled, topic.curve.seeds) == (True, 7)
    assert not any(task.curve.enabled for task in others)
