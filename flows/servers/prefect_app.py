"""Prefect's server behind `textmill.web.guard`, which checks host names and origins.

python -m textmill_flows.servers.prefect_app --fd DESCRIPTOR [--temporary]
python -m textmill_flows.servers.prefect_app --host 0.0.0.0 --port 4200 --allowed-hosts prefect:4200
"""

from __future__ import annotations

import os

from textmill.web.guard import App
from textmill.web.launch import guarded, login_from, parser, serve, set_allowed_hosts


def create_app() -> App:
    """Return Prefect's application."""
    from prefect.server.api.server import create_app as create

    return guarded(create())


def main() -> None:
    """Serve Prefect's API, and its UI unless the server is temporary."""
    arguments = parser("Prefect's server")
    arguments.add_argument("--temporary", action="store_true", help="no UI, no scheduler")
    given = arguments.parse_args()
    set_allowed_hosts(given)
    os.environ["PREFECT__SERVER_FINAL"] = "1"
    # The guard rejects other origins; the UI uses the API of the server that it was loaded from.
    os.environ["PREFECT_SERVER_CORS_ALLOWED_ORIGINS"] = ""
    os.environ["PREFECT_UI_API_URL"] = "/api"
    if given.temporary:
        # As in Prefect's own temporary server: neither UI nor scheduler is needed.
        os.environ["PREFECT_UI_ENABLED"] = "0"
        os.environ["PREFECT__SERVER_EPHEMERAL"] = "1"
    # Ignore a value from the shell: an empty one would disable authentication.
    os.environ.pop("PREFECT_SERVER_API_AUTH_STRING", None)
    if login := login_from(given):
        os.environ["PREFECT_SERVER_API_AUTH_STRING"] = ":".join(login)
    serve("textmill_flows.servers.prefect_app:create_app", given)


if __name__ == "__main__":
    main()
