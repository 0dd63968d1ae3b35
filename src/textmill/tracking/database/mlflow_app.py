r"""MLflow's server, behind the guard.

    python -m textmill.tracking.database.mlflow_app --fd DESCRIPTOR
    python -m textmill.tracking.database.mlflow_app --host 0.0.0.0 --port 5000 \
        --allowed-hosts mlflow:5000

The store comes from the environment, by MLflow's own names, as processes' arguments can be seen by
everybody: MLFLOW_BACKEND_STORE_URI, MLFLOW_ARTIFACTS_DESTINATION.
"""

from __future__ import annotations

import os
import secrets
import tempfile
from pathlib import Path

from textmill.web.guard import App
from textmill.web.launch import guarded, login_from, parser, serve, set_allowed_hosts

SETTINGS = """\
[mlflow]
default_permission = NO_PERMISSIONS
database_uri = sqlite:///{folder}/users.db
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
auth_cache_ttl_seconds = 3600
"""
"""Passwords are not changed while it runs, and their hash takes a while."""


def create_app() -> App:
    """Return MLflow's application."""
    if "MLFLOW_AUTH_CONFIG_PATH" in os.environ:
        from mlflow.server.auth import create_app as create

        return guarded(create())
    from mlflow.server.fastapi_app import app

    return guarded(app)


def main() -> None:
    """Serve the tracking API and its page."""
    arguments = parser("MLflow's server")
    arguments.add_argument("--workers", type=int, help="processes")
    given = arguments.parse_args()
    # MLflow checks Host and Origin as well, and by default lets in every port of this machine. It
    # reads this when it is imported.
    names = [name for host in set_allowed_hosts(given) for name in (host, f"{host}:*")]
    os.environ["MLFLOW_SERVER_ALLOWED_HOSTS"] = ",".join(names)
    origins = [f"{scheme}://{name}" for name in names for scheme in ("http", "https")]
    os.environ["MLFLOW_SERVER_CORS_ALLOWED_ORIGINS"] = ",".join(origins)
    for name in ("MLFLOW_AUTH_CONFIG_PATH", "MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE"):
        os.environ.pop(name, None)
    # Five more processes, for which textmill has no use.
    os.environ["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"
    with tempfile.TemporaryDirectory(prefix="textmill-login-") as folder:
        login = login_from(given)
        _open_store()
        if login:
            _set_up_login(Path(folder), *login)
        serve("textmill.tracking.database.mlflow_app:create_app", given, given.workers)


def _open_store() -> None:
    """Say where the store is, and make its database once, before there are several processes."""
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
    """Make a list of users with this one alone, for MLflow's basic authentication.

    It is made anew at every start: a login that is no longer set lets nobody in.
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
