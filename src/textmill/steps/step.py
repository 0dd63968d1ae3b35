"""What a step is, and the code and packages that it is made of.

A step is a plain function `(config, inputs, out)` that reads input folders and fills an output
folder. A training step takes a fourth argument, its work folder, which survives a kill: it keeps
checkpoints and `metrics.jsonl` there and goes on from them. Another may take a place for a cache.
Functions are named as strings, so that the process that orders steps never loads torch.
"""

from __future__ import annotations

import ast
import importlib.metadata
import importlib.util
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from textmill.config import KINDS, extensions
from textmill.files import digest_bytes, digest_file

PACKAGE = "textmill"
# Not part of any step's code: the key holds the validated values themselves, and errors, digests
# and times do not enter results.
NOT_CODE = {
    "textmill.config",
    "textmill.errors",
    "textmill.files",
    "textmill.hardware",
    "textmill.stage_times",
}


_parsing = threading.Lock()


@dataclass(frozen=True)
class Step:
    """A step: what it is called, which function computes it, and how it has to be run."""

    name: str
    function: str
    """`module:function`, imported only in the process that computes."""
    is_training: bool = False
    """Trains a model: takes a work folder, and is resumed from its checkpoints."""
    needs_torch: bool = False
    """Runs in a process forked from one that has loaded torch already."""
    has_workers: bool = False
    """Starts processes of its own, as many as it may use threads."""
    has_cache: bool = False
    """Takes a place for what it has prepared, which later runs of it need not prepare again."""
    loads: tuple[str, ...] = ()
    """Modules that it loads by name; `{kind}` stands for the package of its kind of task, and
    `{filters}` and `{metrics}` for the extensions that its configuration names under these."""

    @property
    def module(self) -> str:
        """The module that holds the function."""
        return self.function.partition(":")[0]

    def label(self, task: str | None = None) -> str:
        """Return what a result of it is called, with the name of the task that it belongs to."""
        return self.name if task is None else f"{self.name} {task}"


@dataclass(frozen=True)
class Code:
    """What a step's code consists of."""

    modules: dict[str, str]
    """Digest of the syntax tree of every textmill module that the step reaches."""
    packages: dict[str, str]
    """Version of every installed package that those modules import, and of Python."""


@dataclass(frozen=True)
class _Module:
    """A module as its file was when it was read."""

    file: Path
    content: str
    """Digest of the file."""
    code: str
    """Digest of the syntax tree, without docstrings."""
    imported: frozenset[str]
    """The modules it imports anywhere inside, but for those that only types are taken from."""


def read_code(steps: Iterable[Step]) -> None:
    """Read the code of steps, which keys are made from as long as this process lives."""
    for step in steps:
        code_of(step)


def edited_file(step: Step, values: Mapping[str, Any] | None = None) -> Path | None:
    """Return a file of a step's code that says something else than its key, if there is one."""
    for name in code_of(step, values).modules:
        read = _read_module(name)
        try:
            # Comparing the files first spares the slow reading of their code.
            if digest_file(read.file) != read.content and _parse(name).code != read.code:
                return read.file
        except (OSError, SyntaxError, ValueError):
            return read.file
    return None


def code_of(step: Step, values: Mapping[str, Any] | None = None) -> Code:
    """Return the modules that a step reaches through imports, and the packages they use.

    Every file is read once: that it is edited later does not change what this returns.

    Args:
        step: the step.
        values: of its configuration; None: any, so the code of all kinds of task.
    """
    modules: dict[str, str] = {}
    packages = {"python": f"{sys.version_info.major}.{sys.version_info.minor}"}
    waiting = [step.module, *_with_parents(step.module)]
    for name in _loaded_by_name(step, values):
        waiting += _with_parents(name)
    own = {PACKAGE, *(name.partition(".")[0] for name in waiting)}
    while waiting:
        name = waiting.pop()
        if name in modules:
            continue
        module = _read_module(name)
        modules[name] = module.code
        for other in module.imported:
            top = other.partition(".")[0]
            if top in own:
                reached = _with_parents(other)
                waiting.extend(reached if not reached & NOT_CODE else ())
            elif top not in sys.stdlib_module_names:
                packages |= {dist: _version(dist) for dist in _distributions().get(top, ())}
    return Code(dict(sorted(modules.items())), dict(sorted(packages.items())))


