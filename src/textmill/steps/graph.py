"""The graph of the pipeline: the single definition of all steps.

It determines the order of execution, partial runs, parallel branches, preloaded modules, labels of
results and lineage. Functions are given as strings, and no step's code is imported, so that the
scheduling process never imports torch.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from textmill import hardware
from textmill.config import (
    AUTO,
    KINDS,
    LABELLING_KINDS,
    BudgetStepConfig,
    CleanConfig,
    Config,
    CurveStepConfig,
    DriftStepConfig,
    LanguageModelStepConfig,
    MeasureStepConfig,
    OpenModelConfig,
    OpenPretrainConfig,
    OptimizationConfig,
    PretrainStepConfig,
    SplitTextsConfig,
    TaskConfig,
    TaskTextsStepConfig,
    TokensConfig,
    open_sizes,
)
from textmill.hub_models import MODEL_FILES, TOKENIZER_FILE
from textmill.steps.parts import (
    CorpusSource,
    Folder,
    Graph,
    NewText,
    Part,
    PerTask,
    Raw,
    Shared,
    Split,
)
from textmill.steps.step import Step

LM = "lm"
"""Prefix of the language model's scores, in place of the name of a task."""


def _text_splits(config: Config) -> tuple[Split, ...]:
    """Return the splits of tasks whose texts the corpus includes, or is decontaminated from."""
    is_decontaminated = config.corpus.decontamination.enabled
    tests = [task for task in config.tasks if is_decontaminated and task.text_columns]
    return (
        *(Split(task, "train") for task in config.text_tasks),
        *(Split(task, "test") for task in tests),
    )


def _task_texts_config(config: Config) -> TaskTextsStepConfig | None:
    splits = _text_splits(config)
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


def _clean_config(config: Config) -> CleanConfig:
    return CleanConfig(**dict(config.corpus))


def _clean_reads(config: Config) -> tuple[Raw, ...]:
    return tuple(map(CorpusSource, config.corpus.sources))


SPEED_SETTINGS = ("micro_batch_size", "accumulate", "optimizer", "accelerator", "precision")
"""Settings of any training that affect its time; others must not affect the chosen sizes."""
PRETRAIN_SPEED_SETTINGS = (
    *SPEED_SETTINGS,
    "objective",
    "masked_share",
    "activation_checkpointing",
    "compile",
    "devices",
)
MODEL_SIZES = (
    "n_layer",
    "n_head",
    "n_kv_head",
    "n_embd",
    "head_dim",
    "n_inner",
    "block_size",
    "vocab_size",
    "dropout",
)
PRETRAIN_SIZES = ("max_steps", "warmup_steps", "validate_every_steps", "validation_blocks")
WITHOUT_SCORES: dict[str, Any] = {"metrics": (), "slices": ()}
"""Values of the settings of a task that only its evaluation reads."""
S = TypeVar("S", bound=OptimizationConfig)


def _only(config: S, names: Iterable[str]) -> S:
    """Return a configuration with defaults for all settings but these."""
    return type(config)().model_copy(update={name: getattr(config, name) for name in names})


def _measure_config(config: Config) -> MeasureStepConfig:
    training = OpenPretrainConfig(**dict(config.pretrain))
    return MeasureStepConfig(
        machine=hardware.machine_class(training.accelerator, training.devices),
        model=OpenModelConfig(**{**dict(config.model), **dict.fromkeys(MODEL_SIZES)}),
        pretrain=_only(training, PRETRAIN_SPEED_SETTINGS),
    )


def _budget_config(config: Config) -> BudgetStepConfig:
    assert config.budget_minutes is not None
    training = OpenPretrainConfig(**dict(config.pretrain))
    return BudgetStepConfig(
        budget_minutes=config.budget_minutes,
        budget_gib=config.budget_gib,
        side_by_side=min(config.cluster.max_parallel_tasks, 1 + len(config.tasks)),
        tokenizer=config.tokenizer,
        model=config.model,
        pretrain=_only(training, (*PRETRAIN_SPEED_SETTINGS, *PRETRAIN_SIZES)),
        tasks=tuple(map(_budgeted, config.tasks)),
        law=config.plan,
    )


def _budgeted(task: TaskConfig) -> TaskConfig:
    """Return a task with the settings that affect its time."""
    kept = (*SPEED_SETTINGS, "epochs", "max_steps", "seeds", "attention")
    return task.model_copy(update={"finetune": _only(task.finetune, kept)} | WITHOUT_SCORES)


