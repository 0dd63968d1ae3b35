"""Reading and checking of prompts with their responses, and of chats."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from textmill.errors import InputError
from textmill.safety.redaction import redact
from textmill.tasks.generation.settings import ResponseConfig
from textmill.tasks.labels import as_text, describe_value
from textmill.tasks.rows import Rows, read_rows
from textmill.tasks.translation.examples import Example, Spec

__all__ = [
    "ONE_ANSWER",
    "SELECTION",
    "Example",
    "Spec",
    "check_examples",
    "group",
    "make_spec",
    "model_input",
    "read_examples",
    "reference",
    "stratum",
]

SELECTION = "token_accuracy"
"""The validation metric that selects the best epoch."""

ONE_ANSWER = False
"""Whether each text has one correct answer, so that examples with different ones conflict."""

stratum = None
"""Examples have no single label."""

MAX_PROMPT_CHARS = 2**16
"""Maximum characters of the messages before a response: a chat of many would become long texts."""
ROLES = ("system", "user", "assistant")


def read_examples(config: ResponseConfig, split: str) -> Rows[Example]:
    """Return the examples of a split; a chat has one for each message of the assistant.

    Raises:
        InputError: the data is invalid; the message names the file, the line and the fix.
    """

    def clean(text: str) -> str:
        return redact(text, config.redaction)[0]

    def parse_pair(values: dict[str, Any], place: str) -> list[Example]:
        texts = (as_text(values[name], name) for name in (config.prompt, config.response))
        prompt, response = map(clean, texts)
        return [Example(prompt, response, place)]

    def parse_chat(values: dict[str, Any], place: str) -> list[Example]:
        assert config.messages is not None
        messages = _messages(values[config.messages], config.messages)
        turns = _turns((role, clean(content)) for role, content in messages)
        return [Example(said, answer, place) for said, answer in turns]

    if config.messages is not None:
        rows = read_rows(config, split, {"messages": config.messages}, parse_chat)
    else:
        columns = {"prompt": config.prompt, "response": config.response}
        rows = read_rows(config, split, columns, parse_pair)
    examples: Rows[Example] = Rows(example for row in rows for example in row)
    examples.n_bad, examples.slices = rows.n_bad, rows.slices
    return examples


def _messages(value: object, column: str) -> list[tuple[str, str]]:
    """Return role and content of each message.

    Raises:
        ValueError: the value is no chat with a message of the assistant.
    """
    if not isinstance(value, list) or not all(isinstance(one, Mapping) for one in value):
        raise ValueError(f"column {column!r} holds no list of messages: {describe_value(value)}")
    messages: list[tuple[str, str]] = []
    for number, message in enumerate(value):
        role, content = message.get("role"), message.get("content")
        where = f"message {number} of column {column!r}"
        if role not in ROLES:
            raise ValueError(f"{where} has the role {role!r}: use {', '.join(ROLES)}")
        if not isinstance(content, str) or not content.strip():
            raise ValueError(f"{where} has no content: {describe_value(content)}")
        if role == "assistant" and not any(before == "user" for before, _ in messages):
            raise ValueError(f"{where} is of the assistant, and the user has said nothing yet")
        messages.append((str(role), content))
    if not any(role == "assistant" for role, _ in messages):
        raise ValueError(f"column {column!r} holds a chat without a message of the assistant")
    return messages


def _turns(messages: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Yield each message of the assistant, after the text of those before it.

    The text of a chat of one message is the message itself.
    """
    said, has_answer = "", False
    for role, content in messages:
        if role == "assistant":
            yield said, content
            has_answer = True
        name = f"{role.capitalize()}: " if has_answer else ""
        said = f"{said}\n\n{name}{content.strip()}" if said else content.strip()
        said = said[-MAX_PROMPT_CHARS:]  # the end is read


def said_before(messages: Sequence[tuple[str, str]]) -> str:
    """Return the text of the messages of a chat, before the assistant responds.

    Raises:
        InputError: there is no message, or the assistant has responded already.
    """
    if not messages or messages[-1][0] == "assistant":
        raise InputError("the chat does not end with a message to respond to: add one of the user.")
    *_, (said, _) = _turns([*messages, ("assistant", "")])
    return said


def make_spec(config: ResponseConfig, train: Sequence[Example]) -> Spec:
    """Return the settings of encoding and decoding."""
    return Spec(
        config.prompt_share,
        config.beams,
        splits_numbers=True,
        has_pointer=True,
        reads_both_ways=True,
        keeps_end=True,
    )


def check_examples(config: ResponseConfig, spec: Spec, examples: Sequence[Example]) -> None:
    """Accept all examples: there is a response to any prompt."""


def group(example: Example) -> str:
    """Return the location of an example: those of a chat have one."""
    return example.place


def reference(example: Example) -> dict[str, Any]:
    """Return the fields of the predictions file that are the input and reference of an example."""
    return {"prompt": example.source, "reference": example.target}


def model_input(example: Example) -> str:
    """Return the input of the model."""
    return example.source
