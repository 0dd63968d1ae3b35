"""Configuration of generation, promotion, tracking, cluster, retraining and notifications."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from textmill.config.data import CorpusConfig, TextFilesConfig
from textmill.config.masked import Address, BlockName, Command
from textmill.config.settings import NOT_IN_KEY, Location, Settings
from textmill.config.tasks import CLASSIFYING_KINDS, TaskConfig
from textmill.config.training import Accelerator

GenerationPrecision = Literal["auto", "32", "bf16", "int8"]

LANGUAGE_FLOORS = "language/"
"""Prefix of the entries of promotion.floors that apply to a language instead of a task."""
BEHAVIOUR_SCORES = "behaviour/"
"""Prefix of the scores of behaviour tests, in promotion.floors and MLflow."""
BIAS_SCORES = "bias/"
"""Prefix of the scores of bias reports, in promotion.floors and MLflow; lower is better."""


class SamplingConfig(Settings):
    """How the next token of a text is chosen; the settings apply in this order."""

    repetition_penalty: float = Field(1.0, ge=0.01, le=100)
    """Divides positive logits of the tokens that the prompt or the text contains, and multiplies
    negative ones (CTRL; Keskar et al. 2019, section 4.1); 1 does nothing."""
    temperature: float = Field(0.8, ge=0, le=100)
    """Divides the logits; 0 is greedy decoding."""
    top_k: int | None = Field(50, gt=0)
    """Sample from the k likeliest tokens only; None: from all."""
    top_p: float = Field(1.0, gt=0, le=1)
    """Sample from the fewest likeliest tokens with this probability in total (nucleus sampling;
    Holtzman et al. 2020); 1: from all."""
    min_p: float = Field(0.0, ge=0, le=1)
    """Sample from tokens with this share of the likeliest token's probability (Nguyen et al. 2024);
    0: from all."""


MAX_STOPS, MAX_STOP_LENGTH = 16, 100
"""Maximum stop strings, and characters of each: all are searched for after every token."""


def _as_tuple(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


_StopString = Annotated[str, Field(min_length=1, max_length=MAX_STOP_LENGTH)]
StopStrings = Annotated[
    tuple[_StopString, ...],
    Field(max_length=MAX_STOPS),
    BeforeValidator(
        _as_tuple,
        json_schema_input_type=_StopString
        | Annotated[list[_StopString], Field(max_length=MAX_STOPS)],
    ),
]
"""One string, or several."""


class GenerationConfig(SamplingConfig):
    """How texts are generated, and the prompts of those in the evaluation of the language model."""

    prompts: tuple[str, ...] = ()
    max_new_tokens: int = Field(48, gt=0)
    """Maximum tokens of a text, after those of its prompt."""
    stop: StopStrings = ()
    """A text ends before the first of these strings, at most 16 of at most 100 characters."""
    samples: int = Field(1, gt=0)
    """Texts per prompt."""
    seed: int = Field(0, ge=0, lt=2**63)
    """Random seed of the first text of a prompt; that of the next is one higher."""
    when_full: Literal["slide", "stop"] = "slide"
    """When the context is full, continue with its newer half as the context, or stop. With `slide`,
    the end of a prompt longer than the context is read; with `stop`, it is an error."""
    precision: Annotated[GenerationPrecision, NOT_IN_KEY] = "32"
    """Of the weights in `textmill generate` and of the backbone in `textmill serve`: auto is bf16
    where the processor computes it natively; int8 is for CPUs. Evaluations have 32 bits."""


class LanguageModelStepConfig(GenerationConfig):
    """Configuration of the evaluation of the language model."""

    accelerator: Accelerator = "auto"
    """That of pretraining."""


class PromotionConfig(Settings):
    """When a new model replaces the champion: the promotion section."""

    enabled: bool = True
    """Register the models of a run, and compare them with the champions."""
    must_beat: Literal["baseline", "trivial"] | None = "baseline"
    """The simple model that a promoted model must not be worse than: the classical baseline of its
    kind (such as naive-Bayes regression or IBM Model 1), or the trivial model, which the first
    model of a task must be better than in either case; None: neither. The backbone has only the
    trivial one, token frequencies."""
    alpha: float = Field(0.01, gt=0, lt=0.5)
    """Maximum p-value (one-sided, paired, on the same test set) at which a challenger is better.

    Lower than the usual 0.05, because a champion is challenged repeatedly."""
    seed_noise: float = Field(1.0, ge=0)
    """Assumed effect of training with another seed, in standard errors of the paired difference. If
    retraining in the registry has changed more, or the networks of a model with several
    finetune.seeds, or the trainings of a cross-validation (finetune.folds), differ more, the
    largest effect counts."""
    margin: float = Field(0.01, ge=0, lt=1)
    """Non-inferiority margin: a cheaper challenger may lose up to this share of the champion's
    score, at the significance level `alpha`."""
    cheaper: Literal["parameters", "seconds", "either"] = "parameters"
    """Cost that a cheaper model saves; the seconds of its evaluation depend on what else ran."""
    saving: float = Field(0.1, gt=0, lt=1)
    """Minimum share of the cost that a cheaper model saves."""
    floors: dict[str, dict[str, float]] = {}
    """Minimum of a champion's metric (maximum for losses), by task (the language model is `lm`) and
    metric; `behaviour/TEST` and `behaviour/mean` are the shares of passed behaviour tests, and
    `bias/max_difference` and `bias/max_flips` the largest differences between groups (a maximum);
    `audit/…` of `lm` are the scores of the memorization audit, which have maxima.
    `language/TAG` applies to every translation into that language that has the metric, and, if all
    sources declare that language or `corpus.languages` lists it alone, to every other task and the
    language model."""

    def check_tests(self, tasks: Sequence[TaskConfig]) -> None:
        """Raise ValueError if there is a floor for tests of a model that a task does not have."""
        for task in tasks:
            for metric in self.floors.get(task.name, {}):
                for prefix, setting, what in (
                    (BEHAVIOUR_SCORES, "behaviour", "behaviour tests"),
                    (BIAS_SCORES, "bias", "bias report"),
                ):
                    if metric.startswith(prefix) and getattr(task, setting) is None:
                        raise ValueError(
                            f"promotion.floors.{task.name}.{metric}: the task has no {what}: "
                            f"set tasks.{task.name}.{setting}, or remove the floor."
                        )


PERMISSIONS = {"private": 0o700, "group": 0o770}
"""Permissions of folders, by the name of a mode."""


def _normalize_mode(mode: Any) -> Any:
    """Return a mode as its name, or as four octal digits, however YAML parsed it."""
    if isinstance(mode, int) and not isinstance(mode, bool):
        # YAML parses 0770 as octal and 770 as decimal; no allowed number is both.
        mode = f"{mode:o}" if 0o700 <= mode <= 0o777 else str(mode)
    if mode in PERMISSIONS:
        return mode
    if isinstance(mode, str) and (match := re.fullmatch("0?o?(7[0-7]{2})", mode)):
        return f"0{match[1]}"
    raise ValueError(
        f"unknown mode {mode!r}: use private, group, or the octal permissions of a folder, with "
        "all for the owner, such as 0750."
    )


class TrackingConfig(Settings):
    """The tracking store: the conf/tracking/ group."""

    uri: Annotated[Address | None, NOT_IN_KEY] = None
    """MLflow tracking URI; None means MLFLOW_TRACKING_URI, or the database in `home`."""
    home: Location = "mlruns"
    """Folder of the default store, of work in progress and of Prefect's database."""
    mode: Annotated[str, BeforeValidator(_normalize_mode), NOT_IN_KEY] = "private"
    """Permissions of new files and folders in `home`: private (owner only, 0700 and 0600), group
    (0770 and 0660), or those of a folder in octal digits. Existing folders keep theirs."""
    system_metrics: Annotated[bool, NOT_IN_KEY] = True
    """Log CPU and memory usage of every step."""
    prepared_gib: Annotated[float, NOT_IN_KEY] = Field(10, ge=0)
    """Maximum size, in GiB, of the cache of prepared documents, which makes cleaning a grown corpus
    take only the time of its new documents; 0 disables it."""
    mlflow_port: Annotated[int, NOT_IN_KEY] = Field(5000, gt=0, lt=65536)
    prefect_port: Annotated[int, NOT_IN_KEY] = Field(4200, gt=0, lt=65536)
    host: Annotated[str, NOT_IN_KEY] = Field("127.0.0.1", min_length=1)
    """Address on which the web pages of MLflow and Prefect listen (`textmill ui` and `schedule`).
    Other addresses than loopback, such as 0.0.0.0, require a login, set by TEXTMILL_AUTH
    (USER:PASSWORD) or TEXTMILL_AUTH_FILE."""
    allowed_hosts: Annotated[tuple[str, ...], NOT_IN_KEY] = ()
    """Additional host names, NAME or NAME:PORT, by which browsers reach those pages, such as a
    proxy's, which require a login too. Requests for other names than these and this machine's own
    are rejected."""
    auth: Annotated[bool, NOT_IN_KEY] = False
    """Require the login on loopback too, for machines with several users."""

    @property
    def permissions(self) -> int:
        """Maximum permissions of a new folder in `home`."""
        return PERMISSIONS.get(self.mode) or int(self.mode, 8)