def _budget_reads(config: Config) -> tuple[Raw, ...]:
    return (*_tokenizer_reads(config), *(Split(task, "train") for task in config.tasks))


def _has_open_sizes(config: Config) -> bool:
    return bool(open_sizes(config))


def _tokenizer_reads(config: Config) -> tuple[Raw, ...]:
    place = config.tokenizer.init_from
    return _folder("tokenizer.init_from", place, TOKENIZER_FILE)


def _pretrain_config(config: Config) -> PretrainStepConfig:
    return PretrainStepConfig(
        model=config.model.sized(),
        pretrain=config.pretrain.sized(),
        weights=config.source_weights,
        redaction=config.corpus.redaction,
    )


def _pretrain_reads(config: Config) -> tuple[Raw, ...]:
    place = config.pretrain.init_from
    return _folder("pretrain.init_from", place, *MODEL_FILES)


def _folder(key: str, place: str | None, *files: str) -> tuple[Raw, ...]:
    return () if place is None else (Folder(key, place, files),)


def _baseline_config(task: TaskConfig) -> TaskConfig:
    """Return the task without what must not affect a baseline's key: fine-tuning, and slices."""
    default = type(task).model_fields["finetune"].default
    return task.model_copy(update={"finetune": default, "slices": ()})


def _finetune_reads(task: TaskConfig) -> tuple[Raw, ...]:
    """Return the splits that fine-tuning reads; the test split only to drop its texts."""
    is_read = {
        "train": True,
        "validation": task.validation is not None,
        "test": task.on_leak == "drop",
    }
    return tuple(Split(task, name) for name in is_read if is_read[name])


def _itself(task: TaskConfig) -> TaskConfig:
    return task


def _finetune_config(task: TaskConfig) -> TaskConfig:
    """Return the task without what its evaluation alone reads, which must not change the key."""
    return task.model_copy(update=WITHOUT_SCORES)


def _curve_config(task: TaskConfig) -> CurveStepConfig:
    """Return the task and its curve section, without what affects the choice of a model only."""
    fields = type(task.finetune).model_fields
    unused = {name: fields[name].default for name in ("candidates", "seeds")}
    finetune = task.finetune.model_copy(update=unused)
    return CurveStepConfig(
        task=task.model_copy(update={"finetune": finetune} | WITHOUT_SCORES), curve=task.curve
    )


def _curve_reads(task: TaskConfig) -> tuple[Raw, ...]:
    validation = () if task.validation is None else (Split(task, "validation"),)
    return (Split(task, "train"), *validation, Split(task, "test"))


def _language_model_config(config: Config) -> LanguageModelStepConfig:
    accelerator = config.pretrain.accelerator
    return LanguageModelStepConfig(**dict(config.generation), accelerator=accelerator)


def _drift_config(config: Config) -> DriftStepConfig:
    return DriftStepConfig(
        drift=config.retrain.drift,
        corpus=config.corpus,
        accelerator=config.pretrain.accelerator,
    )