def _loaded_by_name(step: Step, values: Mapping[str, Any] | None) -> Iterator[str]:
    """Yield the modules that a step loads by name; those of extensions that are gone are none."""
    places: dict[str, Sequence[str]] = {"kind": list(KINDS.values())}
    if values is not None:
        kind = values.get("kind")
        corpus = values.get("corpus") or values  # what measures drift cleans as the corpus is
        places = {"filters": corpus.get("filters") or (), "metrics": values.get("metrics") or ()}
        places["kind"] = [KINDS[kind]] if kind in KINDS else []
    for name in step.loads:
        placeholder, is_pattern, _ = name.removeprefix("{").partition("}")
        for place in places.get(placeholder, ()) if is_pattern else ("",):
            loaded = name.format(**{placeholder: place})
            if _file_of(loaded) is not None:
                yield loaded


@cache
def _read_module(name: str) -> _Module:
    return _parse(name)


def _parse(name: str) -> _Module:
    file = _file_of(name)
    if file is None:
        raise FileNotFoundError(name)
    content = file.read_bytes()
    # Two threads that build trees at once fail with "AST constructor recursion depth mismatch"
    # (seen on CPython 3.11): its depth counter belongs to the interpreter, not to the thread.
    with _parsing:
        tree = ast.parse(content)
    imported: set[str] = set()
    for node in _nodes_that_run(tree):
        if isinstance(node, ast.Import):
            imported.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = name if file.name == "__init__.py" else name.rpartition(".")[0]
            base = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            imported.add(base)
            inside = (f"{base}.{alias.name}" for alias in node.names)
            imported.update(other for other in inside if _is_module(other, name))
        _drop_docstring(node)
    code = digest_bytes(ast.dump(tree).encode())
    return _Module(file, digest_bytes(content), code, frozenset(imported))


def _nodes_that_run(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of a tree, but for those under `if TYPE_CHECKING`, which never runs."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        match node:
            case ast.If(test=ast.Name(id="TYPE_CHECKING"), orelse=orelse):
                waiting += orelse
            case _:
                waiting += ast.iter_child_nodes(node)


def _drop_docstring(node: ast.AST) -> None:
    """Remove strings that stand as statements: docstrings of definitions and of fields."""
    body = getattr(node, "body", None)
    if isinstance(body, list):
        node.body = [  # type: ignore[attr-defined]
            statement
            for statement in body
            if not (
                isinstance(statement, ast.Expr)
                and isinstance(statement.value, ast.Constant)
                and isinstance(statement.value.value, str)
            )
        ]


def _is_module(name: str, importer: str) -> bool:
    is_ours = name.partition(".")[0] in (PACKAGE, importer.partition(".")[0])
    return is_ours and _file_of(name) is not None


def _file_of(name: str) -> Path | None:
    """Return the file of a module; `find_spec` of a submodule would import the package around."""
    top, *inner = name.split(".")
    spec = importlib.util.find_spec(top)
    if spec is None or spec.origin is None:
        return None
    if not inner:
        return Path(spec.origin)
    places = [Path(spec.origin).parent.joinpath(*inner)]
    if name.startswith(f"{extensions.PACKAGE}."):
        places = [Path(folder, *inner[1:]) for folder in extensions.search_path()]
    files = (file for place in places for file in (Path(f"{place}.py"), place / "__init__.py"))
    return next((file for file in files if file.is_file()), None)


def _with_parents(name: str) -> set[str]:
    """Return a module and the packages around it, whose code runs at its import too."""
    parts = name.split(".")
    return {".".join(parts[:end]) for end in range(2, len(parts) + 1)}


@cache
def _distributions() -> dict[str, list[str]]:
    return dict(importlib.metadata.packages_distributions())


@cache
def _version(distribution: str) -> str:
    return importlib.metadata.version(distribution)
