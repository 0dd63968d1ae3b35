"""Requests and responses of OpenAI's completion and chat APIs, as far as they are supported.

Unknown fields are refused: a client that sets `logit_bias` must not get an answer without it.
`top_k`, `min_p` and `repetition_penalty` have their names in other servers of local models.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from textmill.config import StopStrings
from textmill.serving.findings import Filtered
from textmill.tasks.inputs import without_surrogates

FinishReason = Literal["stop", "length", "content_filter"]
MAX_SAMPLES = 8
Text = Annotated[str, AfterValidator(without_surrogates)]
"""A text for a model; those of predictions are treated in the same way."""


class Request(BaseModel):
    """What all requests have."""

    model_config = ConfigDict(extra="forbid")

    model: str | None = None
    """`backbone`, or the name of a task whose models write responses."""
    temperature: Annotated[float | None, Field(ge=0, le=100)] = None
    top_p: Annotated[float | None, Field(gt=0, le=1)] = None
    top_k: Annotated[int | None, Field(gt=0)] = None
    """If it is given as null, all tokens may be sampled. Other settings that are null are as
    configured, as in OpenAI's API."""
    min_p: Annotated[float | None, Field(ge=0, le=1)] = None
    repetition_penalty: Annotated[float | None, Field(ge=0.01, le=100)] = None
    stop: StopStrings | None = None
    seed: Annotated[int | None, Field(ge=0, lt=2**63)] = None
    n: Annotated[int, Field(ge=1, le=MAX_SAMPLES)] = 1
    stream: bool = False
    stream_options: StreamOptions | None = None
    user: str | None = None
    """Ignored."""

    @property
    def sampling(self) -> dict[str, Any]:
        """The settings of generation that are given, by their names in the configuration."""
        names = ("temperature", "top_p", "top_k", "min_p", "repetition_penalty", "seed", "stop")
        given = {name: getattr(self, name) for name in names}
        has_no_top_k = "top_k" in self.model_fields_set and self.top_k is None
        found = {name: value for name, value in given.items() if value is not None}
        return found | ({"top_k": None} if has_no_top_k else {})


class StreamOptions(BaseModel):
    """What a stream has besides the text."""

    model_config = ConfigDict(extra="forbid")

    include_usage: bool = False


class CompletionRequest(Request):
    """A prompt to complete."""

    prompt: Text | Annotated[list[Text], Field(min_length=1, max_length=1)]
    max_tokens: Annotated[int | None, Field(gt=0)] = None
    echo: bool = False
    """Whether the completion begins with the prompt, after the content filters."""

    @property
    def text(self) -> str:
        """The prompt."""
        return self.prompt if isinstance(self.prompt, str) else self.prompt[0]


class ChatMessage(BaseModel):
    """A message of a chat."""

    model_config = ConfigDict(extra="forbid")

    role: Literal["system", "user", "assistant"]
    content: Text


class ChatRequest(Request):
    """A chat to which the model adds a message."""

    messages: Annotated[list[ChatMessage], Field(min_length=1)]
    max_tokens: Annotated[int | None, Field(gt=0)] = None
    max_completion_tokens: Annotated[int | None, Field(gt=0)] = None
    """The newer name of max_tokens."""

    @property
    def most_tokens(self) -> int | None:
        """The maximum under either name."""
        return self.max_completion_tokens or self.max_tokens


class Usage(BaseModel):
    """Numbers of tokens."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class Response(BaseModel):
    """What all responses have."""

    id: str
    created: int
    model: str
    model_run: str
    """MLflow run that trained the model, for `textmill lineage`."""
    model_version: str | None
    """Version in the model registry; null if the model is not registered."""
    usage: Usage | None = None
    filtered: list[Filtered] = []
    """What content filters found; in a stream, since the last event."""


class CompletionChoice(BaseModel):
    """A completion, or a piece of it."""

    index: int
    text: str
    finish_reason: FinishReason | None
    logprobs: None = None


class Completion(Response):
    """Completions of a prompt, or a piece of one."""

    object: Literal["text_completion"] = "text_completion"
    choices: list[CompletionChoice]


class ChatChoice(BaseModel):
    """A message that the model added."""

    index: int
    message: ChatMessage
    finish_reason: FinishReason | None


class ChatCompletion(Response):
    """Messages that the model added to a chat."""

    object: Literal["chat.completion"] = "chat.completion"
    choices: list[ChatChoice]


class Delta(BaseModel):
    """A piece of a message."""

    role: Literal["assistant"] | None = None
    content: str | None = None


class ChatChunkChoice(BaseModel):
    """A piece of a message that the model adds."""

    index: int
    delta: Delta
    finish_reason: FinishReason | None


class ChatChunk(Response):
    """A piece of a message in a stream."""

    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    choices: list[ChatChunkChoice]


class ModelEntry(BaseModel):
    """A model that completes prompts, or that chats."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str = "textmill"


class ModelList(BaseModel):
    """The models for completions and chats."""

    object: Literal["list"] = "list"
    data: list[ModelEntry]
