"""The configuration as pydantic models, one for each group in conf/.

Every model is frozen and forbids unknown keys. The values are part of a step's key, except for
fields marked `NOT_IN_KEY`, which cannot change a result: locations, checkpoint intervals,
parallelism. No computation belongs here: the key of a step contains these values, not this
package's code.
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from textmill.config.architecture import ModelConfig, OpenModelConfig, RotaryScaling
from textmill.config.data import (
    TASK_SOURCE,
    UNREDACTED,
    CleanConfig,
    CorpusConfig,
    DecontaminationConfig,
    ExactDuplicatesConfig,
    HtmlConfig,
    LimitsConfig,
    NearDuplicatesConfig,
    OpenTokenizerConfig,
    RedactionConfig,
    RedactionKind,
    RepeatedLinesConfig,
    SampleConfig,
    SourceConfig,
    SplitTextsConfig,
    TaskTextsConfig,
    TaskTextsStepConfig,
    TextFilesConfig,
    TokenizerConfig,
)
from textmill.config.dial import (
    BudgetStepConfig,
    MeasureStepConfig,
    Positive,
    Sizes,
    open_sizes,
)
from textmill.config.memorization import (
    AUDIT_SCORES,
    VERBATIM_SCORES,
    AuditConfig,
    AuditStepConfig,
    CanariesConfig,
)
from textmill.config.quality import (
    C4Config,
    FineWebConfig,
    GopherQualityConfig,
    GopherRepetitionConfig,
    QualityConfig,
)
from textmill.config.running import (
    BEHAVIOUR_SCORES,
    BIAS_SCORES,
    LANGUAGE_FLOORS,
    ClusterConfig,
    DriftConfig,
    DriftStepConfig,
    GenerationConfig,
    GenerationPrecision,
    LanguageModelStepConfig,
    NotifyConfig,
    PromotionConfig,
    RetrainConfig,
    SamplingConfig,
    ScalingLaw,
    StopStrings,
    TrackingConfig,
)
from textmill.config.safety import (
    PERSONAL_DATA,
    SHIPPED_CATEGORIES,
    FilterAction,
    FilterConfig,
    FilterSide,
    SafetyConfig,
)
from textmill.config.serving import ServeConfig
from textmill.config.settings import (
    AUTO,
    NOT_IN_KEY,
    Location,
    Settings,
    flatten,
    key_values,
)
from textmill.config.space import SweepConfig, ValuesConfig
from textmill.config.tasks import (
    CLASSIFYING_KINDS,
    KINDS,
    LANGUAGE_MODEL,
    AnyTask,
    BehaviourStepConfig,
    CurveConfig,
    CurveStepConfig,
    LabelledConfig,
    LabellingConfig,
    TaskConfig,
    kind_of,
    settings_of,
    takes_labels,
)
from textmill.config.training import (
    Accelerator,
    FinetuneConfig,
    LoRAConfig,
    OpenPretrainConfig,
    OptimizationConfig,
    Packing,
    Precision,
    PretrainConfig,
    PretrainStepConfig,
    TokensConfig,
)
from textmill.errors import listed

RESERVED = {
    "lm": "the language model's scores",
    "baseline": "the baselines' scores",
    "backbone": "the registered backbones",
}
"""Names that tasks cannot have, and what they are reserved for."""

__all__ = [
    "AUDIT_SCORES",
    "AUTO",
    "Accelerator",
    "AnyTask",
    "AuditConfig",
    "AuditStepConfig",
    "BEHAVIOUR_SCORES",
    "BIAS_SCORES",
    "CLASSIFYING_KINDS",
    "BehaviourStepConfig",
    "BudgetStepConfig",
    "C4Config",
    "CanariesConfig",
    "CleanConfig",
    "ClusterConfig",
    "Config",
    "CorpusConfig",
    "CurveConfig",
    "CurveStepConfig",
    "DecontaminationConfig",
    "DriftConfig",
    "DriftStepConfig",
    "ExactDuplicatesConfig",
    "FilterAction",
    "FilterConfig",
    "FilterSide",
    "FineWebConfig",
    "FinetuneConfig",
    "GenerationConfig",
    "GenerationPrecision",
    "GopherQualityConfig",
    "GopherRepetitionConfig",
    "HtmlConfig",
    "KINDS",
    "LANGUAGE_FLOORS",
    "LANGUAGE_MODEL",
    "LabelledConfig",
    "LabellingConfig",
    "LanguageModelStepConfig",
    "LimitsConfig",
    "LoRAConfig",
    "Location",
    "MeasureStepConfig",
    "ModelConfig",
    "NOT_IN_KEY",
    "NearDuplicatesConfig",
    "NotifyConfig",
    "OpenModelConfig",
    "OpenPretrainConfig",
    "OpenTokenizerConfig",
    "OptimizationConfig",
    "PERSONAL_DATA",
    "Packing",
    "Precision",
    "PretrainConfig",
    "PretrainStepConfig",
    "PromotionConfig",
    "QualityConfig",
    "RedactionConfig",
    "RedactionKind",
    "RepeatedLinesConfig",
    "RetrainConfig",
    "RotaryScaling",
    "SHIPPED_CATEGORIES",
    "SafetyConfig",
    "SampleConfig",
    "SamplingConfig",
    "ScalingLaw",
    "ServeConfig",
    "Settings",
    "Sizes",
    "SourceConfig",
    "SplitTextsConfig",
    "StopStrings",
    "SweepConfig",
    "TASK_SOURCE",
    "TaskConfig",
    "TaskTextsConfig",
    "TaskTextsStepConfig",
    "TextFilesConfig",
    "TokenizerConfig",
    "TokensConfig",
    "TrackingConfig",
    "UNREDACTED",
    "VERBATIM_SCORES",
    "ValuesConfig",
    "extensions",
    "flatten",
    "key_values",
    "kind_of",
    "masked",
    "open_sizes",
    "problems",
    "settings_of",
    "takes_labels",
    "space",
]


class Config(Settings):
    """A complete configuration, as composed from conf/."""

    experiment: str = Field("textmill", min_length=1)
    """MLflow experiment."""
    extensions: tuple[Location, ...] = ()
    """Python files, folders or installed modules with filters, metrics and kinds of task."""
    data_root: Location | None = None
    """Folder of the data that files in conf/ refer to."""
    sample: SampleConfig | None = None
    """Generate sample data; paths that begin with `sample:` are inside it."""
    budget_minutes: Positive | None = None
    """Minutes of pretraining and of the tasks on this machine, half for each; sizes that are not
    set are chosen for it. None: all sizes must be set."""
    budget_gib: Positive | None = None
    """Maximum memory of the trainings, in GiB, for which sizes are chosen; None: no maximum."""
    corpus: CorpusConfig
    tokenizer: OpenTokenizerConfig = OpenTokenizerConfig()
    model: OpenModelConfig = OpenModelConfig()
    pretrain: OpenPretrainConfig = OpenPretrainConfig()
    finetune: FinetuneConfig = FinetuneConfig()
    """Defaults for every task's own finetune section."""
    curve: Annotated[CurveConfig, NOT_IN_KEY] = CurveConfig()
    """Defaults for every task's own curve section."""
    sweep: Annotated[SweepConfig, NOT_IN_KEY] = SweepConfig()
    """Defaults for every task's own sweep section."""
    tasks: tuple[AnyTask, ...] = ()
    generation: GenerationConfig = GenerationConfig()
    audit: AuditConfig = AuditConfig()
    safety: Annotated[SafetyConfig, NOT_IN_KEY] = SafetyConfig()
    promotion: PromotionConfig = PromotionConfig()
    tracking: TrackingConfig = TrackingConfig()
    cluster: ClusterConfig = ClusterConfig()
    plan: ScalingLaw = ScalingLaw()
    retrain: Annotated[RetrainConfig, NOT_IN_KEY] = RetrainConfig()
    serve: Annotated[ServeConfig, NOT_IN_KEY] = ServeConfig()
    notify: Annotated[tuple[NotifyConfig, ...], NOT_IN_KEY] = ()
    """Notifications about failed runs, promoted models, or drift of new text."""

    @property
    def text_tasks(self) -> tuple[TaskConfig, ...]:
        """Tasks whose training texts are part of the corpus."""
        is_used = self.corpus.task_texts.enabled
        return tuple(task for task in self.tasks if is_used and task.text_columns)

    @property
    def source_weights(self) -> dict[str, float]:
        """Weights of the sources that have one; that of the tasks' texts as `TASK_SOURCE`."""
        weights = {source.name: source.weight for source in self.corpus.sources}
        if self.text_tasks:
            weights[TASK_SOURCE] = self.corpus.task_texts.weight
        return {name: weight for name, weight in weights.items() if weight is not None}

    @model_validator(mode="after")
    def _corpus_has_text(self) -> Self:
        if not self.corpus.sources and not self.text_tasks:
            raise ValueError(
                "corpus.sources is empty: add a source, or a task whose training texts are used "
                "(corpus.task_texts.enabled=true)."
            )
        return self

    @model_validator(mode="after")
    def _weights_leave_the_rest_something(self) -> Self:
        weights = self.source_weights
        total = sum(weights.values())
        rest = [source.name for source in self.corpus.sources if source.weight is None]
        own = "corpus.task_texts" if self.text_tasks and TASK_SOURCE not in weights else None
        rest += [own] if own else []
        if weights and rest and total >= 1:
            raise ValueError(
                f"the weights of corpus.sources sum to {total:g}, which leaves nothing for "
                f"{listed(rest)}: lower their sum below 1, or set a weight for every source"
                f"{f', and {own}.weight' if own else ''}."
            )
        if not rest and total == 0:
            raise ValueError("every source has weight 0: set one above 0, or remove all weights.")
        return self

    @model_validator(mode="after")
    def _decontaminate_where_task_texts_are_used(self) -> Self:
        settings = self.corpus.decontamination
        if settings.enabled is None:
            chosen = settings.model_copy(update={"enabled": bool(self.text_tasks)})
            corpus = self.corpus.model_copy(update={"decontamination": chosen})
            object.__setattr__(self, "corpus", corpus)  # the model is frozen
        return self

    @model_validator(mode="after")
    def _sample_paths_have_a_sample(self) -> Self:
        paths = [source.path for source in self.corpus.sources]
        paths += [path for task in self.tasks for path in (task.train, task.test, task.validation)]
        for path in paths:
            if self.sample is None and path is not None and path.startswith("sample:"):
                raise ValueError(f"{path} is sample data, but sample is not set: set it.")
        return self

    @model_validator(mode="after")
    def _drift_tasks_are_classifications(self) -> Self:
        self.retrain.drift.check_tasks(self.tasks)
        return self

    @model_validator(mode="after")
    def _behaviour_floors_have_tests(self) -> Self:
        self.promotion.check_tests(self.tasks)
        return self

    @model_validator(mode="after")
    def _audit_fits(self) -> Self:
        self.audit.check(self.model.block_size, self.promotion.floors)
        return self

    @model_validator(mode="after")
    def _sizes_are_set_or_have_a_budget(self) -> Self:
        if self.budget_minutes is None and (missing := open_sizes(self)):
            raise ValueError(
                f"{listed(missing)} {'are' if len(missing) > 1 else 'is'} not set, and there is no "
                "budget_minutes to choose for: set them, or set budget_minutes."
            )
        if self.pretrain.max_steps == 0 and self.pretrain.init_from is None:
            raise ValueError(
                "pretrain.max_steps=0 needs a trained model: set pretrain.init_from, or more steps."
            )
        return self

    @model_validator(mode="after")
    def _overlap_leaves_targets(self) -> Self:
        if self.model.block_size is not None and self.pretrain.overlap >= self.model.block_size:
            raise ValueError(
                f"pretrain.overlap={self.pretrain.overlap} leaves no target in a block of "
                f"model.block_size={self.model.block_size} tokens: set pretrain.overlap below it."
            )
        return self

    @model_validator(mode="after")
    def _tasks_are_redacted_as_the_corpus(self) -> Self:
        redaction = self.corpus.redaction
        for task in self.tasks:
            if "redaction" in task.model_fields_set and task.redaction != redaction:
                raise ValueError(
                    f"tasks.{task.name}.redaction differs from corpus.redaction, which applies to "
                    "all text: remove it."
                )
        tasks = tuple(task.model_copy(update={"redaction": redaction}) for task in self.tasks)
        object.__setattr__(self, "tasks", tasks)  # the model is frozen
        return self

    @model_validator(mode="after")
    def _task_names_differ(self) -> Self:
        names = [task.name for task in self.tasks]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two tasks are named {name!r}: rename one.")
        for name, owner in RESERVED.items():
            if name in names:
                raise ValueError(f"the name {name!r} is reserved for {owner}: rename the task.")
        return self
