"""Components of the graph of steps: nodes, their instances in a configuration, and raw data.

A graph determines the order of execution, the dependencies of a command, parallel branches,
preloaded modules, and the labels of results. `graph.py` defines that of the pipeline.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from pydantic import BaseModel

from textmill.config import Config, DriftConfig, SourceConfig, TaskConfig
from textmill.errors import InputError, listed
from textmill.steps.step import Step

C = TypeVar("C", Config, TaskConfig)


@dataclass(frozen=True)
class CorpusSource:
    """Raw text of the corpus."""

    config: SourceConfig


@dataclass(frozen=True)
class Split:
    """Labelled examples of a task."""

    task: TaskConfig
    name: str
    """train, validation or test."""


@dataclass(frozen=True)
class SavedLabels:
    """Labels of a task that people have saved: training examples beside those of its split.

    Unlike these, they are no part of the corpus, nor of the choice of sizes: a few more labels
    train a task's model again, and not the backbone.
    """

    task: TaskConfig


@dataclass(frozen=True)
class ModelTests:
    """A file of tests of a task's model."""

    task: TaskConfig
    setting: str
    """The setting of the file: behaviour or bias."""


@dataclass(frozen=True)
class Folder:
    """Files that initialise a step."""

    key: str
    """The setting of the folder."""
    place: str
    """The folder, or a model of the Hugging Face Hub."""
    files: tuple[str, ...]
    """Names of the files that are read, or patterns."""


@dataclass(frozen=True)
class NewText:
    """Text collected since the models were trained."""

    config: DriftConfig


Raw = CorpusSource | Split | SavedLabels | ModelTests | Folder | NewText
"""Raw data as specified in a configuration, before any file is accessed."""


@dataclass(frozen=True, eq=False)
class _Node(Generic[C]):
    """A step in the graph; its configuration and raw data are functions of C.

    Nodes are unique, and compared by identity.
    """

    step: Step
    configure: Callable[[C], BaseModel | None]
    """Returns the step's configuration, if it is needed and all sizes are chosen."""
    inputs: Mapping[str, Step] = field(default_factory=dict)
    """Steps whose results it reads, by input name; those that a configuration does not need are
    left out."""
    reads: Callable[[C], tuple[Raw, ...]] = lambda _: ()
    """Returns the raw data that it reads."""
    after: tuple[Step, ...] = ()
    """Steps that must succeed first, although it does not read their results."""


@dataclass(frozen=True, eq=False)
class Shared(_Node[Config]):
    """A step that runs once."""

    comes_first: bool = False
    """Whether it generates raw data that other steps read."""
    is_needed: Callable[[Config], bool] = lambda _: True
    """Returns whether a configuration needs the step."""
    is_part: bool = True
    """Whether it is part of a pipeline run; other steps run when a trigger needs them."""
    scores: str | None = None
    """Name under which its scores are recorded; None: it has no scores."""
    branch: str | None = None
    """Name of the branch that it runs in, if that is not the name of its own scores."""
    task_inputs: Mapping[str, Step] = field(default_factory=dict)
    """Per-task steps whose results it reads for several tasks, by prefix of the input name."""
    of_tasks: Callable[[Config], tuple[str, ...]] = lambda _: ()
    """Returns the names of those tasks."""


@dataclass(frozen=True, eq=False)
class PerTask(_Node[TaskConfig]):
    """A step that runs once per task."""

    has_scores: bool = False
    """Whether it has scores, which are recorded under the task's name."""
    is_needed: Callable[[TaskConfig], bool] = lambda _: True
    """Returns whether a task needs the step."""


Node = Shared | PerTask


