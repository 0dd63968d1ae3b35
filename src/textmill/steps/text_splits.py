"""The splits of tasks whose texts the corpus includes, or is decontaminated from."""

from __future__ import annotations

from textmill.config import AUTO, Config, SplitTextsConfig, TaskTextsStepConfig
from textmill.steps.parts import Split


def text_splits(config: Config) -> tuple[Split, ...]:
    """Return the splits of tasks whose texts the corpus includes, or is decontaminated from."""
    is_decontaminated = config.corpus.decontamination.enabled
    tests = [task for task in config.tasks if is_decontaminated and task.text_columns]
    return (
        *(Split(task, "train") for task in config.text_tasks),
        *(Split(task, "test") for task in tests),
    )


def task_texts_config(config: Config) -> TaskTextsStepConfig | None:
    """Return where the texts of tasks are, or None if the corpus has nothing to do with any."""
    splits = text_splits(config)
    if not splits:
        return None
    texts = {
        name: tuple(_split_texts(split, config) for split in splits if split.name == name)
        for name in ("train", "test")
    }
    corpus = config.corpus
    return TaskTextsStepConfig(
        **texts, redaction=corpus.redaction, max_bad_share=corpus.max_bad_share
    )


def _split_texts(split: Split, config: Config) -> SplitTextsConfig:
    task = split.task
    # Text in an unknown language would be rejected by its language, whatever it is.
    unknown = AUTO if config.corpus.languages else "und"
    return SplitTextsConfig(
        name=task.name,
        places=tuple(getattr(task, setting) for setting in task.settings_of(split.name)),
        hub=task.hub,
        subset=task.subset,
        revision=task.revision,
        encoding=task.encoding,
        columns=task.text_columns,
        languages=tuple(unknown if tag == "und" else tag for tag in task.text_languages),
    )
