"""The report of a pipeline run as a self-contained HTML page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from itertools import chain, groupby
from typing import Literal

from humanize import naturalsize
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from textmill.evaluation.notes import LEAK, Note
from textmill.evaluation.significance import Interval
from textmill.evaluation.spreads import Spread
from textmill.reports.charts import Points, histogram_chart, loss_chart
from textmill.reports.corpus import Corpus
from textmill.reports.formats import cut, duration, number
from textmill.reports.selected_examples import Examples
from textmill.reports.tables import audit_table
from textmill.reports.tables.bias_tables import MARK, bounds, marked_share, signed
from textmill.tasks.behaviour.group_differences import GroupDifference
from textmill.tasks.behaviour.verdicts import Summary
from textmill.tasks.language_model.memorization.memorized import Audit


@dataclass(frozen=True)
class Score:
    """One score of a model on a task, with the scores that it is compared with."""

    task: str
    metric: str
    model: float
    baseline: float | None = None
    trivial: float | None = None
    previous: float | None = None
    """The model's score in the previous run."""
    interval: Interval | None = None
    """Its 95 % confidence interval."""
    spreads: Mapping[str, Spread] = field(default_factory=dict)
    """The scores over several trainings, by what these are called: `over seeds`, those with each of
    the model's networks as the only one; or those of a cross-validation."""
    lower_is_better: bool = False

    @property
    def ahead(self) -> Literal["model", "baseline", "equal", ""]:
        """Whether the model or its baseline is better; empty without a baseline."""
        if self.baseline is None:
            return ""
        gain = self._gain_over(self.baseline)
        return "equal" if gain == 0 else "model" if gain > 0 else "baseline"

    @property
    def change(self) -> float | None:
        """The difference to the score of the previous run, or None."""
        return None if self.previous is None else self.model - self.previous

    @property
    def trend(self) -> Literal["better", "worse", ""]:
        """Whether the change, if visible after rounding, is an improvement."""
        if self.previous is None or f"{self.change:.3f}".strip("-") == "0.000":
            return ""
        return "better" if self._gain_over(self.previous) > 0 else "worse"

    def _gain_over(self, other: float) -> float:
        return other - self.model if self.lower_is_better else self.model - other


@dataclass(frozen=True)
class Previous:
    """The run that scores are compared with."""

    name: str
    url: str
    differences: Mapping[str, tuple[str, str]]
    """Changed settings: previous and current value, by name."""


@dataclass(frozen=True)
class Curves:
    """The loss curves of one training."""

    title: str
    curves: Mapping[str, Points]


@dataclass(frozen=True)
class Image:
    """An image: inline, or only linked if it is too large."""

    caption: str
    data_uri: str | None
    url: str


@dataclass(frozen=True)
class Slice:
    """The scores of some of the test examples of a task."""

    column: str
    value: str
    n_examples: int
    scores: Mapping[str, float]
    intervals: Mapping[str, Interval]


@dataclass(frozen=True)
class Task:
    """One task in detail."""

    name: str
    kind: str
    facts: Mapping[str, str]
    baselines: Mapping[str, Mapping[str, float]]
    """Scores of every baseline, by its name."""
    images: tuple[Image, ...]
    examples: Examples
    notes: tuple[Note, ...] = ()
    """Notes on problems of its examples."""
    scores: Mapping[str, float] = field(default_factory=dict)
    """All overall scores of its model, also those that are not compared between runs."""
    intervals: Mapping[str, Interval] = field(default_factory=dict)
    """Their 95 % confidence intervals, and those of behaviour tests; some have none."""
    slices: tuple[Slice, ...] = ()
    """Of the test examples, sorted by column."""
    behaviour: tuple[Summary, ...] = ()
    """What came of its behaviour tests."""
    bias: tuple[GroupDifference, ...] = ()
    """Differences between groups."""

    @property
    def metrics(self) -> tuple[str, ...]:
        """The names of the scores of its model and of the baselines."""
        return tuple(dict.fromkeys(chain(self.scores, *self.baselines.values())))

    @property
    def is_leaking(self) -> bool:
        """Whether test texts are also training texts, and were not dropped."""
        return any(note.name == LEAK and note.is_doubt for note in self.notes)


