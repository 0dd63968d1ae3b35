"""Routes to start, watch and stop a run of the configuration that is served."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict

from textmill.serving.playground.child_run import ChildRun, RunInfo
from textmill.serving.refusals import RESPONSES, Refusal, RefusalBody

JSON = "application/json"
FURTHER: Mapping[int | str, dict[str, Any]] = {
    409: {"model": RefusalBody, "description": "A run is running, or none is."},
    415: {"model": RefusalBody, "description": "The body is not declared as JSON."},
}


class NoSettings(BaseModel):
    """An empty object: a run has the settings that the server was started with."""

    model_config = ConfigDict(extra="forbid")


def require_json(request: Request) -> None:
    """Require a JSON body, which forms and simple requests of other sites cannot send.

    Raises:
        Refusal: it has another type.
    """
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given != JSON:
        raise Refusal(415, f"Send the body {{}} with Content-Type: {JSON}.")


def routes(run: ChildRun) -> APIRouter:
    """Return the routes of runs."""
    router = APIRouter(prefix="/v1/runs", tags=["runs"], responses={**RESPONSES, **FURTHER})
    needs_json = [Depends(require_json)]

    @router.post("", status_code=202, dependencies=needs_json)
    def start(settings: NoSettings) -> RunInfo:
        """Start `textmill run` with the configuration and overrides of the server."""
        return run.start()

    @router.get("/current")
    def current() -> RunInfo:
        """Return the newest run that was started here, with the end of its output."""
        return run.info()

    @router.post("/current/stop", status_code=202, dependencies=needs_json)
    def stop(settings: NoSettings) -> RunInfo:
        """Stop the run; starting it again resumes it."""
        return run.stop()

    return router