class ClusterConfig(Settings):
    """Execution: the conf/cluster/ group."""

    kind: Annotated[Literal["local", "ray"], NOT_IN_KEY] = "local"
    """Where documents are prepared, and models trained and evaluated: in processes of this machine,
    or on a Ray cluster (textmill[cluster]), whose machines have the same version of textmill and
    the store and all data at the same paths."""
    address: Annotated[Address | None, NOT_IN_KEY] = None
    """Address of the Ray cluster, HOST:PORT of its head node; None starts Ray on this machine."""
    max_parallel_tasks: Annotated[int, NOT_IN_KEY] = Field(2, gt=0)
    """Maximum parallel branches over tasks; processor threads are split among them."""
    max_trainings: Annotated[int | None, NOT_IN_KEY] = Field(None, gt=0)
    """Maximum parallel trainings on this machine over all runs of this store, which share its
    accelerator; further ones wait. None: no limit."""
    price_per_hour: Annotated[float | None, NOT_IN_KEY] = Field(None, ge=0)
    """Price of an hour of this machine, in your currency; None: unknown."""
    watts: Annotated[float | None, NOT_IN_KEY] = Field(None, gt=0)
    """Power consumption of this machine in training; None: unknown."""


class ScalingLaw(Settings):
    """The loss E + A/N^α + B/D^β of N parameters after D tokens: the plan section.

    The defaults are those of Hoffmann et al. 2022, section D.3.
    """

    e: float = Field(1.69, ge=0)
    """The irreducible loss, the entropy of the text, in nats per token."""
    a: float = Field(406.4, gt=0)
    b: float = Field(410.7, gt=0)
    alpha: float = Field(0.34, gt=0)
    beta: float = Field(0.28, gt=0)


