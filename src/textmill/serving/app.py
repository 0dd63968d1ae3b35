"""The application: routes, limits, and models that are loaded and replaced in the background."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from textmill.config import Config
from textmill.safety.filtering.content_filter import ContentFilter
from textmill.serving import predicting
from textmill.serving.meters import Measured, Meters
from textmill.serving.openai import completing
from textmill.serving.openai.completing import Completing
from textmill.serving.playground.assembly import Playground
from textmill.serving.predicting import ModelInfo, Prediction
from textmill.serving.prediction_log import PredictionLog
from textmill.serving.refusals import Refusal, respond
from textmill.serving.request_limits import Limits
from textmill.serving.served_models import LOADING, Models, Slot
from textmill.serving.workers import Workers
from textmill.web.guard import App, Guard

log = logging.getLogger(__name__)

OPEN_PATHS = ("/health",)
"""Paths that need no token."""


class Health(BaseModel):
    """Whether the server answers, and by which models."""

    status: str
    """`ok`; `degraded` if a model could not be loaded; `starting` until all have been tried."""
    models: dict[str, ModelInfo | None]
    problems: dict[str, str]


def create_app(
    config: Config,
    models: Models,
    content_filter: ContentFilter,
    prediction_log: PredictionLog | None,
    hosts: list[str],
    token: str | None = None,
    playground: Playground | None = None,
) -> App:
    """Return the server's ASGI application.

    Args:
        config: defaults of generation, and limits.
        models: loaded once the application starts.
        content_filter: for prompts and outputs of generation.
        prediction_log: None: predictions are not logged.
        hosts: allowed Host headers.
        token: the token that requests need; None: they need none.
        playground: None: there is no page, and there are only the current models.
    """
    meters = Meters(content_filter.counts)
    workers = Workers(config.serve.max_waiting)
    registered = None if playground is None else playground.registered
    prediction = Prediction(
        models, config.serve, content_filter, workers, meters, prediction_log, registered
    )

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        refreshing = asyncio.create_task(_refresh_forever(models, meters, config.serve.reload_s))
        yield
        refreshing.cancel()
        await asyncio.to_thread(models.close, 0)  # the grace of requests is over
        workers.close()
        if playground is not None:
            await asyncio.to_thread(playground.close)

    app = FastAPI(
        title=f"textmill: {config.experiment}",
        lifespan=lifespan,
        docs_url=None,  # it would load scripts from another origin
        redoc_url=None,
    )
    for error in (Refusal, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(error, respond)
    app.include_router(predicting.routes(prediction))
    writing = Completing(models, config, content_filter, prediction, meters)
    app.include_router(completing.routes(writing))
    for router in playground.routers() if playground is not None else ():
        app.include_router(router)
    _add_operations(app, models, meters)
    limits = config.serve
    open_paths = (*OPEN_PATHS, *(playground.open_paths if playground is not None else ()))
    limited = Limits(app, limits.max_body_bytes, limits.timeout_s, token, open_paths)
    # Outermost, so that refused requests count as well.
    return Measured(Guard(limited, hosts, "serve.allowed_hosts"), meters)


def _add_operations(app: FastAPI, models: Models, meters: Meters) -> None:
    """Add the routes for those who operate the server."""

    @app.get("/health", tags=["operations"])
    async def health() -> Health:
        """Return whether the server answers, and by which models."""
        loaded = {
            slot.name: None if slot.loaded is None else predicting.info(slot.name, slot.loaded)
            for slot in models.slots
        }
        problems = {slot.name: slot.problem for slot in models.slots if slot.problem is not None}
        is_starting = LOADING in problems.values()
        status = "starting" if is_starting else "degraded" if problems else "ok"
        return Health(status=status, models=loaded, problems=problems)

    @app.get("/metrics", tags=["operations"], response_class=Response)
    async def metrics() -> Response:
        """Return metrics in Prometheus' text format."""
        return Response(meters.exposition(), media_type="text/plain; version=0.0.4; charset=utf-8")


async def _refresh_forever(models: Models, meters: Meters, interval_s: float) -> None:
    """Load the models, and those that replace them."""
    while True:
        for slot in models.slots:
            await _refresh(slot)
        meters.show_models({s.name: s.loaded.id if s.loaded else None for s in models.slots})
        await asyncio.sleep(interval_s)


async def _refresh(slot: Slot[object]) -> None:
    if await asyncio.to_thread(slot.refresh):
        log.info("%s: loaded %s", slot.name, slot.loaded and slot.loaded.id)
