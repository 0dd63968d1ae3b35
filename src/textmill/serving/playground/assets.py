"""The files of the page: plain HTML, CSS and ES modules, served as they are.

Nothing is loaded from other hosts, and the Content-Security-Policy forbids it: a browser runs no
script but these files, whatever a model or a user writes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from fastapi import APIRouter, Request, Response

from textmill.files import digest_bytes

FOLDER = Path(__file__).parent / "static"
INDEX = "index.html"
PREFIX = "/playground/"
"""Path of the files, apart from the page itself."""
MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
HEADERS = {
    # Browsers keep the files, and ask each time whether they have changed.
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; object-src 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True)
class Asset:
    """A file of the page."""

    content: bytes
    media_type: str
    etag: str


def read_assets() -> dict[str, Asset]:
    """Return the files of the page, by path; none contains data."""
    found = {}
    for file in sorted(FOLDER.iterdir()):
        if file.suffix in MEDIA_TYPES:
            content = file.read_bytes()
            path = "/" if file.name == INDEX else f"{PREFIX}{file.name}"
            etag = f'"{digest_bytes(content)[:32]}"'
            found[path] = Asset(content, MEDIA_TYPES[file.suffix], etag)
    return found


def routes(assets: Mapping[str, Asset]) -> APIRouter:
    """Return the routes of the files."""
    router = APIRouter(include_in_schema=False)
    for path in assets:
        router.add_api_route(path, _route(assets[path]), methods=["GET"], response_class=Response)
    return router


def _route(asset: Asset) -> Callable[[Request], Response]:
    def respond(request: Request) -> Response:
        headers = {**HEADERS, "ETag": asset.etag}
        if asset.etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(asset.content, headers=headers, media_type=asset.media_type)

    return respond
