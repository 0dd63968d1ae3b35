"""A pipeline run as one HTML page that needs nothing beside itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, partial
from itertools import groupby
from typing import Literal

from humanize import naturalsize
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from textmill.evaluation.notes import LEAK, Note
from textmill.evaluation.significance import Interval
from textmill.reports.charts import Points, histogram_chart, loss_chart
from textmill.reports.corpus import Corpus
from textmill.reports.formats import cut, duration, number
from textmill.reports.selected_examples import Examples


@dataclass(frozen=True)
class Score:
    """One score of a model on a task, beside what it is compared with."""

    task: str
    metric: str
    model: float
    baseline: float | None = None
    trivial: float | None = None
    previous: float | None = None
    """The model's score in the previous run."""
    interval: Interval | None = None
    """Its 95 % interval: how much other test examples would change it."""
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
        """What the score has grown by since the previous run."""
        return None if self.previous is None else self.model - self.previous

    @property
    def trend(self) -> Literal["better", "worse", ""]:
        """Whether a change that can be seen is for the better."""
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
    """Settings that differ: by name, their value there and here."""


@dataclass(frozen=True)
class Curves:
    """The losses of one training."""

    title: str
    curves: Mapping[str, Points]


@dataclass(frozen=True)
class Image:
    """A picture: inline, or too large for that and only linked."""

    caption: str
    data_uri: str | None
    url: str


@dataclass(frozen=True)
class Task:
    """One task in detail."""

    name: str
    kind: str
    facts: Mapping[str, str]
    baselines: Mapping[str, Mapping[str, float]]
    """Scores of every simple model, by its name."""
    images: tuple[Image, ...]
    examples: Examples
    notes: tuple[Note, ...] = ()
    """What to know of its examples before believing its scores."""

    @property
    def is_leaking(self) -> bool:
        """Whether test texts are training texts too, and were left there."""
        return any(note.name == LEAK and note.is_doubt for note in self.notes)


@dataclass(frozen=True)
class Step:
    """One step: where its result is, and what it took to compute."""

    label: str
    url: str
    key: str
    digest: str
    is_reused: bool
    seconds: float | None
    memory_mib: float | None
    """Most memory in use on the machine while it ran."""
    processor_percent: float | None
    """Mean use of all processor cores while it ran."""
    gpu_memory_mib: float | None = None
    n_bytes: int | None = None
    """Size of its output."""


@dataclass(frozen=True)
class Branch:
    """One step in the tree of what was made from what."""

    label: str
    url: str
    digest: str
    sources: tuple[str, ...]
    """Raw data that it read, in words."""
    further: tuple[str, ...]
    """Steps whose output it read besides that of the one above it."""
    children: tuple[Branch, ...]


@dataclass(frozen=True)
class Origin:
    """How to repeat the run."""

    command: str
    config_name: str
    commit: str
    config_url: str
    packages_url: str

    @property
    def short_commit(self) -> str:
        """The commit as people quote it, and whether there were changes to it."""
        commit, plus, changes = self.commit.partition("+")
        return f"{commit[:12]}{plus}{changes}"


@dataclass(frozen=True)
class Report:
    """All that the page says; nothing else enters it."""

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
    """Branches that failed, and why."""
    scores: tuple[Score, ...]
    previous: Previous | None
    corpus: Corpus | None
    curves: tuple[Curves, ...]
    tasks: tuple[Task, ...]
    samples: tuple[str, ...]
    """Texts written by the language model."""
    steps: tuple[Step, ...]
    lineage: tuple[Branch, ...] = ()
    """What was made from what, the steps first that began with raw data alone."""

    @property
    def computed_s(self) -> float:
        """Time of the steps computed in this run; those side by side count each."""
        return sum(step.seconds or 0.0 for step in self.steps if not step.is_reused)

    @property
    def longest_s(self) -> float:
        """Time of the longest step; 1 where none is known."""
        return max((step.seconds or 0.0 for step in self.steps), default=0.0) or 1.0

    def scores_of_tasks(self) -> list[tuple[str, list[Score]]]:
        """Return the scores in groups, a task each."""
        return [(task, list(group)) for task, group in groupby(self.scores, lambda s: s.task)]

    def tasks_where_ahead(self, who: str) -> list[str]:
        """Return the tasks in whose first score the model, or its baseline, is better."""
        return [task for task, (first, *_) in self.scores_of_tasks() if first.ahead == who]


@dataclass(frozen=True)
class DataPage:
    """The data part alone, of a run that has no scores."""

    experiment: str
    run_name: str
    run_url: str
    date: str
    is_sample: bool
    corpus: Corpus


def render(report: Report) -> str:
    """Return the page; the same report gives the same bytes."""
    return _environment().get_template("report.html.j2").render(report=report)


def render_data(page: DataPage) -> str:
    """Return the page of the data alone; the same page gives the same bytes."""
    return _environment().get_template("data.html.j2").render(page=page)


@cache
def _environment() -> Environment:
    environment = Environment(
        autoescape=True,  # texts of a corpus are anything, HTML included
        loader=PackageLoader("textmill.reports", "."),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "chart": lambda curves: Markup(loss_chart(curves)),
        "cut": cut,
        "duration": duration,
        "histogram": lambda lengths: Markup(
            histogram_chart(lengths.edges, lengths.counts, "characters in a document", "documents")
        ),
        "number": number,
        "size": partial(naturalsize, format="%.3g"),
        "words": lambda name: name.replace("_", " "),
    }
    return environment
