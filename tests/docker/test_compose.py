"""Specifies docker/compose.yaml: nothing is open to the network, nothing has a known password."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.servers import DOCKER, PASSWORD, compose_file

VARIABLES = {"POSTGRES_PASSWORD": PASSWORD}


@pytest.fixture
def compose() -> dict[str, Any]:
    return compose_file(VARIABLES)


def test_a_password_has_to_be_set() -> None:
    with pytest.raises(KeyError, match="POSTGRES_PASSWORD"):
        compose_file({})


def test_no_other_password_is_written_down(compose: dict[str, Any]) -> None:
    secrets = {
        value
        for service in compose["services"].values()
        for name, value in service["environment"].items()
        if "PASSWORD" in name or "SECRET" in name or "KEY" in name
    }
    assert secrets == {PASSWORD, None}
    text = (DOCKER / "compose.yaml").read_text()
    assert "textmill:" not in text.replace("image: textmill:", "").split("services:")[1]


def test_ports_are_open_to_this_machine_alone(compose: dict[str, Any]) -> None:
    ports = {name: service.get("ports", []) for name, service in compose["services"].items()}
    assert ports.pop("mlflow") == ["127.0.0.1:5000:5000"]
    assert ports.pop("prefect") == ["127.0.0.1:4200:4200"]
    assert not any(ports.values())


def test_every_service_is_watched_and_waits_for_those_it_needs(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert set(services) == {"postgres", "mlflow", "prefect", "worker"}
    for service in services.values():
        assert service["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")
        assert service["restart"] == "unless-stopped"
    needs = {name: set(service.get("depends_on", {})) for name, service in services.items()}
    assert needs == {
        "postgres": set(),
        "mlflow": {"postgres"},
        "prefect": {"postgres"},
        "worker": {"mlflow", "prefect"},
    }
    conditions = [c for s in services.values() for c in s.get("depends_on", {}).values()]
    assert all(condition == {"condition": "service_healthy"} for condition in conditions)


def test_what_has_to_outlive_a_container_lies_in_a_volume(compose: dict[str, Any]) -> None:
    mounts = {
        name: [mount.split(":")[0] for mount in service.get("volumes", [])]
        for name, service in compose["services"].items()
    }
    for service, volume in (("postgres", "postgres"), ("mlflow", "artifacts"), ("worker", "work")):
        assert volume in mounts[service]
        assert volume in compose["volumes"]


@pytest.mark.parametrize("name", ["Dockerfile", "Dockerfile.cuda"])
def test_images_install_the_locked_versions_and_run_as_a_user(name: str) -> None:
    text = (DOCKER / name).read_text()
    assert "-c constraints.txt" in text
    assert "USER textmill" in text
    assert text.count("\nFROM ") == 1
    for line in text.splitlines():
        if line.startswith("COPY "):
            *sources, _ = line.split()[1:]
            assert all((DOCKER.parent / source).exists() for source in sources)


def test_the_cuda_file_changes_the_worker_alone() -> None:
    cuda = compose_file(VARIABLES, "compose.cuda.yaml")
    assert set(cuda["services"]) == {"worker"}
    assert cuda["services"]["worker"]["build"]["dockerfile"] == "docker/Dockerfile.cuda"