@dataclass(frozen=True)
class Part:
    """An instance of a step in a configuration, of one task if it runs per task."""

    node: Node
    task: str | None = None

    @property
    def step(self) -> Step:
        """The step to run."""
        return self.node.step

    @property
    def label(self) -> str:
        """Its name in MLflow, Prefect and the terminal."""
        return self.step.label(self.task)

    @property
    def comes_first(self) -> bool:
        """Whether it generates raw data that other steps read."""
        return isinstance(self.node, Shared) and self.node.comes_first

    @property
    def scores(self) -> str | None:
        """Name under which its scores are recorded; None: it has no scores."""
        if isinstance(self.node, Shared):
            return self.node.scores
        return self.task if self.node.has_scores else None

    @property
    def branch(self) -> str | None:
        """Name of its branch: the task, or that of scores; None: it is needed by all branches."""
        own = self.node.branch if isinstance(self.node, Shared) else None
        return self.task or own or self.scores

    def task_config(self, config: Config) -> TaskConfig | None:
        """Return the configuration of its task, if any."""
        return next((task for task in config.tasks if task.name == self.task), None)

    def configure(self, config: Config) -> BaseModel:
        """Return the step's configuration."""
        if isinstance(self.node, Shared):
            made = self.node.configure(config)
        else:
            task = self.task_config(config)
            made = None if task is None else self.node.configure(task)
        assert made is not None, f"{self.label} is not part of this configuration"
        return made

    def exists(self, config: Config) -> bool:
        """Return whether the step is needed for this configuration."""
        if isinstance(self.node, Shared):
            return self.node.is_needed(config)
        task = self.task_config(config)
        return task is not None and self.node.is_needed(task)

    def reads(self, config: Config) -> tuple[Raw, ...]:
        """Return the raw data that the step reads."""
        if isinstance(self.node, Shared):
            return self.node.reads(config)
        task = self.task_config(config)
        assert task is not None
        return self.node.reads(task)


@dataclass(frozen=True)
class Stages:
    """Parts of a run by execution stage."""

    sample: Part | None
    """Generates the sample data."""
    checks: tuple[Part, ...]
    """Steps without inputs that read all examples: run in parallel, before long steps."""
    trunk: tuple[Part, ...]
    """Steps that all others need: run sequentially."""
    branches: Mapping[str, tuple[Part, ...]]
    """Run in parallel, each sequentially: by the name of the task, or of the scores."""


