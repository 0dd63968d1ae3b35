"""Configuration of the server of models."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from textmill.config.settings import Settings


class ServeConfig(Settings):
    """The server of models, `textmill serve`: the serve section."""

    host: str = Field("127.0.0.1", min_length=1)
    """Address to listen on. Other addresses than loopback, such as 0.0.0.0, require a token, set by
    TEXTMILL_TOKEN or TEXTMILL_TOKEN_FILE."""
    port: int = Field(8000, ge=0, lt=65536)
    """0: any free port."""
    allowed_hosts: tuple[str, ...] = ()
    """Additional host names, NAME or NAME:PORT, by which clients reach the server, such as a
    proxy's. Other names than those of loopback require a token too."""
    tasks: tuple[str, ...] | None = None
    """Tasks whose models are served; None: all of the configuration."""
    max_body_bytes: int = Field(1 << 20, gt=0)
    """Maximum size of a request; a larger one gets status 413."""
    max_inputs: int = Field(256, gt=0)
    """Maximum inputs of a request; more get status 413."""
    max_waiting: int = Field(256, gt=0)
    """Maximum requests that wait for each model, or with large texts; a further one gets status
    429."""
    max_new_tokens: int = Field(1024, gt=0)
    """Maximum tokens that a request can ask for."""
    timeout_s: float = Field(60, gt=0)
    """Maximum seconds to receive a request, and to answer it; a slower one gets status 408 or
    503."""
    shutdown_s: int = Field(30, ge=0)
    """Maximum seconds for requests to finish when the server stops."""
    reload_s: float = Field(5, gt=0)
    """Seconds between checks for new champions, which replace the loaded models."""
    log: Literal["none", "predictions", "texts"] = "predictions"
    """What is logged of each answer, in the folder `serving` of the store: nothing, the prediction
    and its model, or the text as well, redacted like the model's training texts."""
    runs: bool = True
    """Whether the playground can start `textmill run` with the configuration of the server."""
