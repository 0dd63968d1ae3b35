"""What a run leaves on Prefect's page: links to MLflow, and the table of scores."""

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
    """Prefect's page of one run.

    What it shows is no part of the results: a server that stays away longer than Prefect's client
    tries again costs the rest of the page, and no work.
    """

    _is_lost: bool = False

    def link(self, url: str, text: str, key: str = "mlflow-run") -> None:
        """Show a link."""
        self._show(create_link_artifact, link=url, link_text=text, key=key)

    def text(self, markdown: str, key: str, description: str) -> None:
        """Show a text."""
        self._show(create_markdown_artifact, markdown=markdown, key=key, description=description)

    def _show(self, create: Any, **values: str) -> None:
        if self._is_lost:
            return
        try:
            create(**values)
        except (HTTPError, PrefectHTTPStatusError) as error:
            self._is_lost = True
            log.warning(
                "Prefect's server fails (%s). The run goes on; its page will not be whole.",
                str(error).splitlines()[0] if str(error) else type(error).__name__,
            )
