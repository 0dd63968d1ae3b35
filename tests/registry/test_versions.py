"""Specifies the registry: names, champions, the way back, and names taken by others."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from mlflow.entities import LoggedModelStatus
from mlflow.entities.model_registry import ModelVersion

from textmill.errors import InputError
from textmill.registry.versions import CHAMPION, DECISION_TAG, REASON_TAG, Registry
from textmill.tracking.store import Store

_numbers = itertools.count(1)


@pytest.fixture
def registry(store: Store) -> Registry:
    """The registry of an experiment that no other test uses."""
    return Registry(store, f"registry {next(_numbers)}")


def add(registry: Registry, model: str = "mood", card: str = "# mood") -> ModelVersion:
    client: Any = registry.store.client
    experiment = registry.store.experiment("registry")
    run_id = registry.store.start_run(experiment, f"finetune {model}", {})
    logged = client.create_logged_model(experiment, model, source_run_id=run_id)
    client.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)
    client.set_logged_model_tags(logged.model_id, {"mlflow.note.content": card})
    logged = client.get_logged_model(logged.model_id)
    return registry.register(model, logged, run_id, {"textmill.key": "k"})


def champion(registry: Registry) -> int | None:
    found = registry.champion("mood")
    return None if found is None else int(found.version)


def tags(registry: Registry, number: int) -> dict[str, str]:
    found: dict[str, str] = registry.version("mood", str(number)).tags
    return found


def test_a_version_has_card_tags_and_model(registry: Registry) -> None:
    version = add(registry)
    found = registry.version("mood", "1")
    assert found.name == f"{registry.experiment}.mood"
    assert found.description == "# mood"
    assert found.tags["textmill.key"] == "k"
    assert (found.run_id, found.source) == (version.run_id, version.source)
    assert found.source.startswith("models:/m-")
    assert champion(registry) is None


@pytest.mark.parametrize("experiment", ["team/support: desk", "it's"])
def test_names_hold_nothing_that_mlflow_refuses(store: Store, experiment: str) -> None:
    registry = Registry(store, experiment)
    assert registry.champion("mood") is None
    assert add(registry).version
    assert not set(registry.name_of("mood")) & set("/:'")


def test_experiments_with_names_alike_do_not_share_models(store: Store) -> None:
    add(Registry(store, "one/two"))
    with pytest.raises(InputError, match="was not made by textmill for this experiment"):
        add(Registry(store, "one:two"))


def test_a_decision_gives_the_alias_and_keeps_the_reason(registry: Registry) -> None:
    first, second = add(registry), add(registry)
    registry.record_decision("mood", first, "promoted", "the first", True)
    registry.record_decision("mood", second, "rejected", "not better", False)
    assert champion(registry) == 1
    assert tags(registry, 2)[DECISION_TAG] == "rejected"
    assert tags(registry, 2)[REASON_TAG] == "not better"


def test_the_way_back_leads_through_all_champions_once(registry: Registry) -> None:
    for _ in range(3):
        registry.record_decision("mood", add(registry), "promoted", "better", True)
    assert champion(registry) == 3
    assert "v2 is the champion again, instead of v3" in registry.rollback("mood")
    assert tags(registry, 3)[DECISION_TAG] == "rolled back"
    registry.rollback("mood")
    assert champion(registry) == 1
    with pytest.raises(InputError, match="no previous champion"):
        registry.rollback("mood")
    assert champion(registry) == 1


def test_a_deleted_champion_is_passed_over_on_the_way_back(registry: Registry) -> None:
    for _ in range(3):
        registry.record_decision("mood", add(registry), "promoted", "better", True)
    registry.store.client.delete_model_version(registry.name_of("mood"), "2")
    registry.rollback("mood")
    assert champion(registry) == 1


@pytest.mark.parametrize("is_new", [True, False], ids=["promotion", "rollback"])
def test_the_way_back_passes_over_a_change_that_was_interrupted(
    registry: Registry, is_new: bool
) -> None:
    for _ in range(3):
        registry.record_decision("mood", add(registry), "promoted", "better", True)
    name, client = registry.name_of("mood"), registry.store.client
    if is_new:  # the list names the present champion, which was to be followed by another
        client.set_registered_model_tag(name, "textmill.champions", "1,2,3")
    else:  # the alias is given back already, and the list still holds who has it
        client.set_registered_model_alias(name, CHAMPION, "2")
    registry.rollback("mood")
    assert champion(registry) == (2 if is_new else 1)


def test_promoting_by_hand_says_so_and_can_be_undone(registry: Registry) -> None:
    registry.record_decision("mood", add(registry), "promoted", "the first", True)
    add(registry)
    add(registry)
    assert "v2 was promoted to champion by hand" in registry.promote("mood", "2")
    assert tags(registry, 2)[DECISION_TAG] == "promoted by hand"
    assert "already" in registry.promote("mood", "2")
    assert "v3" in registry.promote("mood", None)
    registry.rollback("mood")
    assert champion(registry) == 2


def test_a_version_or_model_that_is_not_there_is_named(registry: Registry) -> None:
    with pytest.raises(InputError, match=r"no registered model '.*mood'; this experiment has none"):
        registry.promote("mood", None)
    add(registry)
    with pytest.raises(InputError, match="has no version 7: use one of 1"):
        registry.promote("mood", "7")
    with pytest.raises(InputError, match=r"no registered model '.*other'; .* has .*\.mood\."):
        registry.rollback("other")


def test_a_name_taken_by_something_else_is_refused_and_left_alone(registry: Registry) -> None:
    client: Any = registry.store.client
    name = registry.name_of("mood")
    client.create_registered_model(name)
    client.create_model_version(name, "s3://elsewhere/model")
    client.set_registered_model_alias(name, CHAMPION, "1")
    for act in (
        lambda: add(registry),
        lambda: registry.promote("mood", "1"),
        lambda: registry.rollback("mood"),
    ):
        with pytest.raises(InputError, match="was not made by textmill .* Nothing was changed"):
            act()
    assert registry.champion("mood") is None
    assert len(registry.versions("mood")) == 1
    assert client.get_registered_model(name).tags == {}
