"""What a graph of steps consists of: nodes, their parts in one configuration, and raw data.

From a graph follow the order of the work, what a command needs, what runs side by side, which
modules are loaded in advance, and how results are labelled. `graph.py` has the pipeline's.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from pydantic import BaseModel

from textmill.config import Config, DriftConfig, SourceConfig, TaskConfig
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
class Folder:
    """Files that a step starts from."""

    key: str
    """The setting that names the folder."""
    place: str
    files: tuple[str, ...]


@dataclass(frozen=True)
class NewText:
    """Text that has come in since the models were trained."""

    config: DriftConfig


Raw = CorpusSource | Split | Folder | NewText
"""Raw data as a configuration names them, before anybody has looked at them."""


@dataclass(frozen=True, eq=False)
class _Node(Generic[C]):
    """A step of the graph; its configuration and its raw data are functions of C.

    It stands there once, and is equal to itself alone.
    """

    step: Step
    configure: Callable[[C], BaseModel | None]
    """Returns the step's own configuration; None where there is nothing for it to do."""
    inputs: Mapping[str, Step] = field(default_factory=dict)
    """The steps whose results it reads, by the names that it knows these by."""
    reads: Callable[[C], tuple[Raw, ...]] = lambda _: ()
    """Returns the raw data that it reads."""
    after: tuple[Step, ...] = ()
    """Steps that have to succeed first, though it reads nothing of them."""


@dataclass(frozen=True, eq=False)
class Shared(_Node[Config]):
    """A step that there is once."""

    comes_first: bool = False
    """Generates raw data that the configuration names: whatever reads those needs it."""
    is_part: bool = True
    """Part of a pipeline run. Others are run when a trigger asks for them."""
    scores: str | None = None
    """What the scores that it measures stand under; None: it measures none."""
    task_inputs: Mapping[str, Step] = field(default_factory=dict)
    """Results of several tasks that it reads, by names to which the task's is added."""
    of_tasks: Callable[[Config], tuple[str, ...]] = lambda _: ()
    """Returns the names of those tasks."""


@dataclass(frozen=True, eq=False)
class PerTask(_Node[TaskConfig]):
    """A step that there is once for each task."""

    has_scores: bool = False
    """Measures scores, which stand under the task's name."""


Node = Shared | PerTask


@dataclass(frozen=True)
class Part:
    """A step of one configuration: of one task, where there is one for each."""

    node: Node
    task: str | None = None

    @property
    def step(self) -> Step:
        """The step to run."""
        return self.node.step

    @property
    def label(self) -> str:
        """What it is called in MLflow, on Prefect's page and in the terminal."""
        return self.step.label(self.task)

    @property
    def comes_first(self) -> bool:
        """Whether it generates raw data that others read."""
        return isinstance(self.node, Shared) and self.node.comes_first

    @property
    def scores(self) -> str | None:
        """What the scores that it measures stand under; None: it measures none."""
        if isinstance(self.node, Shared):
            return self.node.scores
        return self.task if self.node.has_scores else None

    def task_config(self, config: Config) -> TaskConfig | None:
        """Return the task that it belongs to, if any."""
        return next((task for task in config.tasks if task.name == self.task), None)

    def configure(self, config: Config) -> BaseModel:
        """Return the step's own configuration."""
        made = self._configure(config)
        assert made is not None, f"{self.label} is not part of this configuration"
        return made

    def exists(self, config: Config) -> bool:
        """Return whether there is anything to do for this configuration."""
        return self._configure(config) is not None

    def _configure(self, config: Config) -> BaseModel | None:
        if isinstance(self.node, Shared):
            return self.node.configure(config)
        task = self.task_config(config)
        return None if task is None else self.node.configure(task)

    def reads(self, config: Config) -> tuple[Raw, ...]:
        """Return the raw data that the step reads."""
        if isinstance(self.node, Shared):
            return self.node.reads(config)
        task = self.task_config(config)
        assert task is not None
        return self.node.reads(task)


@dataclass(frozen=True)
class Stages:
    """Parts of a run, by when they run."""

    sample: Part | None
    """Generates data that the configuration names."""
    checks: tuple[Part, ...]
    """Need nothing computed, and read all examples: side by side, before anything that is long."""
    trunk: tuple[Part, ...]
    """What all else needs: one after the other."""
    branches: Mapping[str, tuple[Part, ...]]
    """Side by side, each in its order: by the name of the task, or of the scores."""


