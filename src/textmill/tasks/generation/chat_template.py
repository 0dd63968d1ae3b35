"""The chat template of a model that responds: its prompts in other libraries, by the tokenizer.

It writes what `examples.py` reads and `network.py` encodes, and the tokenizer has the same tokens
for it.
"""

from __future__ import annotations

import json
from pathlib import Path

from textmill.corpus.tokens.tokenizer import END, SOURCE, TARGET, TOKENIZER_FILES, load_tokenizer
from textmill.files import read_json, write_json
from textmill.tasks.generation.examples import MAX_PROMPT_CHARS, ROLES
from textmill.tasks.translation.copied import separate_parts

TEMPLATE = f"""
{{%- set chat = namespace(said="", has_answer=false) -%}}
{{%- for message in messages -%}}
{{%- if message["role"] not in {json.dumps(ROLES)} -%}}
{{{{- raise_exception("unknown role " ~ message["role"]) -}}}}
{{%- endif -%}}
{{%- if loop.last and message["role"] == "assistant" -%}}
{{{{- "{SOURCE}" ~ (chat.said | trim) ~ "{TARGET}" ~ (message["content"] | trim) ~ "{END}" -}}}}
{{%- else -%}}
{{%- set chat.has_answer = chat.has_answer or message["role"] == "assistant" -%}}
{{%- set name = (message["role"] | capitalize) ~ ": " if chat.has_answer else "" -%}}
{{%- set before = chat.said ~ "\\n\\n" ~ name if chat.said else "" -%}}
{{%- set chat.said = (before ~ (message["content"] | trim))[-{MAX_PROMPT_CHARS}:] -%}}
{{%- if loop.last -%}}
{{{{- "{SOURCE}" ~ (chat.said | trim) -}}}}
{{%- if add_generation_prompt -%}}{{{{- "{TARGET}" -}}}}{{%- endif -%}}
{{%- endif -%}}
{{%- endif -%}}
{{%- endfor -%}}
""".strip()
"""A template in Jinja, as `transformers` and others read it. A chat that ends with a message of the
assistant is rendered with this as the response, as in training."""


def save_tokenizer(backbone: Path, out: Path) -> None:
    """Write the tokenizer of a backbone with the chat template.

    Raises:
        InputError: the tokenizer is missing or damaged.
    """
    model, settings = TOKENIZER_FILES
    tokenizer = load_tokenizer(backbone)
    separate_parts(tokenizer)
    tokenizer.save(str(out / model))
    write_json(out / settings, read_json(backbone / settings) | {"chat_template": TEMPLATE})
