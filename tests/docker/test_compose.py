"""Specifies docker/compose.yaml: nothing is open to the network, nothing has a known password."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from tests.e2e.servers import DOCKER, LOGIN, PASSWORD, TOKEN, compose_file

VARIABLES = {"POSTGRES_PASSWORD": PASSWORD, "TEXTMILL_AUTH": LOGIN, "TEXTMILL_TOKEN": TOKEN}


@pytest.fixture
def compose() -> dict[str, Any]:
    return compose_file(VARIABLES)


@pytest.mark.parametrize("name", VARIABLES)
def test_a_password_and_a_login_are_required(name: str) -> None:
    with pytest.raises(KeyError, match=name):
        compose_file({k: v for k, v in VARIABLES.items() if k != name})
    for line in (DOCKER / "compose.yaml").read_text().splitlines():
        assert f"${{{name}:-" not in line  # neither is an empty one taken, nor another


def test_services_that_listen_beyond_their_container_require_the_login(
    compose: dict[str, Any],
) -> None:
    for name, module in (
        ("mlflow", "textmill.tracking.database.mlflow_app"),
        ("prefect", "textmill_flows.servers.prefect_app"),
    ):
        service = compose["services"][name]
        assert service["entrypoint"] == ["python", "-m", module]
        assert "--host=0.0.0.0" in service["command"]
        (hosts,) = [word for word in service["command"] if word.startswith("--allowed-hosts=")]
        assert hosts.split("=")[1] in ("mlflow:5000", "prefect:4200")
        assert service["environment"]["TEXTMILL_AUTH"] == LOGIN
    worker = compose["services"]["worker"]["environment"]
    assert worker["PREFECT_API_AUTH_STRING"] == worker["TEXTMILL_AUTH"] == LOGIN
    serve = compose["services"]["serve"]
    assert "serve.host=0.0.0.0" in serve["command"]
    assert serve["environment"]["TEXTMILL_TOKEN"] == TOKEN


def test_there_is_no_hard_coded_password(compose: dict[str, Any]) -> None:
    secrets = {
        value
        for service in compose["services"].values()
        for name, value in service["environment"].items()
        if any(word in name for word in ("PASSWORD", "SECRET", "KEY", "AUTH", "TOKEN"))
    }
    assert secrets == {PASSWORD, LOGIN, TOKEN, None}
    text = (DOCKER / "compose.yaml").read_text()
    assert "textmill:" not in text.replace("image: textmill:", "").split("services:")[1]


def test_ports_are_published_only_on_the_loopback_address(compose: dict[str, Any]) -> None:
    ports = {name: service.get("ports", []) for name, service in compose["services"].items()}
    assert ports.pop("mlflow") == ["127.0.0.1:5000:5000"]
    assert ports.pop("prefect") == ["127.0.0.1:4200:4200"]
    assert ports.pop("serve") == ["127.0.0.1:8000:8000"]
    assert not any(ports.values())


def test_every_service_has_a_health_check_and_waits_for_its_dependencies(
    compose: dict[str, Any],
) -> None:
    services = compose["services"]
    assert set(services) == {"postgres", "mlflow", "prefect", "worker", "serve"}
    for service in services.values():
        assert service["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")
        assert service["restart"] == "unless-stopped"
    needs = {name: set(service.get("depends_on", {})) for name, service in services.items()}
    assert needs == {
        "postgres": set(),
        "mlflow": {"postgres"},
        "prefect": {"postgres"},
        "worker": {"mlflow", "prefect"},
        "serve": {"mlflow"},
    }
    conditions = [c for s in services.values() for c in s.get("depends_on", {}).values()]
    assert all(condition == {"condition": "service_healthy"} for condition in conditions)


def test_persistent_data_are_in_volumes(compose: dict[str, Any]) -> None:
    mounts = {
        name: [mount.split(":")[0] for mount in service.get("volumes", [])]
        for name, service in compose["services"].items()
    }
    for service, volume in (
        ("postgres", "postgres"),
        ("mlflow", "artifacts"),
        ("worker", "work"),
        ("serve", "serving"),
    ):
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


@pytest.mark.parametrize("name", ["Dockerfile", "Dockerfile.cuda"])
def test_an_image_has_no_entry_point_and_records_its_commit(name: str) -> None:
    lines = (DOCKER / name).read_text().splitlines()
    assert lines[-1] == 'CMD ["textmill", "run"]'
    assert not [line for line in lines if line.startswith("ENTRYPOINT")]
    assert lines.index("ARG TEXTMILL_COMMIT") > lines.index("FROM python:3.11-slim")
    assert "ENV TEXTMILL_COMMIT=$TEXTMILL_COMMIT" in lines


def test_images_are_built_with_the_commit_of_the_shell() -> None:
    services = compose_file(VARIABLES | {"TEXTMILL_COMMIT": "4" * 40})["services"]
    for name in ("mlflow", "prefect", "worker", "serve"):
        assert services[name]["build"]["args"] == {"TEXTMILL_COMMIT": "4" * 40}


def pool(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DOCKER / f"{name}-pool.json").read_text())
    return found


def test_a_docker_work_pool_configures_its_runs_like_the_worker(compose: dict[str, Any]) -> None:
    job, worker = pool("docker")["job_configuration"], compose["services"]["worker"]
    # The login of Prefect's server comes from the worker's own settings, that of MLflow's from a
    # file, as templates lie in the database.
    own = {"TEXTMILL_AUTH": None, "PREFECT_API_AUTH_STRING": None}
    file = {"TEXTMILL_AUTH_FILE": "/run/secrets/textmill_auth"}
    assert job["env"] | own == worker["environment"] | own | file
    mounted = [volume.split(":")[1] for volume in job["volumes"]]
    assert mounted == [
        *(volume.split(":")[1] for volume in worker["volumes"]),
        file["TEXTMILL_AUTH_FILE"],
    ]


@pytest.mark.parametrize("name", ["process", "docker"])
def test_runs_of_a_work_pool_cannot_change_command_or_environment(name: str) -> None:
    template = pool(name)
    assert template["variables"] == {
        "type": "object",
        "properties": {},
        "additionalProperties": False,
    }
    assert "{{" not in json.dumps(template["job_configuration"])


def test_deployments_have_neither_parameters_nor_job_variables() -> None:
    for deployment in yaml.safe_load((DOCKER.parent / "prefect.yaml").read_text())["deployments"]:
        assert deployment["entrypoint"] == "textmill_flows.scheduling.retrain.deployed"
        assert "parameters" not in deployment
        assert "job_variables" not in deployment["work_pool"]


def test_the_cuda_file_changes_only_the_worker() -> None:
    cuda = compose_file(VARIABLES, "compose.cuda.yaml")
    assert set(cuda["services"]) == {"worker"}
    assert cuda["services"]["worker"]["build"]["dockerfile"] == "docker/Dockerfile.cuda"
