r"""MLflow's server, with a login and checks of Host and Origin.

    python -m textmill.tracking.database.mlflow_app --fd DESCRIPTOR
    python -m textmill.tracking.database.mlflow_app --host 0.0.0.0 --port 5000 \
        --allowed-hosts mlflow:5000

The store is set by MLflow's environment variables MLFLOW_BACKEND_STORE_URI and
MLFLOW_ARTIFACTS_DESTINATION, as every user can see the arguments of processes.
"""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Collection
from pathlib import Path

from textmill.web.addresses import portless
from textmill.web.guard import App
from textmill.web.launch import guarded, login_from, parser, serve, set_allowed_hosts

SETTINGS = """\
[mlflow]
default_permission = NO_PERMISSIONS
database_uri = sqlite:///{folder}/users.db
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
auth_cache_ttl_seconds = 3600
"""
"""The cache avoids a slow password hash per request; passwords never change at run time."""


def create_app() -> App:
    """Return MLflow's ASGI application."""
    if "MLFLOW_AUTH_CONFIG_PATH" in os.environ:
        from mlflow.server.auth import create_app as create

        return guarded(create())
    from mlflow.server.fastapi_app import app

    return guarded(app)


def main() -> None:
    """Serve the tracking API and MLflow's web interface."""
    arguments = parser("MLflow's server")
    arguments.add_argument("--workers", type=int, help="number of worker processes")
    given = arguments.parse_args()
    # MLflow checks Host and Origin as well, and by default allows every port of localhost. It reads
    # these variables when it is imported.
    names = host_patterns(set_allowed_hosts(given))
    os.environ["MLFLOW_SERVER_ALLOWED_HOSTS"] = ",".join(names)
    origins = [f"{scheme}://{name}" for name in names for scheme in ("http", "https")]
    os.environ["MLFLOW_SERVER_CORS_ALLOWED_ORIGINS"] = ",".join(origins)
    for name in ("MLFLOW_AUTH_CONFIG_PATH", "MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE"):
        os.environ.pop(name, None)
    # Would start five more processes, which textmill does not use.
    os.environ["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"
    with tempfile.TemporaryDirectory(prefix="textmill-login-") as folder:
        login = login_from(given)
        _open_store()
        if login:
            _set_up_login(Path(folder), *login)
        serve("textmill.tracking.database.mlflow_app:create_app", given, given.workers)


def host_patterns(hosts: Collection[str]) -> list[str]:
    """Return the Host headers that the guard accepts for some hosts, as MLflow's patterns."""
    return [name for host in hosts for name in (host, f"{host}:*")] + sorted(portless(hosts))


def _open_store() -> None:
    """Configure the store, and create its database once, before worker processes start."""
    from mlflow.environment_variables import _MLFLOW_SGI_NAME
    from mlflow.server import constants
    from mlflow.server.handlers import initialize_backend_stores

    store = os.environ["MLFLOW_BACKEND_STORE_URI"]
    artifacts = os.environ.get("MLFLOW_ARTIFACTS_DESTINATION", "./mlartifacts")
    root = "mlflow-artifacts:/"
    os.environ |= {
        _MLFLOW_SGI_NAME.name: "uvicorn",
        constants.BACKEND_STORE_URI_ENV_VAR: store,
        constants.REGISTRY_STORE_URI_ENV_VAR: store,
        constants.ARTIFACT_ROOT_ENV_VAR: root,
        constants.SERVE_ARTIFACTS_ENV_VAR: "true",
        constants.ARTIFACTS_DESTINATION_ENV_VAR: artifacts,
    }
    initialize_backend_stores(store, store, root)


def _set_up_login(folder: Path, user: str, password: str) -> None:
    """Create a database of users with a single user, for MLflow's basic authentication.

    It is recreated at every start, so that a former login is no longer valid.
    """
    file = folder / "auth.ini"
    file.write_text(SETTINGS.format(folder=folder), encoding="utf-8")
    os.environ |= {
        "MLFLOW_AUTH_CONFIG_PATH": str(file),
        "MLFLOW_AUTH_ADMIN_USERNAME": user,
        "MLFLOW_AUTH_ADMIN_PASSWORD": password,
        "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets.token_hex(32),
    }
    from mlflow.server.auth import bootstrap_admin_user

    bootstrap_admin_user()


if __name__ == "__main__":
    main()
