"""Specifies the models of a server: loading, replacement, and what fails without the others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from textmill.config import Config
from textmill.errors import InputError, RunError
from textmill.registry.current import ModelId
from textmill.serving import served_models as module
from textmill.serving.refusals import Refusal
from textmill.serving.served_models import Slot, open_models

OLD, NEW = ModelId("old", "1"), ModelId("new", "2")


class Place:
    """What a slot finds and loads."""

    def __init__(self) -> None:
        self.current, self.n_loaded = OLD, 0
        self.error: Exception | None = None
        self.closed: list[str] = []
        self.slot: Slot[str] = Slot("mood", lambda: self.current, self.load, self.closed.append)

    def load(self, found: ModelId) -> str:
        self.n_loaded += 1
        if self.error is not None:
            raise self.error
        return f"model of {found.run_id}"


@pytest.fixture
def place() -> Place:
    return Place()


def test_a_model_is_loaded_once_until_another_is_current(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_later", lambda close, model: close(model))
    assert [place.slot.refresh() for _ in range(3)] == [True, False, False]
    assert place.slot.get().model == "model of old"
    place.current = NEW
    assert [place.slot.refresh() for _ in range(2)] == [True, False]
    assert (place.slot.get().model, place.slot.get().id) == ("model of new", NEW)
    assert (place.n_loaded, place.closed) == (2, ["model of old"])


@pytest.mark.parametrize("error", [InputError("damaged"), RunError("lost"), ValueError("odd")])
def test_a_model_that_cannot_be_loaded_leaves_the_previous_one(
    place: Place, error: Exception
) -> None:
    place.slot.refresh()
    place.current, place.error = NEW, error
    assert not place.slot.refresh()
    assert place.slot.get().model == "model of old"
    assert str(error) in str(place.slot.problem)
    place.error = None
    assert place.slot.refresh()
    assert place.slot.problem is None


def test_a_request_without_a_model_is_told_why(place: Place) -> None:
    with pytest.raises(Refusal, match="mood: the model is being loaded") as early:
        place.slot.get()
    assert early.value.status == 503
    place.error = RunError("the file is damaged")
    place.slot.refresh()
    with pytest.raises(Refusal, match="mood: the file is damaged"):
        place.slot.get()


def test_the_tasks_of_the_configuration_are_served_or_those_named(
    config: Config, store: Any, task_of: Callable[[str, str], Any]
) -> None:
    tasks = (task_of("classification", "mood"), task_of("tagging", "places"))
    both = config.model_copy(update={"tasks": tasks})
    assert list(open_models(both, store).tasks) == ["mood", "places"]
    one = both.model_copy(update={"serve": both.serve.model_copy(update={"tasks": ("places",)})})
    assert open_models(one, store).kinds == {"places": "tagging"}
    other = both.model_copy(update={"serve": both.serve.model_copy(update={"tasks": ("x",)})})
    with pytest.raises(InputError, match="serve.tasks names 'x', .*: use mood, places"):
        open_models(other, store)


def test_a_task_without_a_model_says_how_to_make_one(
    config: Config, store: Any, task_of: Callable[[str, str], Any]
) -> None:
    found = config.model_copy(update={"tasks": (task_of("classification", "unheard-of"),)})
    slot = open_models(found, store).tasks["unheard-of"]
    slot.refresh()
    with pytest.raises(Refusal, match="run textmill finetune unheard-of"):
        slot.get()
