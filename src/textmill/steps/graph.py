"""The graph of the pipeline: every step once, with all that anything else has to know of it.

From it follow the order of the work, what a command needs, what runs side by side, which modules
are loaded in advance, how results are labelled and shown, and what a result is made from. Functions
are named as strings, and no step's code is imported: what orders steps never loads torch.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from pydantic import BaseModel

from textmill.config import (
    CleanConfig,
    Config,
    DriftConfig,
    DriftStepConfig,
    PretrainStepConfig,
    SourceConfig,
    TaskConfig,
    TestSetConfig,
    TokensConfig,
)
from textmill.steps.step import Step

C = TypeVar("C", Config, TaskConfig)

LANGUAGE_MODEL = "lm"
"""What the scores of the language model stand under, as those of a task under its name."""


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
        # Whatever reads sample data needs them; they come first.
        needed = {part.label for part in parts if part.step == SAMPLE}
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
            if part.step == SAMPLE:
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


def _clean_config(config: Config) -> CleanConfig:
    tests = tuple(map(as_test_set, _cleared_of(config)))
    return CleanConfig(**dict(config.corpus), test_sets=tests)


def as_test_set(task: TaskConfig) -> TestSetConfig:
    """Return what the corpus is compared with of a task."""
    return TestSetConfig(
        name=task.name,
        places=tuple(getattr(task, setting) for setting in task.settings_of("test")),
        hub=task.hub,
        subset=task.subset,
        revision=task.revision,
        encoding=task.encoding,
        columns=tuple(getattr(task, setting) for setting in task.TEXT_SETTINGS),
    )


def _cleared_of(config: Config) -> tuple[TaskConfig, ...]:
    """Return the tasks whose test examples the corpus is cleared of."""
    return config.tasks if config.corpus.decontamination.enabled else ()


def _clean_reads(config: Config) -> tuple[Raw, ...]:
    sources = map(CorpusSource, config.corpus.sources)
    return (*sources, *(Split(task, "test") for task in _cleared_of(config)))


def _tokenizer_reads(config: Config) -> tuple[Raw, ...]:
    place = config.tokenizer.init_from
    return _folder("tokenizer.init_from", place, "tokenizer.json")


def _pretrain_config(config: Config) -> PretrainStepConfig:
    return PretrainStepConfig(
        model=config.model,
        pretrain=config.pretrain,
        weights=config.corpus.weights,
        redaction=config.corpus.redaction,
    )


def _pretrain_reads(config: Config) -> tuple[Raw, ...]:
    place = config.pretrain.init_from
    files = ("config.json", "model.safetensors", "tokenizer.json")
    return _folder("pretrain.init_from", place, *files)


def _folder(key: str, place: str | None, *files: str) -> tuple[Raw, ...]:
    return () if place is None else (Folder(key, place, files),)


def _baseline_config(task: TaskConfig) -> TaskConfig:
    """Return the task without how it is fine-tuned, which must not change a baseline's key."""
    default = type(task).model_fields["finetune"].default
    return task.model_copy(update={"finetune": default})


def _finetune_reads(task: TaskConfig) -> tuple[Raw, ...]:
    """Return the splits that fine-tuning reads; the test, only to leave its texts out."""
    is_read = {
        "train": True,
        "validation": task.validation is not None,
        "test": task.on_leak == "drop",
    }
    return tuple(Split(task, name) for name in is_read if is_read[name])


def _itself(task: TaskConfig) -> TaskConfig:
    return task


SAMPLE = Step("sample", "textmill.sample.generate:generate")
CLEAN = Step("clean", "textmill.corpus.cleaning.clean:clean", has_workers=True, has_cache=True)
TOKENIZER = Step("tokenizer", "textmill.corpus.tokens.tokenizer:train_tokenizer")
TOKENS = Step("tokens", "textmill.corpus.tokens.token_shards:tokenize")
PRETRAIN = Step("pretrain", "textmill.training.pretrain:pretrain", True, True)
EXAMPLES, NETWORK, BASELINES, PAGE = (
    f"textmill.tasks.{{kind}}.{part}" for part in ("examples", "network", "baselines", "page")
)
BASELINE = Step("baseline", "textmill.tasks.baseline:baseline", loads=(EXAMPLES, BASELINES))
FINETUNE = Step(
    "finetune", "textmill.tasks.finetune:finetune", True, True, loads=(EXAMPLES, NETWORK)
)
EVALUATE = Step(
    "evaluate",
    "textmill.tasks.evaluate:evaluate",
    needs_torch=True,
    loads=(EXAMPLES, NETWORK, PAGE),
)
EVALUATE_LM = Step("evaluate-lm", "textmill.training.evaluate_lm:evaluate_lm", needs_torch=True)
DRIFT = Step(
    "drift",
    "textmill.tasks.drift:measure_drift",
    needs_torch=True,
    loads=tuple(part.format(kind="classification") for part in (EXAMPLES, NETWORK)),
)

GRAPH = Graph(
    (
        Shared(SAMPLE, lambda config: config.sample),
        Shared(CLEAN, _clean_config, reads=_clean_reads),
        Shared(
            TOKENIZER,
            lambda config: config.tokenizer,
            {"corpus": CLEAN},
            reads=_tokenizer_reads,
        ),
        Shared(TOKENS, lambda _: TokensConfig(), {"corpus": CLEAN, "tokenizer": TOKENIZER}),
        Shared(
            PRETRAIN,
            _pretrain_config,
            {"tokens": TOKENS, "tokenizer": TOKENIZER},
            reads=_pretrain_reads,
        ),
        Shared(
            EVALUATE_LM,
            lambda config: config.generation,
            {"backbone": PRETRAIN, "tokens": TOKENS},
            scores=LANGUAGE_MODEL,
        ),
        PerTask(
            BASELINE,
            _baseline_config,
            reads=lambda task: (Split(task, "train"), Split(task, "test")),
        ),
        PerTask(
            FINETUNE,
            _itself,
            {"backbone": PRETRAIN},
            reads=_finetune_reads,
            after=(BASELINE,),  # it finds bad examples in seconds, before hours of work
        ),
        PerTask(
            EVALUATE,
            _itself,
            {"model": FINETUNE},
            reads=lambda task: (Split(task, "test"),),
            has_scores=True,
        ),
        Shared(
            DRIFT,
            lambda config: DriftStepConfig(drift=config.retrain.drift, corpus=config.corpus),
            {"backbone": PRETRAIN, "tokens": TOKENS, "language": EVALUATE_LM},
            reads=lambda config: (NewText(config.retrain.drift),),
            is_part=False,
            task_inputs={"model": FINETUNE, "evaluation": EVALUATE},
            of_tasks=lambda config: config.retrain.drift.tasks,
        ),
    )
)
"""The pipeline, and the measuring of drift, which is run by itself."""