SAMPLE = Step("sample", "textmill.sample.generate:generate")
TASK_TEXTS = Step("task-texts", "textmill.tasks.texts:collect_texts", is_quick=True)
FILTERS = "{filters}"
CLEAN = Step(
    "clean",
    "textmill.corpus.cleaning.clean:clean",
    has_workers=True,
    has_cache=True,
    loads=(FILTERS,),
)
MEASURE = Step("measure", "textmill.training.planning.timing:measure", needs_torch=True)
BUDGET = Step("budget", "textmill.tasks.budget:budget", chooses_settings=True)
TOKENIZER = Step("tokenizer", "textmill.corpus.tokens.vocabulary:train_tokenizer")
TOKENS = Step("tokens", "textmill.corpus.tokens.corpus_tokens:tokenize")
PRETRAIN = Step("pretrain", "textmill.training.pretrain:pretrain", True, True)
FURTHER_METRICS = "{metrics}"
EXAMPLES, NETWORK, ANSWERS, BASELINES, METRICS = (
    f"{{kind}}.{part}" for part in ("examples", "network", "answers", "baselines", "metrics")
)
TASK_MODEL = (EXAMPLES, NETWORK, ANSWERS, BASELINES, METRICS)
"""The parts of a kind that train a task's model, or predict with it."""
BASELINE = Step(
    "baseline",
    "textmill.tasks.baseline:baseline",
    loads=(EXAMPLES, BASELINES, METRICS, FURTHER_METRICS),
)
FINETUNE = Step(
    "finetune",
    "textmill.tasks.finetune:finetune",
    True,
    True,
    loads=TASK_MODEL,
)
EVALUATE = Step(
    "evaluate",
    "textmill.tasks.evaluate:evaluate",
    needs_torch=True,
    loads=(*TASK_MODEL, FURTHER_METRICS),
)
CURVE = Step(
    "curve",
    "textmill.tasks.curve.curve:measure_curve",
    True,
    True,
    loads=TASK_MODEL,
)
EVALUATE_LM = Step(
    "evaluate-lm", "textmill.tasks.language_model.evaluate:evaluate_lm", needs_torch=True
)
DRIFT = Step(
    "drift",
    "textmill.tasks.drift:measure_drift",
    needs_torch=True,
    loads=(
        *(
            part.format(kind=KINDS[kind])
            for kind in LABELLING_KINDS
            for part in (EXAMPLES, NETWORK, ANSWERS, BASELINES)
        ),
        FILTERS,
    ),
)

GRAPH = Graph(
    (
        Shared(
            SAMPLE,
            lambda config: config.sample,
            comes_first=True,
            is_needed=lambda config: config.sample is not None,
        ),
        # Of its own, so that new labels of known texts change nothing from clean on.
        Shared(
            TASK_TEXTS,
            _task_texts_config,
            reads=_text_splits,
            is_needed=lambda config: bool(_text_splits(config)),
        ),
        Shared(CLEAN, _clean_config, {"task_texts": TASK_TEXTS}, reads=_clean_reads),
        Shared(MEASURE, _measure_config, is_needed=_has_open_sizes),
        Shared(
            BUDGET,
            _budget_config,
            {"corpus": CLEAN, "speed": MEASURE},
            reads=_budget_reads,
            is_needed=_has_open_sizes,
        ),
        Shared(
            TOKENIZER,
            lambda config: config.tokenizer.sized(),
            {"corpus": CLEAN},
            reads=_tokenizer_reads,
            after=(BUDGET,),
        ),
        Shared(TOKENS, lambda _: TokensConfig(), {"corpus": CLEAN, "tokenizer": TOKENIZER}),
        Shared(
            PRETRAIN,
            _pretrain_config,
            {"tokens": TOKENS, "tokenizer": TOKENIZER},
            reads=_pretrain_reads,
            after=(BUDGET,),
        ),
        Shared(
            EVALUATE_LM,
            _language_model_config,
            {"backbone": PRETRAIN, "tokens": TOKENS},
            scores=LM,
        ),
        PerTask(
            BASELINE,
            _baseline_config,
            reads=lambda task: (Split(task, "train"), Split(task, "test")),
        ),
        PerTask(
            FINETUNE,
            _finetune_config,
            {"backbone": PRETRAIN},
            reads=_finetune_reads,
            # BASELINE reports invalid examples in seconds, before hours of training.
            after=(BASELINE, BUDGET),
        ),
        PerTask(
            EVALUATE,
            _itself,
            {"model": FINETUNE},
            reads=lambda task: (Split(task, "test"),),
            has_scores=True,
        ),
        # Last, as it takes longer than all other steps of the task together.
        PerTask(
            CURVE,
            _curve_config,
            {"backbone": PRETRAIN},
            reads=_curve_reads,
            after=(BASELINE, BUDGET),
            is_needed=lambda task: task.curve.enabled,
        ),
        Shared(
            DRIFT,
            _drift_config,
            {"backbone": PRETRAIN, "tokens": TOKENS, "language": EVALUATE_LM},
            reads=lambda config: (NewText(config.retrain.drift),),
            is_part=False,
            task_inputs={"model": FINETUNE, "evaluation": EVALUATE},
            of_tasks=lambda config: config.retrain.drift.tasks,
        ),
    )
)
"""The pipeline, and the drift step, which runs separately."""


def awaits_sizes(part: Part, config: Config) -> bool:
    """Return whether sizes in a part's configuration are still to be chosen for the budget."""
    return BUDGET in part.node.after and _has_open_sizes(config)
