"""Artifacts of a run in Prefect: links to MLflow, and the table of scores."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from httpx import HTTPError
from prefect.artifacts import create_link_artifact, create_markdown_artifact
from prefect.exceptions import PrefectHTTPStatusError

log = logging.getLogger("textmill.flows")


@dataclass
class Page:
    """The artifacts of one run in Prefect's UI.

    They are not part of the results: if the server fails beyond the client's retries, later
    artifacts are skipped and the run continues.
    """

    _is_lost: bool = False

    def link(self, url: str, text: str, key: str = "mlflow-run") -> None:
        """Create a link artifact."""
        self._show(create_link_artifact, link=url, link_text=text, key=key)

    def text(self, markdown: str, key: str, description: str) -> None:
        """Create a Markdown artifact."""
        self._show(create_markdown_artifact, markdown=markdown, key=key, description=description)

    def _show(self, create: Any, **values: str) -> None:
        if self._is_lost:
            return
        try:
            create(**values)
        except (HTTPError, PrefectHTTPStatusError) as error:
            self._is_lost = True
            log.warning(
                "Prefect's server failed (%s). The run continues; its Prefect page is incomplete.",
                str(error).splitlines()[0] if str(error) else type(error).__name__,
            )
