"""The configuration as pydantic models, one for each group in conf/.

Every model is frozen and forbids unknown keys. The values decide what a step computes and are part
of its key, but for fields marked `NOT_IN_KEY`, which cannot change a result: where files lie, how
often to save, how many to run at once. No computation belongs here: the key of a step holds these
values and not this module's code.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class _NotInKey:
    """Marks a field that cannot change the result of a step."""


NOT_IN_KEY = _NotInKey()

Location = Annotated[str, Field(min_length=1), NOT_IN_KEY]
"""A file, folder or glob. Steps are keyed by the digests of files, never by where they lie."""

Accelerator = Literal["auto", "cpu", "cuda"]
Precision = Literal["auto", "32", "bf16"]


class Settings(BaseModel):
    """Base of all groups: unknown keys are errors, values cannot be changed."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SampleConfig(Settings):
    """Size of the generated sample data: the sample group of conf/demo.yaml."""

    seed: int = 0
    """Seed of the generator; the same seed gives the same bytes."""
    n_documents: int = Field(9000, ge=100)
    """Documents of raw text for pretraining, planted dirt included."""
    n_train: int = Field(2000, ge=20)
    """Labelled training examples for each task."""
    n_test: int = Field(500, ge=20)
    """Labelled test examples for each task."""


class SourceConfig(Settings):
    """One source of raw text: an entry of corpus.sources."""

    name: str = Field(min_length=1)
    """Name of the source, kept with every document."""
    path: Location | None = None
    """File, folder or glob: .txt, .jsonl, .csv or .parquet, plain or as .gz or .zst."""
    hub: str | None = None
    """Hub data set id, or a local data set folder, to load through `datasets` instead of a path."""
    subset: str | None = None
    """Configuration name of the hub data set."""
    split: str = "train"
    """Split of the hub data set."""
    revision: str | None = None
    """Commit of the hub data set; None takes the newest and records which it was."""
    text: str = "text"
    """Column that holds the text."""
    language: str = "und"
    """BCP 47 language tag; "und" when unknown."""
    documents: Literal["file", "paragraph", "line"] = "file"
    """What is one document in a plain text file; paragraphs are separated by blank lines."""
    join_chars: int = Field(0, ge=0)
    """Join consecutive paragraphs or lines until a document has this many characters; 0: never."""

    @model_validator(mode="after")
    def _path_or_hub(self) -> Self:
        if (self.path is None) == (self.hub is None):
            raise ValueError(
                f"source {self.name!r} needs either a path or a hub id: give exactly one."
            )
        return self


class ExactDuplicatesConfig(Settings):
    """Dropping documents whose cleaned text was seen before."""

    enabled: bool = True


class RedactionConfig(Settings):
    """Replacing personal data by typed placeholders."""

    enabled: bool = True
    phone_regions: tuple[str, ...] = ("US", "GB", "DE")
    """ISO 3166 countries, in capitals, whose national telephone number formats are recognised."""


class CorpusConfig(Settings):
    """What text goes in and how it is cleaned: the conf/corpus/ group."""

    sources: tuple[SourceConfig, ...] = Field(min_length=1)
    repair_unicode: bool = True
    """Mend mojibake and other encoding accidents with ftfy."""
    strip_html: bool = True
    """Remove HTML tags, scripts, styles and comments, and decode character references."""
    min_chars: int = Field(20, ge=1)
    """Cleaned documents with fewer characters are dropped."""
    exact_duplicates: ExactDuplicatesConfig = ExactDuplicatesConfig()
    redaction: RedactionConfig = RedactionConfig()
    validation_share: float = Field(0.05, gt=0, lt=1)
    """Share of documents held out for validation, chosen by the hash of the document id."""
    max_bad_share: float = Field(0.1, ge=0, le=1)
    """The step stops when more than this share of a source's records cannot be read."""

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [source.name for source in self.sources]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two sources are called {name!r}: give each its own name.")
        return self


class TokenizerConfig(Settings):
    """Byte-level BPE: the conf/tokenizer/ group."""

    vocab_size: int = Field(8192, ge=300)
    """Entries of the vocabulary, special tokens and the 256 bytes included."""
    min_frequency: int = Field(2, ge=1)
    """Pairs seen less often are not merged."""


