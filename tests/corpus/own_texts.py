"""Texts of tasks, as the step before cleaning writes them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from textmill.config import RedactionConfig, SplitTextsConfig, TaskTextsStepConfig
from textmill.tasks.texts import collect_texts


def write_task_texts(
    folder: Path,
    train: Mapping[str, Sequence[str]] | None = None,
    test: Mapping[str, Sequence[str]] | None = None,
) -> Path:
    """Write the texts of tasks, by name; return the folder, which must not exist."""

    def split(name: str, texts: Mapping[str, Sequence[str]]) -> tuple[SplitTextsConfig, ...]:
        splits = []
        for task, lines in texts.items():
            file = raw / f"{task}-{name}.jsonl"
            file.write_text("".join(json.dumps({"text": line}) + "\n" for line in lines))
            place = {"places": (str(file),), "columns": ("text",), "languages": ("en",)}
            splits.append(SplitTextsConfig(name=task, **place))
        return tuple(splits)

    raw = folder.with_name(f"{folder.name} raw")
    raw.mkdir()
    folder.mkdir()
    config = TaskTextsStepConfig(
        train=split("train", train or {}),
        test=split("test", test or {}),
        redaction=RedactionConfig(),
        max_bad_share=0,
    )
    collect_texts(config, {}, folder)
    return folder
