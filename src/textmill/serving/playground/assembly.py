"""The page with all that it needs of the server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fastapi import APIRouter

from textmill.config import Config
from textmill.serving.playground import assets, lineage_route, overview, run_routes
from textmill.serving.playground.child_run import ChildRun, RunCommand
from textmill.serving.prediction_log import FOLDER
from textmill.serving.registered import RegisteredModels
from textmill.tracking.store import Store


class Playground:
    """The page, versions of models to compare, lineages, and runs.

    Args:
        config: the configuration of the server.
        store: where the models are.
        kinds: kind of each task that is served.
        run_command: what the page can start; None: nothing.
    """

    def __init__(
        self,
        config: Config,
        store: Store,
        kinds: Mapping[str, str],
        run_command: RunCommand | None = None,
    ) -> None:
        self.config, self.store = config, store
        self.assets = assets.read_assets()
        self.registered = RegisteredModels(store, config.experiment, kinds)
        command = run_command if config.serve.runs else None
        self.run = ChildRun(store, store.home / FOLDER, command)

    @property
    def open_paths(self) -> list[str]:
        """The paths that need no token, because they show no data."""
        return [*self.assets]

    def routers(self) -> Iterator[APIRouter]:
        """Yield all routes."""
        command = self.run.command
        yield assets.routes(self.assets)
        yield lineage_route.routes(self.store)
        yield overview.routes(self.config, None if command is None else command.shown)
        yield run_routes.routes(self.run)

    def close(self) -> None:
        """Stop the run that the page has started, if it goes on."""
        self.run.close()