@dataclass(frozen=True)
class Graph:
    """Steps, each after those that it needs."""

    nodes: tuple[Node, ...]

    def __post_init__(self) -> None:
        known: set[str] = set()
        for node in self.nodes:
            assert node.step.name not in known, f"{node.step.name} stands twice"
            further = node.task_inputs.values() if isinstance(node, Shared) else ()
            for needed in (*node.inputs.values(), *node.after, *further):
                assert needed.name in known, f"{node.step.name} stands before {needed.name}"
            known.add(node.step.name)

    @property
    def steps(self) -> dict[str, Step]:
        """All steps, by name."""
        return {node.step.name: node.step for node in self.nodes}

    @property
    def preloaded(self) -> list[str]:
        """The modules that a process loads from which those that need torch are forked."""
        return list(dict.fromkeys(step.module for step in self.steps.values() if step.needs_torch))

    def node(self, name: str) -> Node:
        """Return the step of that name."""
        return next(node for node in self.nodes if node.step.name == name)

    def part(self, step: Step, task: str | None = None) -> Part:
        """Return a step, of a task where there is one for each."""
        return Part(self.node(step.name), task)

    def parts(self, config: Config) -> tuple[Part, ...]:
        """Return all parts of a whole run in their order: what is shared, then task by task."""
        shared = [Part(node) for node in self.nodes if isinstance(node, Shared) and node.is_part]
        own = [node for node in self.nodes if isinstance(node, PerTask)]
        of_tasks = [Part(node, task.name) for task in config.tasks for node in own]
        return tuple(part for part in (*shared, *of_tasks) if part.exists(config))

    def inputs(self, part: Part, config: Config) -> dict[str, str]:
        """Return the labels of what a part reads, by the names that its step knows them by."""
        node = part.node
        found = {name: self._needed(step, part) for name, step in node.inputs.items()}
        if isinstance(node, Shared):
            found |= {
                f"{name} {task}": step.label(task)
                for task in node.of_tasks(config)
                for name, step in node.task_inputs.items()
            }
        return found

    def needs(self, part: Part, config: Config) -> set[str]:
        """Return the labels of all that has to be there before a part."""
        after = {self._needed(step, part) for step in part.node.after}
        return after | {*self.inputs(part, config).values()}

    def _needed(self, step: Step, part: Part) -> str:
        """Return the label of a step before a part, which is of the same task if it is of one."""
        return step.label(part.task if isinstance(self.node(step.name), PerTask) else None)

    def up_to(self, config: Config, *labels: str) -> tuple[Part, ...]:
        """Return these parts of a run and all that they need, in the order of the work."""
        parts = self.parts(config)
        known = {part.label: part for part in parts}
        needed = {part.label for part in parts if part.comes_first}
        waiting = list(labels)
        while waiting:
            label = waiting.pop()
            if label not in needed:
                needed.add(label)
                waiting.extend(self.needs(known[label], config))
        return tuple(part for part in parts if part.label in needed)

    def after(self, config: Config, parts: Iterable[Part], *labels: str) -> tuple[Part, ...]:
        """Return those parts, given in the order of the work, that need one of these labels."""
        reached = set(labels)
        found: list[Part] = []
        for part in parts:
            if self.needs(part, config) & reached:
                reached.add(part.label)
                found.append(part)
        return tuple(found)

    def stages(self, parts: Iterable[Part]) -> Stages:
        """Return parts of a run by when they run."""
        sample: Part | None = None
        checks: list[Part] = []
        trunk: list[Part] = []
        branches: dict[str, list[Part]] = {}
        for part in parts:
            if part.comes_first:
                sample = part
            elif part.task is None and part.scores is None:
                trunk.append(part)
            elif part.task is not None and not part.node.inputs:
                checks.append(part)
            else:
                branches.setdefault(part.task or str(part.scores), []).append(part)
        in_order = {name: tuple(branch) for name, branch in branches.items()}
        return Stages(sample, tuple(checks), tuple(trunk), in_order)

    def parse(self, label: str) -> Part | None:
        """Return the part of that label, or None for a step that the graph does not know."""
        name, _, task = label.partition(" ")
        return Part(self.node(name), task or None) if name in self.steps else None

    def scored(self, labels: Iterable[str]) -> dict[str, str]:
        """Return the labels of those that measure scores, by what these stand under."""
        parts = {label: self.parse(label) for label in labels}
        return {part.scores: label for label, part in parts.items() if part and part.scores}

    def in_order(self, labels: Collection[str], tasks: Iterable[str]) -> list[str]:
        """Return labels in the order of the work, whatever ended first; unknown ones at the end.

        Args:
            labels: of results.
            tasks: names of tasks in their order.
        """

        def places() -> Iterator[str]:
            yield from (node.step.name for node in self.nodes if isinstance(node, Shared))
            for task in tasks:
                for node in self.nodes:
                    if isinstance(node, PerTask):
                        yield node.step.label(task)

        known = [label for label in places() if label in labels]
        return [*known, *sorted({*labels} - {*known})]
