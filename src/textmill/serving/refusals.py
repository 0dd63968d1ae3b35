"""Refused requests, and their form in responses: that of OpenAI's API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

RETRY_AFTER_S = 1
"""Seconds after which a refused request may succeed."""
MAX_SHOWN = 3
"""Maximum problems of a request that its response lists."""


class RefusalDetails(BaseModel):
    """Why a request was refused."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class RefusalBody(BaseModel):
    """The body of a response to a refused request."""

    error: RefusalDetails


class Refusal(Exception):
    """A request that is not answered.

    Args:
        status: HTTP status, one of `RESPONSES`.
        message: what is wrong, and how to fix it.
        param: the field of the request that is wrong.
        code: a word for programs, such as content_filter.
    """

    def __init__(
        self, status: int, message: str, param: str | None = None, code: str | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.param, self.code = status, message, param, code

    @property
    def headers(self) -> dict[str, str]:
        """Headers that tell a client what to do."""
        if self.status == 401:
            return {"WWW-Authenticate": "Bearer"}
        return {"Retry-After": str(RETRY_AFTER_S)} if self.status in (429, 503) else {}

    @property
    def body(self) -> dict[str, Any]:
        """The JSON body of the response."""
        type_ = "invalid_request_error" if self.status < 500 else "server_error"
        details = RefusalDetails(message=self.message, type=type_, param=self.param, code=self.code)
        return RefusalBody(error=details).model_dump()


RESPONSES: Mapping[int | str, dict[str, Any]] = {
    status: {"model": RefusalBody, "description": description}
    for status, description in {
        400: "The body is not JSON, or a content filter blocks the prompt.",
        401: "The token is missing or wrong.",
        403: "The Host or Origin is not allowed.",
        404: "There is no such task or model.",
        408: "The request took too long to arrive.",
        413: "The request is too large.",
        422: "A value of the request is invalid.",
        429: "Too many requests are waiting.",
        503: "The model is not loaded or did not answer in time, or the server stops.",
    }.items()
}
"""Refusals in the OpenAPI schema, for `responses` of routes."""


def stopping() -> Refusal:
    """Return the refusal of a request that a server ends because it stops."""
    return Refusal(503, "The server is stopping.")


async def respond(request: Request, error: Exception) -> JSONResponse:
    """Return the response for a refusal, of ours or of FastAPI: an exception handler."""
    if isinstance(error, RequestValidationError):
        refusal = invalid(error.errors())
    elif isinstance(error, HTTPException) and error.__cause__ is not None:  # FastAPI read the body
        refusal = _not_json(_why_unreadable(error.__cause__))
    elif isinstance(error, HTTPException):
        refusal = Refusal(error.status_code, str(error.detail))
        return JSONResponse(refusal.body, error.status_code, headers=error.headers)
    elif isinstance(error, Refusal):
        refusal = error
    else:  # Starlette raises it again, so that the server logs it
        refusal = Refusal(500, "The server has failed: its log says why.")
    return JSONResponse(refusal.body, refusal.status, headers=refusal.headers)


def invalid(errors: Sequence[Mapping[str, Any]]) -> Refusal:
    """Return the refusal of a request that does not match a schema; it shows no values.

    Args:
        errors: of pydantic's ValidationError.
    """
    problems = []
    for problem in errors:
        if problem["type"] == "json_invalid":
            return _not_json(f"at character {problem['loc'][-1] + 1}")
        if problem["type"] == "model_attributes_type" and problem["loc"] == ("body",):
            return _no_object(problem["input"])
        place = ".".join(str(part) for part in problem["loc"] if part != "body")
        problems.append((place, f"{place or 'The body'}: {problem['msg']}"))
    shown = "; ".join(text for _, text in problems[:MAX_SHOWN])
    more = f"; and {len(problems) - MAX_SHOWN} more" if len(problems) > MAX_SHOWN else ""
    return Refusal(422, f"{shown}{more}.", problems[0][0] or None)


def _not_json(why: str) -> Refusal:
    return Refusal(400, f"The body is not valid JSON ({why}).")


def _why_unreadable(error: BaseException) -> str:
    """Return why a body cannot be parsed, although its syntax may be right."""
    match error:
        case RecursionError():
            return "nested too deeply"
        case UnicodeDecodeError():
            return f"not {error.encoding.upper()} at byte {error.start + 1}"
        case ValueError():
            return "a number with too many digits"
        case _:
            return "it cannot be parsed"


def _no_object(body: object) -> Refusal:
    """Return the refusal of a body that is a value, or bytes that were not parsed."""
    if isinstance(body, bytes):  # FastAPI parses JSON by its type alone
        return Refusal(422, "The body is not read as JSON: send Content-Type: application/json.")
    return Refusal(422, "The body is not a JSON object: send the fields in {}.")
