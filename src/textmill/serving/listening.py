"""The server of models: `textmill serve`."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

import uvicorn

from textmill.config import Config
from textmill.safety.filtering.content_filter import ContentFilter
from textmill.serving.app import create_app
from textmill.serving.playground.assembly import Playground
from textmill.serving.playground.child_run import RunCommand
from textmill.serving.prediction_log import FOLDER, PredictionLog
from textmill.serving.served_models import open_models
from textmill.steps.access import restrict
from textmill.tracking.store import Store
from textmill.web.addresses import listen, local_address, own_hosts
from textmill.web.token import required_token

KEEP_ALIVE_S = 30
MAX_CONNECTIONS = 1024
"""Maximum connections; further ones get status 503."""


def serve(
    config: Config,
    content_filter: ContentFilter,
    announce: Callable[[str], None],
    run_command: RunCommand | None = None,
) -> None:
    """Serve the models of a configuration until a signal, which ends the process.

    Requests that have begun are finished first, up to `serve.shutdown_s`.

    Args:
        config: a configuration with the section serve.
        content_filter: for prompts and outputs of generation.
        announce: called with the server's URL once it listens.
        run_command: what the playground can start; None: nothing.

    Raises:
        InputError: a token is required, and none is set; or `serve.tasks` is wrong.
        RunError: the port is in use, or the store cannot be opened.
    """
    limits = config.serve
    token = required_token(limits.host, limits.allowed_hosts)
    store = Store(config.tracking)
    restrict(store.permissions)
    models, log = open_models(config, store), _open_log(config, store)
    with listen(limits.host, limits.port, "serve.port") as listening:
        port = listening.getsockname()[1]
        hosts = own_hosts(limits.host, port, limits.allowed_hosts)
        playground = Playground(config, store, models.kinds, run_command)
        app = create_app(config, models, content_filter, log, hosts, token, playground)
        settings = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            lifespan="on",
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=limits.shutdown_s,
            limit_concurrency=MAX_CONNECTIONS,
            server_header=False,
        )
        announce(f"http://{local_address(limits.host, port)}")
        # uvicorn raises the signal again once it has shut down.
        signal.signal(signal.SIGINT, _exit)
        uvicorn.Server(settings).run(sockets=[listening])


def _exit(number: int, frame: FrameType | None) -> NoReturn:
    """Leave without the threads that compute for requests which were ended."""
    # The event loop and the interpreter would wait for them, for as long as a batch takes.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # Ctrl-C is the normal way to stop


def _open_log(config: Config, store: Store) -> PredictionLog | None:
    if config.serve.log == "none" or store.read_only is not None:
        return None
    return PredictionLog(store.home / FOLDER, config.serve.log == "texts")