class DriftConfig(TextFilesConfig):
    """Drift detection on new text, or on the log of a server: the retrain.drift section."""

    log: Location | None = None
    """Folder of the log of predictions of `textmill serve`, such as mlruns/serving, instead of
    `path`. It need not contain texts: lengths, labels and confidence are compared with those of the
    test examples."""
    min_documents: int = Field(50, gt=0)
    """Minimum documents of new text, or logged predictions of a model; with fewer, drift is not
    measured."""
    max_documents: int = Field(1000, gt=0)
    """Maximum documents measured; of more, those with the smallest hashes, or the newest
    predictions."""
    max_bits_ratio: float = Field(1.25, gt=0)
    """Maximum ratio of the backbone's bits per byte on the new text to those on its validation
    split."""
    rare_count: int = Field(5, ge=0)
    """Maximum count of a rare token in the training split; 0: tokens that do not occur."""
    max_rare_increase: float = Field(0.02, ge=0, le=1)
    """Maximum increase of the share of rare tokens over that in the validation split."""
    tasks: tuple[str, ...] = ()
    """Classification tasks whose labels are predicted for the new text; of a log, the tasks of any
    kind that are compared, all if empty."""
    max_label_shift: float = Field(0.2, ge=0, le=1)
    """Maximum total variation distance between the distributions of predicted labels in the new
    text and in the test examples (half the sum of absolute differences); if texts have any number
    of labels, that of the presence of the label that differs most."""
    max_ks_distance: float = Field(0.2, ge=0, le=1)
    """Maximum Kolmogorov-Smirnov distance between logged predictions and test examples (the largest
    difference of their cumulative distributions) in lengths of inputs and outputs, and in
    confidence."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.path is not None and self.log is not None:
            raise ValueError("retrain.drift has a path and a log: set one of them.")
        return self

    def check_tasks(self, tasks: Sequence[TaskConfig]) -> None:
        """Raise ValueError if drift cannot be measured by a task that is named."""
        is_logged = self.log is not None
        usable = {
            task.name
            for task in tasks
            if is_logged or (task.kind in CLASSIFYING_KINDS and len(task.text_columns) == 1)
        }
        for name in self.tasks:
            if name not in usable and is_logged:
                raise ValueError(
                    f"retrain.drift.tasks: {name!r} is no task of this configuration: remove it."
                )
            if name not in usable:
                raise ValueError(
                    f"retrain.drift.tasks: {name!r} is not a classification of single texts of "
                    "this configuration: use one that is, or remove it."
                )


class DriftStepConfig(Settings):
    """Configuration of the drift step."""

    drift: DriftConfig
    corpus: CorpusConfig
    """Cleaning of the new text."""
    accelerator: Accelerator = "auto"
    """That of pretraining."""


class RetrainConfig(Settings):
    """Automatic retraining: the retrain section."""

    retries: int = Field(2, ge=0)
    """Maximum retries of a failed run for an event, immediately or at a later tick."""
    retry_delay_s: float = Field(60, ge=0)
    """Seconds between a failed run and its retry."""
    time_limit_s: float | None = Field(None, gt=0)
    """Timeout of one run, in seconds; its trainings resume from their checkpoints at a later tick.
    None: no timeout."""
    concurrency_limit: str | None = None
    """Global concurrency limit of a shared Prefect server that a retraining acquires, for several
    machines with one tracking store; on one machine a file lock suffices."""
    drift: DriftConfig = DriftConfig()


class NotifyConfig(Settings):
    """A notification: an entry of notify."""

    event: Literal["failed", "promoted", "drifted"]
    block: BlockName | None = None
    """Prefect block that sends the message, such as slack-webhook/NAME or webhook/NAME."""
    command: Command | None = None
    """Program with its arguments, run without a shell; it gets the message on standard input and
    details as environment variables (TEXTMILL_EVENT, TEXTMILL_RUN_URL, ...). Refer to secrets by
    ${oc.env:NAME}: without a reference, only the program's name is recorded."""

    @model_validator(mode="after")
    def _block_or_command(self) -> Self:
        if (self.block is None) == (self.command is None):
            raise ValueError(f"the entry for {self.event} needs a block or a command: set one.")
        if self.block is not None and self.block.get_secret_value().count("/") != 1:
            raise ValueError(f"block {str(self.block)!r} is not of the form TYPE/NAME: fix it.")
        return self