@dataclass(frozen=True)
class Step:
    """One step, with its result and the resources that it used."""

    label: str
    url: str
    key: str
    digest: str
    is_reused: bool
    seconds: float | None
    memory_mib: float | None
    """Peak memory use of the machine while it ran."""
    processor_percent: float | None
    """Mean utilization of all CPU cores while it ran."""
    gpu_memory_mib: float | None = None
    n_bytes: int | None = None
    """Size of its output."""


@dataclass(frozen=True)
class Branch:
    """One step in the lineage tree."""

    label: str
    url: str
    digest: str
    sources: tuple[str, ...]
    """Descriptions of the raw data that it read."""
    further: tuple[str, ...]
    """Further input steps besides its parent in the tree."""
    children: tuple[Branch, ...]


@dataclass(frozen=True)
class Origin:
    """How to reproduce the run."""

    command: str
    config_name: str
    commit: str
    config_url: str
    packages_url: str

    @property
    def short_commit(self) -> str:
        """The abbreviated commit, with "+changes" if it was modified."""
        commit, plus, changes = self.commit.partition("+")
        return f"{commit[:12]}{plus}{changes}"


@dataclass(frozen=True)
class Report:
    """The content of the report; the page depends on nothing else."""

    experiment: str
    run_name: str
    run_url: str
    date: str
    machine: Mapping[str, str]
    origin: Origin
    is_sample: bool
    seconds: float
    """Wall time of the run so far."""
    failures: Mapping[str, str]
    """Error messages of failed branches."""
    scores: tuple[Score, ...]
    previous: Previous | None
    corpus: Corpus | None
    curves: tuple[Curves, ...]
    tasks: tuple[Task, ...]
    samples: tuple[str, ...]
    """Texts generated by the language model."""
    steps: tuple[Step, ...]
    lineage: tuple[Branch, ...] = ()
    """Lineage trees; the roots are steps that only read raw data."""
    audit: Audit | None = None
    """What the language model has memorized; None: it was not audited."""
    choices: tuple[str, ...] = ()
    """The sizes chosen for the budget and the reasons, one sentence each."""

    @property
    def computed_s(self) -> float:
        """Total time of the steps computed in this run; parallel steps are added up."""
        return sum(step.seconds or 0.0 for step in self.steps if not step.is_reused)

    @property
    def longest_s(self) -> float:
        """Time of the longest step; 1 if none is known."""
        return max((step.seconds or 0.0 for step in self.steps), default=0.0) or 1.0

    @property
    def spreads(self) -> list[str]:
        """What the scores over several trainings are called that any score has."""
        return list(dict.fromkeys(what for score in self.scores for what in score.spreads))

    def scores_of_tasks(self) -> list[tuple[str, list[Score]]]:
        """Return the scores, grouped by task."""
        return [(task, list(group)) for task, group in groupby(self.scores, lambda s: s.task)]

    def tasks_where_ahead(self, who: str) -> list[str]:
        """Return the tasks for which `who` ("model" or "baseline") has the better first score."""
        return [task for task, (first, *_) in self.scores_of_tasks() if first.ahead == who]


@dataclass(frozen=True)
class DataPage:
    """The content of the data page."""

    experiment: str
    run_name: str
    run_url: str
    date: str
    is_sample: bool
    corpus: Corpus


def render(report: Report) -> str:
    """Return the report as HTML; deterministic."""
    return _environment().get_template("report.html.j2").render(report=report)


def render_data(page: DataPage) -> str:
    """Return the data page as HTML; deterministic."""
    return _environment().get_template("data.html.j2").render(page=page)


@cache
def _environment() -> Environment:
    environment = Environment(
        autoescape=True,  # texts of a corpus are untrusted and may contain HTML
        loader=PackageLoader("textmill.reports", "."),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["audit_table"] = audit_table
    environment.globals["MARK"] = MARK
    environment.filters |= {
        "bounds": bounds,
        "chart": lambda curves: Markup(loss_chart(curves)),
        "cut": cut,
        "duration": duration,
        "histogram": lambda lengths: Markup(
            histogram_chart(lengths.edges, lengths.counts, "characters per document", "documents")
        ),
        "marked_share": marked_share,
        "number": number,
        "signed": signed,
        "size": partial(naturalsize, format="%.3g"),
        "words": lambda name: name.replace("_", " "),
    }
    return environment
