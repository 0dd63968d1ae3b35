"""What the page shows of the server, besides its tasks: names, defaults and limits."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel

from textmill.config import Config, SamplingConfig
from textmill.serving.refusals import RESPONSES
from textmill.tasks.language_model.page import EXAMPLE


class Overview(BaseModel):
    """The configuration of the server, as far as the page shows it."""

    experiment: str
    prompt: str
    """An example of what the backbone can complete."""
    sampling: SamplingConfig
    """Defaults of sampling."""
    max_new_tokens: int
    """Default of completions."""
    most_new_tokens: int
    """Maximum that a request can ask for, and the default of chats."""
    run_command: str | None
    """The command that the page can start; null: none."""


def routes(config: Config, run_command: str | None) -> APIRouter:
    """Return the route of the overview."""
    router = APIRouter(prefix="/v1/playground", tags=["operations"], responses={**RESPONSES})
    generation, most = config.generation, config.serve.max_new_tokens
    sampling = {name: getattr(generation, name) for name in SamplingConfig.model_fields}

    @router.get("")
    async def overview() -> Overview:
        """Return names, defaults and limits."""
        return Overview(
            experiment=config.experiment,
            prompt=next(iter(generation.prompts), EXAMPLE["text"]),
            sampling=SamplingConfig(**sampling),
            max_new_tokens=min(generation.max_new_tokens, most),
            most_new_tokens=most,
            run_command=run_command,
        )

    return router
