"""The graph of the pipeline: the single definition of all steps.

It determines the order of execution, partial runs, parallel branches, preloaded modules, labels of
results and lineage. Functions are given as strings, and no step's code is imported, so that the
scheduling process never imports torch.
"""

from __future__ import annotations

from textmill.config import (
    CLASSIFYING_KINDS,
    KINDS,
    AuditStepConfig,
    CleanConfig,
    Config,
    DriftStepConfig,
    LanguageModelStepConfig,
    PretrainStepConfig,
    TokensConfig,
    open_sizes,
)
from textmill.hub_models import MODEL_FILES, TOKENIZER_PARTS
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
from textmill.steps.size_configs import budget_config, measure_config
from textmill.steps.step import Step
from textmill.steps.task_configs import (
    all_examples,
    baseline_config,
    behaviour_config,
    cases_config,
    cases_reads,
    curve_config,
    evaluate_config,
    finetune_config,
    finetune_reads,
    folds_config,
    has_tests,
)
from textmill.steps.text_splits import task_texts_config, text_splits

LM = "lm"
"""Prefix of the language model's scores, in place of the name of a task."""


def _clean_config(config: Config) -> CleanConfig:
    return CleanConfig(**dict(config.corpus))


def _clean_reads(config: Config) -> tuple[Raw, ...]:
    return tuple(map(CorpusSource, config.corpus.sources))


def _budget_reads(config: Config) -> tuple[Raw, ...]:
    return (*_tokenizer_reads(config), *(Split(task, "train") for task in config.tasks))


def _has_open_sizes(config: Config) -> bool:
    return bool(open_sizes(config))


def _tokenizer_reads(config: Config) -> tuple[Raw, ...]:
    place = config.tokenizer.init_from
    return _folder("tokenizer.init_from", place, *TOKENIZER_PARTS)


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


def _language_model_config(config: Config) -> LanguageModelStepConfig:
    accelerator = config.pretrain.accelerator
    return LanguageModelStepConfig(**dict(config.generation), accelerator=accelerator)


def _audits(config: Config) -> bool:
    return config.audit.enabled


def _audit_config(config: Config) -> AuditStepConfig:
    return AuditStepConfig(**dict(config.audit), accelerator=config.pretrain.accelerator)


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
CANARIES = Step("canaries", "textmill.tasks.language_model.memorization.canaries:plant")
TOKENS = Step("tokens", "textmill.corpus.tokens.corpus_tokens:tokenize")
PRETRAIN = Step("pretrain", "textmill.training.pretrain:pretrain", True, True)
FURTHER_METRICS = "{metrics}"
EXAMPLES, NETWORK, ANSWERS, BASELINES, METRICS, JUDGING = (
    f"{{kind}}.{part}"
    for part in ("examples", "network", "answers", "baselines", "metrics", "behaviour")
)
TASK_MODEL = (EXAMPLES, NETWORK, ANSWERS, BASELINES, METRICS)
"""The parts of a kind that train a task's model, or predict with it."""
BASELINE = Step(
    "baseline",
    "textmill.tasks.baseline:baseline",
    loads=(EXAMPLES, BASELINES, METRICS, FURTHER_METRICS),
)
CASES = Step(
    "cases",
    "textmill.tasks.behaviour.cases:write_cases",
    is_quick=True,
    loads=(EXAMPLES, ANSWERS, JUDGING),
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
FOLDS = Step(
    "folds",
    "textmill.tasks.folds.cross_validation:cross_validate",
    True,
    True,
    loads=TASK_MODEL,
)
BEHAVIOUR = Step(
    "behaviour",
    "textmill.tasks.behaviour.testing:run_tests",
    needs_torch=True,
    loads=(EXAMPLES, NETWORK, ANSWERS, BASELINES, JUDGING),
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
AUDIT = Step("audit", "textmill.tasks.language_model.memorization.audit:audit", needs_torch=True)
DRIFT = Step(
    "drift",
    "textmill.tasks.drift:measure_drift",
    needs_torch=True,
    loads=(
        *(
            part.format(kind=KINDS[kind])
            for kind in CLASSIFYING_KINDS
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
            task_texts_config,
            reads=text_splits,
            is_needed=lambda config: bool(text_splits(config)),
        ),
        Shared(CLEAN, _clean_config, {"task_texts": TASK_TEXTS}, reads=_clean_reads),
        Shared(MEASURE, measure_config, is_needed=_has_open_sizes),
        Shared(
            BUDGET,
            budget_config,
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
        # After cleaning, which removes repeated texts and numbers.
        Shared(CANARIES, lambda config: config.audit.planted, {"corpus": CLEAN}, is_needed=_audits),
        Shared(
            TOKENS,
            lambda _: TokensConfig(),
            {"corpus": CLEAN, "tokenizer": TOKENIZER, "canaries": CANARIES},
        ),
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
        Shared(
            AUDIT,
            _audit_config,
            {"backbone": PRETRAIN, "tokens": TOKENS, "canaries": CANARIES},
            is_needed=_audits,
            branch=LM,
        ),
        PerTask(
            BASELINE,
            baseline_config,
            reads=all_examples,
        ),
        # Before training, as it reports invalid tests.
        PerTask(
            CASES,
            cases_config,
            reads=cases_reads,
            is_needed=has_tests,
        ),
        PerTask(
            FINETUNE,
            finetune_config,
            {"backbone": PRETRAIN},
            reads=finetune_reads,
            # BASELINE reports invalid examples in seconds, before hours of training.
            after=(BASELINE, BUDGET),
        ),
        PerTask(
            EVALUATE,
            evaluate_config,
            {"model": FINETUNE},
            reads=lambda task: (Split(task, "test"),),
            has_scores=True,
        ),
        PerTask(
            BEHAVIOUR,
            behaviour_config,
            {"model": FINETUNE, "cases": CASES},
            after=(EVALUATE,),
            is_needed=has_tests,
        ),
        PerTask(
            FOLDS,
            folds_config,
            {"backbone": PRETRAIN},
            reads=finetune_reads,
            after=(BASELINE, BUDGET),
            is_needed=lambda task: task.finetune.folds is not None,
        ),
        # Last, as it takes longer than all other steps of the task together.
        PerTask(
            CURVE,
            curve_config,
            {"backbone": PRETRAIN},
            reads=all_examples,
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
