"""How and where everything runs, and what becomes of the models."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from textmill.config.data import CorpusConfig, TextFilesConfig
from textmill.config.secrets import Address, BlockName, Command
from textmill.config.settings import NOT_IN_KEY, Location, Settings

LANGUAGE_FLOORS = "language/"
"""Begins a name of promotion.floors that is a language, and no task."""


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
    losses, at most. `language/TAG` binds every translation into that language that has the metric,
    and, where all sources are said to be in that language or `corpus.languages` names it alone,
    every other task and the language model."""


PERMISSIONS = {"private": 0o700, "group": 0o770}
"""Of folders, by the name of a mode."""


def _known_mode(mode: Any) -> Any:
    """Return a mode as its name, or as four octal digits, whichever way YAML has read those."""
    if isinstance(mode, int) and not isinstance(mode, bool):
        # YAML reads 0770 as octal and 770 as decimal; no number that is allowed is both.
        mode = f"{mode:o}" if 0o700 <= mode <= 0o777 else str(mode)
    if mode in PERMISSIONS:
        return mode
    if isinstance(mode, str) and (match := re.fullmatch("0?o?(7[0-7]{2})", mode)):
        return f"0{match[1]}"
    raise ValueError(
        f"there is no mode {mode!r}: write private, group, or the "
        "permissions of a folder in octal digits, of which the owner has all, such as 0750."
    )


class TrackingConfig(Settings):
    """Where results live: the conf/tracking/ group."""

    uri: Annotated[Address | None, NOT_IN_KEY] = None
    """MLflow tracking URI; None means MLFLOW_TRACKING_URI, or the database in `home`."""
    home: Location = "mlruns"
    """Folder of the default store, of work in progress and of Prefect's history."""
    mode: Annotated[str, BeforeValidator(_known_mode), NOT_IN_KEY] = "private"
    """Who may read and write what is made in `home`: private (the owner alone, 0700 and 0600),
    group (0770 and 0660), or the permissions of a folder in octal digits. Folders that are there
    already keep theirs."""
    system_metrics: Annotated[bool, NOT_IN_KEY] = True
    """Log processor and memory use of every step."""
    prepared_gib: Annotated[float, NOT_IN_KEY] = Field(10, ge=0)
    """Most disk space, in GiB, for documents of the corpus that are kept as `clean` has prepared
    them, so that a grown corpus takes only the time of what is new; 0 keeps none."""
    mlflow_port: Annotated[int, NOT_IN_KEY] = Field(5000, gt=0, lt=65536)
    prefect_port: Annotated[int, NOT_IN_KEY] = Field(4200, gt=0, lt=65536)
    host: Annotated[str, NOT_IN_KEY] = Field("127.0.0.1", min_length=1)
    """Address of this machine on which the pages of MLflow and Prefect listen (`textmill ui` and
    `schedule`). Beyond the loopback, as with 0.0.0.0, they ask for a login, which TEXTMILL_AUTH
    (USER:PASSWORD) or TEXTMILL_AUTH_FILE gives."""
    allowed_hosts: Annotated[tuple[str, ...], NOT_IN_KEY] = ()
    """Further names, NAME or NAME:PORT, by which browsers reach those pages, such as a proxy's.
    What asks for any other name than this machine's own is refused."""
    auth: Annotated[bool, NOT_IN_KEY] = False
    """Ask for the login on the loopback too, where several people use one machine."""

    @property
    def permissions(self) -> int:
        """The most permissions of a folder that is made in `home`."""
        return PERMISSIONS.get(self.mode) or int(self.mode, 8)


class ClusterConfig(Settings):
    """How work is spread: the conf/cluster/ group."""

    kind: Annotated[Literal["local", "ray"], NOT_IN_KEY] = "local"
    """Where documents are prepared, and models trained and measured: in processes of this machine,
    or on a Ray cluster (textmill[cluster]), whose machines have the same textmill and see the store
    and all data under the same paths."""
    address: Annotated[Address | None, NOT_IN_KEY] = None
    """Of the Ray cluster, HOST:PORT of its head; None starts Ray on this machine."""
    max_parallel_tasks: Annotated[int, NOT_IN_KEY] = Field(2, gt=0)
    """Branches over tasks that run at once; processor threads are split among them."""
    max_trainings: Annotated[int | None, NOT_IN_KEY] = Field(None, gt=0)
    """Trainings that run at once in all runs of this store on this machine, which share its
    accelerator; further ones wait. None sets no limit."""
    price_per_hour: Annotated[float | None, NOT_IN_KEY] = Field(None, ge=0)
    """Money for an hour of this machine, in your currency; None: unknown."""
    watts: Annotated[float | None, NOT_IN_KEY] = Field(None, gt=0)
    """Power that this machine draws in training; None: unknown."""


class ScalingLaw(Settings):
    """The loss E + A/N^α + B/D^β of N parameters after D tokens: the plan section.

    The defaults are those of Hoffmann et al. 2022, section D.3.
    """

    e: float = Field(1.69, ge=0)
    """The loss of a perfect model: the entropy of the text, in nats a token."""
    a: float = Field(406.4, gt=0)
    b: float = Field(410.7, gt=0)
    alpha: float = Field(0.34, gt=0)
    beta: float = Field(0.28, gt=0)


class DriftConfig(TextFilesConfig):
    """When new text is too unlike the last training corpus: the retrain.drift section."""

    min_documents: int = Field(50, gt=0)
    """Minimum of documents of new text; with fewer nothing is measured."""
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
    block: BlockName | None = None
    """Prefect block that is sent the message, such as slack-webhook/NAME or webhook/NAME."""
    command: Command | None = None
    """Program with its arguments, which gets the message on standard input and the facts as
    environment variables (TEXTMILL_EVENT, TEXTMILL_RUN_URL, ...); no shell reads it. Name its
    secrets by ${oc.env:NAME}: without that, no more than the program is recorded."""

    @model_validator(mode="after")
    def _block_or_command(self) -> Self:
        if (self.block is None) == (self.command is None):
            raise ValueError(f"the entry for {self.event} needs a block or a command: give one.")
        if self.block is not None and self.block.get_secret_value().count("/") != 1:
            raise ValueError(f"block {str(self.block)!r} is not of the form TYPE/NAME.")
        return self
