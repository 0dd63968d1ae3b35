"""Texts that the models of a server write, piece by piece, through the content filters."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from dataclasses import dataclass
from functools import partial

from textmill.config import GenerationConfig, RedactionConfig
from textmill.errors import InputError, RunError
from textmill.model.continuous_batch import Prompt
from textmill.safety.filtering.content_filter import ContentFilter, StreamFilter
from textmill.serving.findings import Filtered, shown
from textmill.serving.openai.api_schemas import FinishReason
from textmill.serving.refusals import Refusal, stopping
from textmill.serving.workers import Workers
from textmill.training.writing.engine import Engine, Stream
from textmill.training.writing.text_batch import Reason


@dataclass(frozen=True)
class Written:
    """A piece of a text."""

    sample: int
    """Number of the text, if several are written."""
    text: str
    """May be empty, at the end."""
    reason: FinishReason | None
    """Why the text ends here; None: it goes on."""
    n_tokens: int
    """Tokens generated for this text so far."""


def submit(
    engine: Engine, prompt: Prompt, config: GenerationConfig, max_waiting: int
) -> tuple[Stream, asyncio.Event]:
    """Return the stream of the texts of a prompt, and an event that is set after each new piece.

    Args:
        engine: of the model.
        prompt: for that model.
        config: how to generate.
        max_waiting: maximum texts that wait for others.

    Raises:
        Refusal: too many texts are waiting, or the prompt is invalid.
    """
    if engine.n_waiting >= max_waiting:
        raise Refusal(429, f"{max_waiting} texts are waiting: try again later.")
    loop, event = asyncio.get_running_loop(), asyncio.Event()

    def notify() -> None:  # called by the engine's thread
        with suppress(RuntimeError):  # the server has stopped
            loop.call_soon_threadsafe(event.set)

    try:
        return engine.submit(prompt, config, notify), event
    except InputError as error:
        raise Refusal(422, str(error), "prompt") from None
    except RunError as error:
        raise Refusal(503, str(error)) from None


async def pieces(
    stream: Stream,
    event: asyncio.Event,
    content_filter: ContentFilter,
    redaction: RedactionConfig,
    found: list[Filtered],
    workers: Workers,
) -> AsyncGenerator[Written]:
    """Yield the filtered pieces of a stream; generation stops if they are not read to the end.

    Args:
        stream: the texts.
        event: set after each new piece.
        content_filter: for the texts.
        redaction: that of the model's training texts.
        found: what the filters find is added to it.
        workers: where the filters run if they use a model.

    Raises:
        Refusal: generation failed, or the server stops.
    """
    filters = [content_filter.stream(redaction) for _ in range(stream.config.samples)]
    uses_model = content_filter.uses_model("output")
    is_over = [False] * len(filters)
    with stream:  # cancels it if the client leaves
        while not all(is_over):
            event.clear()
            try:
                piece = stream.get(0)
            except TimeoutError:
                await event.wait()
                continue
            except StopIteration:  # must not leave a generator
                raise stopping() from None
            except RunError as error:
                raise Refusal(503, str(error)) from None
            sample = piece.sample
            if is_over[sample]:
                continue  # what follows blocked text
            filtered = partial(_filtered, filters[sample], piece.text, piece.reason, found)
            text, reason = await workers.on_texts(len(piece.text), filtered, uses_model)
            is_over[sample] = reason is not None
            if text or reason is not None:
                yield Written(sample, text, reason, piece.n_tokens)


def _filtered(
    stream_filter: StreamFilter, text: str, reason: Reason | None, found: list[Filtered]
) -> tuple[str, FinishReason | None]:
    """Return what of a piece may be sent, and whether the text ends."""
    n_known = len(stream_filter.decisions)
    sent = stream_filter.feed(text, is_last=reason is not None)
    found += shown(stream_filter.decisions[n_known:])
    return sent, "content_filter" if stream_filter.is_blocked else reason


@dataclass(frozen=True)
class Texts:
    """The whole texts of a request."""

    texts: list[str]
    reasons: list[FinishReason]
    n_tokens: int
    """Tokens generated for all texts."""


async def gather(written: AsyncGenerator[Written], samples: int) -> Texts:
    """Return all texts, once they have ended."""
    texts, counts = [""] * samples, [0] * samples
    reasons: list[FinishReason] = ["stop"] * samples
    async with aclosing(written):
        async for piece in written:
            texts[piece.sample] += piece.text
            counts[piece.sample] = piece.n_tokens
            if piece.reason is not None:
                reasons[piece.sample] = piece.reason
    return Texts(texts, reasons, sum(counts))
