"""The lineage of a model that answered: what `textmill lineage RUN` shows, as JSON."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path

from textmill.errors import InputError, RunError
from textmill.registry.drawing import to_dict
from textmill.registry.lineage import trace
from textmill.serving.refusals import RESPONSES, Refusal
from textmill.tracking.lookup import find_run
from textmill.tracking.store import Store

RunId = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]
"""Not the file, text or document that the command also accepts: the server would search for it."""


def routes(store: Store) -> APIRouter:
    """Return the route of lineages."""
    router = APIRouter(prefix="/v1/lineage", tags=["models"], responses={**RESPONSES})

    @router.get("/{run}")
    def lineage(run: RunId) -> dict[str, Any]:
        """Return the steps that a run's result comes from, back to the source files."""
        try:
            find_run(store, run, ("pipeline", "step"))
            return to_dict(trace(store, run))
        except InputError as error:
            raise Refusal(404, str(error), "run") from None
        except RunError as error:
            raise Refusal(503, str(error)) from None

    return router
