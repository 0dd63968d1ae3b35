"""Routes of OpenAI's API: completions and chats, whole or streamed, and the list of models."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from pydantic import ValidationError

from textmill.config import Config, GenerationConfig, RedactionConfig
from textmill.errors import InputError
from textmill.model.continuous_batch import Prompt
from textmill.registry.current import ModelId
from textmill.safety.filtering.content_filter import ContentFilter
from textmill.serving.findings import Filtered, check_prompt
from textmill.serving.meters import Meters
from textmill.serving.openai.api_schemas import (
    ChatCompletion,
    ChatRequest,
    Completion,
    CompletionRequest,
    FinishReason,
    ModelEntry,
    ModelList,
    Request,
    Response,
    Usage,
)
from textmill.serving.openai.forms import ChatForm, CompletionForm, Form
from textmill.serving.openai.written import Written, gather, pieces, submit
from textmill.serving.predicting import Prediction
from textmill.serving.refusals import RESPONSES, Refusal, invalid, stopping
from textmill.serving.served_models import Models
from textmill.serving.text_models import TextModel
from textmill.serving.workers import Result
from textmill.tasks.generation.examples import said_before
from textmill.tasks.shown import page_of
from textmill.tracking.tags import BACKBONE
from textmill.training.writing.text_batch import encode_prompt

RESPONSE = "response"
"""Field of the predictions of tasks that can chat."""
WITHOUT_SAMPLING = {"temperature": 0, "top_k": 1, "top_p": 1, "min_p": 0, "repetition_penalty": 1}
"""The only values of sampling for a model that samples nothing."""


@dataclass
class Reply:
    """An answer in the making."""

    form: Form
    request: Request
    name: str
    model: ModelId
    n_prompt_tokens: int | None
    """None: the model does not tell."""
    deadline_s: float
    """When it must be complete, by the clock of the event loop."""
    filtered: list[Filtered]
    """What content filters found; findings in its texts are added while these are written."""
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    created: int = field(default_factory=lambda: int(time.time()))
    n_shown: int = 0
    """Findings of filters that earlier heads have had."""

    def head(self, n_tokens: int | None = None) -> dict[str, Any]:
        """Return the fields that all responses have; with usage if tokens were generated.

        A finding is in one head only: a prompt may have thousands, and a stream an event a token.
        """
        new, self.n_shown = self.filtered[self.n_shown :], len(self.filtered)
        usage = None
        if n_tokens is not None and self.n_prompt_tokens is not None:
            usage = Usage(
                prompt_tokens=self.n_prompt_tokens,
                completion_tokens=n_tokens,
                total_tokens=self.n_prompt_tokens + n_tokens,
            )
        return {
            "id": f"{self.form.PREFIX}-{self.id}",
            "created": self.created,
            "model": self.name,
            "model_run": self.model.run_id,
            "model_version": self.model.version,
            "usage": usage,
            "filtered": new,
        }


class Completing:
    """Answers requests for text.

    Args:
        models: the models.
        config: defaults of sampling, and limits.
        content_filter: for prompts and outputs.
        prediction: answers for tasks whose models write responses.
        meters: count what is answered.
    """

    def __init__(
        self,
        models: Models,
        config: Config,
        content_filter: ContentFilter,
        prediction: Prediction,
        meters: Meters,
    ) -> None:
        self.models, self.config, self.meters = models, config, meters
        self.content_filter, self.prediction = content_filter, prediction
        self.workers = prediction.workers

    @property
    def chat_tasks(self) -> list[str]:
        """The tasks whose models write responses."""
        kinds = self.models.kinds
        return [name for name in kinds if RESPONSE in page_of(kinds[name]).ANSWER]

    async def complete(self, request: CompletionRequest) -> Response | StreamingResponse:
        """Return the completions of a prompt, by the backbone.

        Raises:
            Refusal: see `RESPONSES`.
        """
        if request.model not in (None, BACKBONE):
            raise Refusal(404, f"{request.model!r} does not complete: use {BACKBONE}.", "model")
        deadline_s = self._deadline_s()
        config = self._generation(request, request.max_tokens)
        loaded = self.models.backbone.get()
        model = loaded.model
        found: list[Filtered] = []

        def prepare() -> tuple[str, Prompt]:
            text = check_prompt(self.content_filter, request.text, model.redaction, found)
            return text, Prompt(encode_prompt(model.tokenizer, text))

        try:
            async with asyncio.timeout_at(deadline_s):
                text, prompt = await self._on_prompt(len(request.text), prepare)
        except TimeoutError:
            raise self._late() from None
        form = CompletionForm(text if request.echo else "")
        reply = Reply(form, request, BACKBONE, loaded.id, len(prompt.ids), deadline_s, found)
        return await self._write(reply, model, prompt, config)

    async def chat(self, request: ChatRequest) -> Response | StreamingResponse:
        """Return the messages that a model adds to a chat.

        Raises:
            Refusal: see `RESPONSES`.
        """
        deadline_s = self._deadline_s()
        name = request.model or next(iter(self.chat_tasks), BACKBONE)
        id_, model = await self._chat_model(name)
        if model is None:
            return await self._respond_at_once(name, request, deadline_s)
        config = self._chat_generation(request)
        found: list[Filtered] = []
        size = sum(len(message.content) for message in request.messages)
        check = partial(self._checked, request, model.redaction, found)
        try:
            async with asyncio.timeout_at(deadline_s):
                messages = await self._on_prompt(size, check)
                prompt = await self.workers.in_thread(size, partial(model.chat_prompt, messages))
        except TimeoutError:
            raise self._late() from None
        except InputError as error:
            raise Refusal(422, str(error), "messages") from None
        reply = Reply(ChatForm(), request, name, id_, len(prompt.ids), deadline_s, found)
        return await self._write(reply, model, prompt, config)

    async def _on_prompt(self, n_characters: int, check: Callable[[], Result]) -> Result:
        """Return the result of a check of a prompt; see `Workers.on_texts`."""
        uses_model = self.content_filter.uses_model("prompt")
        return await self.workers.on_texts(n_characters, check, uses_model)

    def _checked(
        self, request: ChatRequest, redaction: RedactionConfig, found: list[Filtered]
    ) -> list[dict[str, str]]:
        """Return the messages of a chat after the filters; see `check_prompt`."""
        return [
            {
                "role": message.role,
                "content": check_prompt(self.content_filter, message.content, redaction, found),
            }
            for message in request.messages
        ]

    async def _chat_model(self, name: str) -> tuple[ModelId, TextModel | None]:
        """Return a model that chats; None if it answers whole texts."""
        if name == BACKBONE:
            backbone = self.models.backbone.get()
            return backbone.id, backbone.model
        if name in self.chat_tasks:
            loaded = self.models.task(name).get()
            return loaded.id, await asyncio.to_thread(self.models.chats.of, loaded.model)
        names = ", ".join([*self.chat_tasks, BACKBONE])
        raise Refusal(404, f"{name!r} does not chat: use one of {names}.", "model")

    async def _respond_at_once(
        self, name: str, request: ChatRequest, deadline_s: float
    ) -> Response | StreamingResponse:
        """Return the response of a model that samples nothing, such as a classical baseline."""
        for setting, value in request.sampling.items():
            only = WITHOUT_SAMPLING.get(setting, value if setting == "seed" else None)
            if value not in (None, only):
                raise Refusal(422, f"The model of {name} samples nothing: remove it.", setting)
        for setting in ("max_tokens", "max_completion_tokens"):
            if getattr(request, setting) is not None:
                raise Refusal(
                    422, f"The model of {name} answers with whole texts: remove it.", setting
                )
        try:
            text = said_before([(message.role, message.content) for message in request.messages])
        except InputError as error:
            raise Refusal(422, str(error), "messages") from None
        answer = await self.prediction.answer(name, [text] * request.n)
        found = [Filtered(**one) for one in answer.predictions[0]["filtered"]]
        id_ = ModelId(answer.model.run, answer.model.version)
        reply = Reply(ChatForm(), request, name, id_, None, deadline_s, found)

        async def written() -> AsyncGenerator[Written]:
            for number, prediction in enumerate(answer.predictions):
                text = prediction[RESPONSE]
                reason: FinishReason = "length" if prediction.get("is_cut") else "stop"
                yield Written(number, text or "", "content_filter" if text is None else reason, 0)

        return await self._answer(reply, written())

    async def _write(
        self, reply: Reply, model: TextModel, prompt: Prompt, config: GenerationConfig
    ) -> Response | StreamingResponse:
        """Return what a model writes after a prompt."""
        stream, event = submit(model.engine, prompt, config, self.config.serve.max_waiting)
        filters, redaction = self.content_filter, model.redaction
        written = pieces(stream, event, filters, redaction, reply.filtered, self.workers)
        return await self._answer(reply, written)

    async def _answer(
        self, reply: Reply, written: AsyncGenerator[Written]
    ) -> Response | StreamingResponse:
        """Return the whole response, or a stream of its pieces, within the time limit."""
        if reply.request.stream:
            return StreamingResponse(self._events(reply, written), media_type="text/event-stream")
        try:
            async with asyncio.timeout_at(reply.deadline_s):
                texts = await gather(written, reply.request.n)
        except TimeoutError:
            raise self._late() from None
        self.meters.tokens.labels(reply.name).inc(texts.n_tokens)
        return reply.form.whole(texts, reply.head(texts.n_tokens))

    async def _events(self, reply: Reply, written: AsyncGenerator[Written]) -> AsyncIterator[str]:
        """Yield the pieces of a response as server-sent events; a failure is the last of them."""
        counts = [0] * reply.request.n
        begun: set[int] = set()
        try:
            async with asyncio.timeout_at(reply.deadline_s), aclosing(written):
                async for piece in written:
                    counts[piece.sample] = piece.n_tokens
                    is_first = piece.sample not in begun
                    begun.add(piece.sample)
                    yield _event(reply.form.chunk(piece, is_first, reply.head()))
            options = reply.request.stream_options
            if options is not None and options.include_usage:
                yield _event(reply.form.end(reply.head(sum(counts))))
        except TimeoutError:
            yield _data(self._late().body)
        except Refusal as refusal:
            yield _data(refusal.body)
        except asyncio.CancelledError:  # or the client has left, and does not read it
            yield _data(stopping().body)
        finally:
            self.meters.tokens.labels(reply.name).inc(sum(counts))
        yield _data("[DONE]")

    def _deadline_s(self) -> float:
        """Return when a request that has just arrived must be answered."""
        return asyncio.get_running_loop().time() + self.config.serve.timeout_s

    def _late(self) -> Refusal:
        return Refusal(503, f"No answer within {self.config.serve.timeout_s:g} s.")

    def _chat_generation(self, request: ChatRequest) -> GenerationConfig:
        """Return how to generate a message: until the model ends it, or its context is full."""
        config = self._generation(request, request.most_tokens or self.config.serve.max_new_tokens)
        return config.model_copy(update={"when_full": "stop"})

    def _generation(self, request: Request, max_tokens: int | None) -> GenerationConfig:
        """Return how to generate: the settings of the configuration, replaced by those given."""
        most = self.config.serve.max_new_tokens
        n_tokens = max_tokens or min(self.config.generation.max_new_tokens, most)
        if n_tokens > most:
            raise Refusal(
                422, f"{n_tokens} tokens are more than {most} (serve.max_new_tokens).", "max_tokens"
            )
        given = {**request.sampling, "max_new_tokens": n_tokens, "samples": request.n}
        try:
            return GenerationConfig.model_validate(self.config.generation.model_dump() | given)
        except ValidationError as error:
            raise invalid(error.errors()) from None


def routes(completing: Completing) -> APIRouter:
    """Return the routes of OpenAI's API."""
    router = APIRouter(prefix="/v1", tags=["generation"], responses={**RESPONSES})

    @router.get("/models")
    async def list_models() -> ModelList:
        """List the models for completions and chats."""
        names = [BACKBONE, *completing.chat_tasks]
        return ModelList(data=[ModelEntry(id=name) for name in names])

    @router.post("/completions", response_model=Completion)
    async def complete(request: CompletionRequest) -> Response | StreamingResponse:
        """Complete a prompt with the backbone; with `stream`, as server-sent events."""
        return await completing.complete(request)

    @router.post("/chat/completions", response_model=ChatCompletion)
    async def chat(request: ChatRequest) -> Response | StreamingResponse:
        """Add a message to a chat; with `stream`, as server-sent events.

        Models are those of tasks that write responses, and a backbone with a chat template.
        """
        return await completing.chat(request)

    return router


def _event(response: Response) -> str:
    return f"data: {response.model_dump_json()}\n\n"


def _data(value: Any) -> str:
    return f"data: {value if isinstance(value, str) else json.dumps(value)}\n\n"