@dataclass(frozen=True)
class Graph:
    """Steps in topological order."""

    nodes: tuple[Node, ...]

    def __post_init__(self) -> None:
        known: set[str] = set()
        for node in self.nodes:
            assert node.step.name not in known, f"{node.step.name} is listed twice"
            further = node.task_inputs.values() if isinstance(node, Shared) else ()
            for needed in (*node.inputs.values(), *node.after, *further):
                assert needed.name in known, f"{node.step.name} is listed before {needed.name}"
            known.add(node.step.name)

    @property
    def steps(self) -> dict[str, Step]:
        """All steps, by name."""
        return {node.step.name: node.step for node in self.nodes}

    @property
    def preloaded(self) -> list[str]:
        """Modules to preload in the fork server of steps that need torch."""
        return list(dict.fromkeys(step.module for step in self.steps.values() if step.needs_torch))

    def node(self, name: str) -> Node:
        """Return the step of that name."""
        return next(node for node in self.nodes if node.step.name == name)

    def part(self, step: Step, task: str | None = None) -> Part:
        """Return the part of a step, of a task if it runs per task."""
        return Part(self.node(step.name), task)

    def parts(self, config: Config) -> tuple[Part, ...]:
        """Return all parts of a pipeline run in order: shared steps, then task by task."""
        shared = [Part(node) for node in self.nodes if isinstance(node, Shared) and node.is_part]
        own = [node for node in self.nodes if isinstance(node, PerTask)]
        of_tasks = [Part(node, task.name) for task in config.tasks for node in own]
        return tuple(part for part in (*shared, *of_tasks) if part.exists(config))

    def inputs(self, part: Part, config: Config) -> dict[str, str]:
        """Return the labels of a part's inputs, by input name."""
        node = part.node
        found = {
            name: self._needed(step, part)
            for name, step in node.inputs.items()
            if self.part(step, part.task).exists(config)
        }
        if isinstance(node, Shared):
            found |= {
                f"{name} {task}": step.label(task)
                for task in node.of_tasks(config)
                for name, step in node.task_inputs.items()
            }
        return found

    def needs(self, part: Part, config: Config) -> set[str]:
        """Return the labels of all direct dependencies of a part."""
        after = {self._needed(step, part) for step in part.node.after}
        return after | {*self.inputs(part, config).values()}

    def _needed(self, step: Step, part: Part) -> str:
        """Return the label of a dependency of a part, of the same task if it runs per task."""
        return step.label(part.task if isinstance(self.node(step.name), PerTask) else None)

    def up_to(self, config: Config, *labels: str) -> tuple[Part, ...]:
        """Return the parts with these labels and all their dependencies, in execution order."""
        parts = self.parts(config)
        known = {part.label: part for part in parts}
        needed = {part.label for part in parts if part.comes_first}
        waiting = list(labels)
        while waiting:
            label = waiting.pop()
            if label not in needed:
                needed.add(label)
                waiting.extend(self.needs(known[label], config) & known.keys())
        return tuple(part for part in parts if part.label in needed)

    def starting_at(self, config: Config, name: str) -> tuple[tuple[Part, ...], frozenset[str]]:
        """Return the parts of a run that starts at a step, in execution order.

        Args:
            config: the whole configuration.
            name: label of a part, or name of a step for all its tasks.

        Returns:
            The parts, and the labels of those that precede the start, whose results are reused;
            quick steps, and those that choose settings, may be computed.

        Raises:
            InputError: there is no such step.
        """
        parts = self.parts(config)
        starts = {part.label for part in parts if name in (part.label, part.step.name)}
        if not starts:
            known = [part.label for part in parts]
            raise InputError(f"There is no step {name!r}: use one of {listed(known)}.")
        computed = starts | {part.label for part in self.after(config, parts, *starts)}
        needed = self.up_to(config, *computed)
        earlier = (part for part in needed if part.label not in computed)
        return needed, frozenset(
            part.label for part in earlier if not (part.step.is_quick or part.step.chooses_settings)
        )

    def after(self, config: Config, parts: Iterable[Part], *labels: str) -> tuple[Part, ...]:
        """Return the parts that depend on one of these labels; parts are in execution order."""
        reached = set(labels)
        found: list[Part] = []
        for part in parts:
            if self.needs(part, config) & reached:
                reached.add(part.label)
                found.append(part)
        return tuple(found)

    def stages(self, parts: Iterable[Part]) -> Stages:
        """Return the parts of a run by execution stage."""
        sample: Part | None = None
        checks: list[Part] = []
        trunk: list[Part] = []
        branches: dict[str, list[Part]] = {}
        for part in parts:
            if part.comes_first:
                sample = part
            elif part.branch is None:
                trunk.append(part)
            elif part.task is not None and not part.node.inputs:
                checks.append(part)
            else:
                branches.setdefault(part.branch, []).append(part)
        in_order = {name: tuple(branch) for name, branch in branches.items()}
        return Stages(sample, tuple(checks), tuple(trunk), in_order)

    def parse(self, label: str) -> Part | None:
        """Return the part with a label, or None for an unknown step."""
        name, _, task = label.partition(" ")
        return Part(self.node(name), task or None) if name in self.steps else None

    def scored(self, labels: Iterable[str]) -> dict[str, str]:
        """Return the labels of parts with scores, by the name under which these are recorded."""
        parts = {label: self.parse(label) for label in labels}
        return {part.scores: label for label, part in parts.items() if part and part.scores}

    def in_order(self, labels: Collection[str], tasks: Iterable[str]) -> list[str]:
        """Return labels in execution order; unknown ones at the end.

        Args:
            labels: labels of results.
            tasks: names of tasks in order.
        """

        def places() -> Iterator[str]:
            yield from (node.step.name for node in self.nodes if isinstance(node, Shared))
            for task in tasks:
                for node in self.nodes:
                    if isinstance(node, PerTask):
                        yield node.step.label(task)

        known = [label for label in places() if label in labels]
        return [*known, *sorted({*labels} - {*known})]