class ModelConfig(Settings):
    """Shape and arrangement of the transformer: the conf/model/ group."""

    n_layer: int = Field(4, gt=0)
    n_head: int = Field(4, gt=0)
    """Attention heads per layer; must divide n_embd."""
    n_embd: int = Field(256, gt=0)
    """Width of the residual stream, in channels."""
    block_size: int = Field(128, gt=1)
    """Context length in tokens."""
    vocab_size: int | None = Field(None, gt=0)
    """Rows of the embedding; None takes the size of the tokenizer."""
    position: Literal["learned", "sinusoidal", "rotary"] = "rotary"
    activation: Literal["relu", "gelu", "relu_squared", "swiglu"] = "relu_squared"
    norm: Literal["layer", "rms"] = "rms"
    norm_placement: Literal["pre", "post"] = "pre"
    """Normalise before the sublayer, or after the residual addition (Vaswani et al. 2017)."""
    qk_norm: bool = True
    """Normalise queries and keys per head (Henry et al. 2020)."""
    tie_embeddings: bool = True
    """Use the token embedding as output layer too."""
    bias: bool = False
    """Biases in linear layers and layer norms."""
    dropout: float = Field(0.0, ge=0, lt=1)

    @model_validator(mode="after")
    def _heads_divide_width(self) -> Self:
        if self.n_embd % self.n_head:
            fits = self.n_head * math.ceil(self.n_embd / self.n_head)
            raise ValueError(
                f"n_embd={self.n_embd} is not a multiple of n_head={self.n_head}: "
                f"set n_embd to {fits}, or change n_head."
            )
        if self.position == "rotary" and (self.n_embd // self.n_head) % 2:
            raise ValueError(
                f"rotary positions need an even head width, and n_embd/n_head is "
                f"{self.n_embd // self.n_head}: change n_embd or n_head, or set position=learned."
            )
        return self


class OptimizationConfig(Settings):
    """What pretraining and fine-tuning have in common: optimizer, batches, device, checkpoints."""

    seed: int = 0
    """Seed of initial weights, data order and dropout."""
    micro_batch_size: int = Field(32, gt=0)
    """Sequences per forward pass."""
    accumulate: int = Field(1, gt=0)
    """Micro-batches per optimizer step."""
    optimizer: Literal["adamw", "muon"] = "adamw"
    """muon: matrices by Muon (Jordan et al. 2024), embeddings, heads and vectors by AdamW."""
    learning_rate: float = Field(1e-3, gt=0)
    """Peak learning rate; Muon's steps are scaled to AdamW's (Liu et al. 2025, section 2.2)."""
    schedule: Literal["cosine", "linear", "warmup_stable_decay"] = "cosine"
    """How the learning rate falls after the warm-up."""
    final_learning_rate_share: float = Field(0.1, ge=0, le=1)
    """Learning rate at the last step as a share of the peak."""
    decay_share: float = Field(0.2, gt=0, le=1)
    """Share of the steps after warm-up in which warmup_stable_decay lets the rate fall."""
    muon_momentum: float = Field(0.95, ge=0, lt=1)
    weight_decay: float = Field(0.1, ge=0)
    """Decoupled weight decay of matrices; embeddings, norms and biases are not decayed."""
    beta1: float = Field(0.9, ge=0, lt=1)
    beta2: float = Field(0.95, ge=0, lt=1)
    gradient_clip: float = Field(1.0, gt=0)
    """Largest norm of the gradient over all parameters."""
    accelerator: Accelerator = "auto"
    """auto: a CUDA GPU where there is one, else the CPU."""
    precision: Precision = "auto"
    """auto: bf16 mixed where the processor computes it natively, else 32-bit."""
    log_every_steps: int = Field(10, gt=0)
    checkpoint_every_steps: Annotated[int, NOT_IN_KEY] = Field(200, gt=0)
    keep_checkpoints: Annotated[int, NOT_IN_KEY] = Field(2, gt=0)


class PretrainConfig(OptimizationConfig):
    """Pretraining of the backbone: the conf/pretrain/ group."""

    objective: Literal["causal", "masked", "hybrid"] = "causal"
    """causal: predict the next token; masked: predict hidden ones; hybrid: both in every batch."""
    masked_share: float = Field(0.5, gt=0, lt=1)
    """Share of a micro-batch's rows that the hybrid objective trains by masked prediction."""
    mask_share: float = Field(0.15, gt=0, lt=1)
    """Share of the tokens that are hidden in masked rows (Devlin et al. 2019)."""
    max_steps: int = Field(600, gt=0)
    """Optimizer steps."""
    warmup_steps: int = Field(50, ge=0)
    """Steps of linear warm-up."""
    validate_every_steps: int = Field(200, gt=0)
    validation_blocks: int = Field(512, gt=0)
    """Most blocks used by a validation during training; the final evaluation uses all."""

    @model_validator(mode="after")
    def _warmup_fits(self) -> Self:
        if self.warmup_steps >= self.max_steps:
            raise ValueError(
                f"warmup_steps={self.warmup_steps} leaves nothing of max_steps={self.max_steps}: "
                "set warmup_steps below max_steps."
            )
        return self

    @model_validator(mode="after")
    def _hybrid_has_both(self) -> Self:
        n_masked = round(self.masked_share * self.micro_batch_size)
        if self.objective == "hybrid" and not 0 < n_masked < self.micro_batch_size:
            raise ValueError(
                f"masked_share={self.masked_share} of micro_batch_size={self.micro_batch_size} "
                "rows leaves one half of objective=hybrid without a row: set masked_share nearer "
                "to 0.5, or micro_batch_size higher."
            )
        return self


class FinetuneConfig(OptimizationConfig):
    """Fine-tuning of one task: the finetune section, which each task may override."""

    weight_decay: float = Field(0.01, ge=0)
    beta2: float = Field(0.98, ge=0, lt=1)
    epochs: int = Field(3, gt=0)
    """Passes over the training examples; the best one on the validation split is kept."""
    warmup_share: float = Field(0.1, ge=0, lt=1)
    """Share of the steps with linear warm-up."""
    label_smoothing: float = Field(0.05, ge=0, lt=1)
    """Szegedy et al. 2016, section 7."""
    dropout: float = Field(0.1, ge=0, lt=1)
    """Dropout in the backbone and before the task's head."""
    attention: Literal["bidirectional", "causal"] = "bidirectional"
    """Whether a token sees all others or those before it; a kind that writes allows one alone."""


class TokensConfig(Settings):
    """The tokens step has no settings of its own: corpus and tokenizer decide."""


class PretrainStepConfig(Settings):
    """What the pretrain step depends on."""

    model: ModelConfig
    pretrain: PretrainConfig


class TaskConfig(Settings):
    """What all kinds of task have in common: an entry of tasks, or a file of conf/task/."""

    kind: str
    name: str = Field(pattern=r"^[a-z][a-z0-9_-]*$")
    """Name of the task in commands, runs and metrics; lower case."""
    train: Location
    """File of training examples (.jsonl, .csv or .parquet), or the split's name on the hub."""
    test: Location
    """File of test examples; never used for training or selection."""
    validation: Location | None = None
    """File of examples to select the best epoch by; None splits them off the training file."""
    validation_share: float = Field(0.1, gt=0, lt=1)
    """Share of the training examples used for validation when no file is given."""
    hub: str | None = None
    """Hub data set id; train, test and validation then name its splits."""
    subset: str | None = None
    revision: str | None = None
    max_bad_share: float = Field(0.0, ge=0, le=1)
    """The step stops when more than this share of a file's records cannot be read."""
    finetune: FinetuneConfig = FinetuneConfig()


class ClassificationConfig(TaskConfig):
    """One label for a text."""

    kind: Literal["classification"]
    text: str = "text"
    """Column that holds the text."""
    label: str = "label"
    """Column that holds the label."""


class TaggingConfig(TaskConfig):
    """The entities of a text, from a tag for each of its words."""

    kind: Literal["tagging"]
    tokens: str = "tokens"
    """Column that holds the list of words."""
    tags: str = "ner_tags"
    """Column that holds the list of their tags in strict IOB2: O, B-TYPE, I-TYPE."""


class TranslationFinetuneConfig(FinetuneConfig):
    """Fine-tuning of a translation task: the target is written from its beginning to its end."""

    attention: Literal["causal"] = "causal"


class TranslationConfig(TaskConfig):
    """A text in another language."""

    kind: Literal["translation"]
    source: str = "source"
    """Column that holds the text to translate."""
    target: str = "target"
    """Column that holds its translation."""
    target_language: str = "und"
    """BCP 47 tag of the target's language, by which BLEU tells words apart; "und" when unknown."""
    train_target: Location | None = None
    """Plain text with the translation of each line of `train`, which then is plain text too."""
    test_target: Location | None = None
    """The same for `test`."""
    validation_target: Location | None = None
    """The same for `validation`."""
    source_share: float = Field(0.5, gt=0, lt=1)
    """Largest share of the context that a source may take; a longer one is cut."""
    finetune: TranslationFinetuneConfig = TranslationFinetuneConfig()

    @model_validator(mode="after")
    def _columns_differ(self) -> Self:
        if self.source == self.target:
            raise ValueError(f"source and target are one column, {self.source!r}: name two.")
        return self

    @model_validator(mode="after")
    def _targets_have_sources(self) -> Self:
        if self.hub is not None and (self.train_target or self.test_target):
            raise ValueError(
                "a hub data set has columns for source and target: leave out train_target and "
                "test_target, or hub."
            )
        if self.validation_target is not None and (self.validation is None or self.hub is not None):
            raise ValueError("validation_target needs a file of sources: set validation too.")
        return self


AnyTask = Annotated[
    ClassificationConfig | TaggingConfig | TranslationConfig, Field(discriminator="kind")
]
"""Every kind of task, told apart by `kind`."""


class GenerationConfig(Settings):
    """Sample texts written at the evaluation of the language model."""

    prompts: tuple[str, ...] = ()
    max_new_tokens: int = Field(48, gt=0)
    temperature: float = Field(0.8, ge=0)
    """0 always takes the likeliest token."""
    top_k: int | None = Field(50, gt=0)
    seed: int = 0


class PromotionConfig(Settings):
    """When a new model takes the place of the champion: the promotion section."""

    enabled: bool = True
    """Register the models of a run, and let them challenge the champions."""
    alpha: float = Field(0.01, gt=0, lt=0.5)
    """Largest p-value (one-sided, paired, on the same test set) at which a challenger is better.

    A champion is challenged again and again, and every challenge is a chance for luck: so it is
    below the usual 0.05."""
    seed_noise: float = Field(1.0, ge=0)
    """What training with other seeds is taken to change: so many standard errors of the paired
    difference. Where the registry knows of retraining that changed more, that counts."""
    margin: float = Field(0.01, ge=0, lt=1)
    """A cheaper challenger is not worse if it loses less than this share of the champion's score,
    with the certainty that `alpha` asks for."""
    cheaper: Literal["parameters", "seconds", "either"] = "parameters"
    """What a cheaper model saves; the seconds of its evaluation depend on what else ran."""
    saving: float = Field(0.1, gt=0, lt=1)
    """Least share of the cost that a cheaper model saves."""
    floors: dict[str, dict[str, float]] = {}
    """By task (the language model is `lm`) and metric, what a champion has to reach at least; of
    losses, at most."""


class TrackingConfig(Settings):
    """Where results live: the conf/tracking/ group."""

    uri: Annotated[str | None, NOT_IN_KEY] = None
    """MLflow tracking URI; None means MLFLOW_TRACKING_URI, or the database in `home`."""
    home: Location = "mlruns"
    """Folder of the default store, of work in progress and of Prefect's history."""
    system_metrics: Annotated[bool, NOT_IN_KEY] = True
    """Log processor and memory use of every step."""
    mlflow_port: Annotated[int, NOT_IN_KEY] = Field(5000, gt=0, lt=65536)
    prefect_port: Annotated[int, NOT_IN_KEY] = Field(4200, gt=0, lt=65536)


class ClusterConfig(Settings):
    """How work is spread: the conf/cluster/ group."""

    max_parallel_tasks: Annotated[int, NOT_IN_KEY] = Field(2, gt=0)
    """Branches over tasks that run at once; processor threads are shared out among them."""
    max_trainings: Annotated[int | None, NOT_IN_KEY] = Field(None, gt=0)
    """Trainings that run at once in all runs of this store on this machine, which share its
    accelerator; further ones wait. None sets no limit."""


class DriftConfig(Settings):
    """When new text is too unlike the last training corpus: the retrain.drift section."""

    path: Location | None = None
    """File, folder or glob of new text, of the kinds that a source of the corpus may have."""
    text: str = "text"
    """Column that holds the text."""
    documents: Literal["file", "paragraph", "line"] = "file"
    """What is one document in a plain text file."""
    min_documents: int = Field(50, gt=0)
    """Fewer documents of new text say too little: nothing is measured."""
    max_documents: int = Field(1000, gt=0)
    """Most documents measured; of more, those with the smallest hashes are."""
    max_bits_ratio: float = Field(1.25, gt=0)
    """Bits per byte that the backbone needs for the new text, over those for its validation
    split, above which the text has drifted."""
    rare_count: int = Field(5, ge=0)
    """A token that occurs at most so often in the training split is rare; 0 means unknown ones."""
    max_rare_increase: float = Field(0.02, ge=0, le=1)
    """Share of rare tokens in the new text, less their share in the validation split, above which
    the text has drifted."""
    tasks: tuple[str, ...] = ()
    """Classification tasks whose labels are predicted for the new text."""
    max_label_shift: float = Field(0.2, ge=0, le=1)
    """Distance between the shares of predicted labels in the new text and in the test examples
    (half the sum of absolute differences) above which the text has drifted."""


class DriftStepConfig(Settings):
    """What the drift step depends on."""

    drift: DriftConfig
    corpus: CorpusConfig
    """How the new text is cleaned."""


class RetrainConfig(Settings):
    """Retraining by itself: the retrain section."""

    retries: int = Field(2, ge=0)
    """How often an event whose run failed may be tried again, now or at a later tick."""
    retry_delay_s: float = Field(60, ge=0)
    """Seconds between a failed run and the next try."""
    time_limit_s: float | None = Field(None, gt=0)
    """Seconds after which one run is ended; its trainings go on from their checkpoints when the
    trigger is asked again at a later tick. None sets no limit."""
    concurrency_limit: str | None = None
    """Global concurrency limit of a shared Prefect server that a retraining holds, for several
    machines with one tracking store; on one machine a lock beside the store does that."""
    drift: DriftConfig = DriftConfig()


class NotifyConfig(Settings):
    """Who is told of what: an entry of notify."""

    event: Literal["failed", "promoted", "drifted"]
    block: str | None = None
    """Prefect block that is sent the message, such as slack-webhook/NAME or webhook/NAME."""
    command: str | None = None
    """Program with its arguments, which gets the message on standard input and the facts as
    environment variables (TEXTMILL_EVENT, TEXTMILL_RUN_URL, ...); no shell reads it."""

    @model_validator(mode="after")
    def _block_or_command(self) -> Self:
        if (self.block is None) == (self.command is None):
            raise ValueError(f"the entry for {self.event} needs a block or a command: give one.")
        if self.block is not None and self.block.count("/") != 1:
            raise ValueError(f"block {self.block!r} is not of the form TYPE/NAME.")
        return self


class Config(Settings):
    """A whole configuration, as a file of conf/ composes it."""

    experiment: str = Field("textmill", min_length=1)
    """MLflow experiment."""
    data_root: Location | None = None
    """Folder that files of conf/ name their data by."""
    sample: SampleConfig | None = None
    """Generate sample data; paths that begin with `sample:` are inside it."""
    corpus: CorpusConfig
    tokenizer: TokenizerConfig = TokenizerConfig()
    model: ModelConfig = ModelConfig()
    pretrain: PretrainConfig = PretrainConfig()
    finetune: FinetuneConfig = FinetuneConfig()
    """Defaults for every task's own finetune section."""
    tasks: tuple[AnyTask, ...] = ()
    generation: GenerationConfig = GenerationConfig()
    promotion: PromotionConfig = PromotionConfig()
    tracking: TrackingConfig = TrackingConfig()
    cluster: ClusterConfig = ClusterConfig()
    retrain: Annotated[RetrainConfig, NOT_IN_KEY] = RetrainConfig()
    notify: Annotated[tuple[NotifyConfig, ...], NOT_IN_KEY] = ()
    """Who is told when a run has failed, a model is promoted, or new text has drifted."""

    @model_validator(mode="after")
    def _sample_paths_have_a_sample(self) -> Self:
        paths = [source.path for source in self.corpus.sources]
        paths += [path for task in self.tasks for path in (task.train, task.test, task.validation)]
        for path in paths:
            if self.sample is None and path is not None and path.startswith("sample:"):
                raise ValueError(f"{path} is sample data, and sample is not set: set it.")
        return self

    @model_validator(mode="after")
    def _drift_tasks_are_classifications(self) -> Self:
        kinds = {task.name: task.kind for task in self.tasks}
        for name in self.retrain.drift.tasks:
            if kinds.get(name) != "classification":
                raise ValueError(
                    f"retrain.drift.tasks: {name!r} is no classification task of this "
                    "configuration: name one, or none."
                )
        return self

    @model_validator(mode="after")
    def _task_names_differ(self) -> Self:
        names = [task.name for task in self.tasks]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two tasks are called {name!r}: give each its own name.")
        if "lm" in names:
            raise ValueError(
                "a task is called 'lm', as the language model's scores are: rename it."
            )
        return self
