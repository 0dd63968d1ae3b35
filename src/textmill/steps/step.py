"""The definition of steps, and the code and packages that they depend on.

A step is a plain function `(config, inputs, out)` that reads input folders and fills an output
folder. A training step has a fourth argument, its work folder: it writes checkpoints and
`metrics.jsonl` there, and resumes from them after a kill. Another step may have a cache folder.
Functions are given as strings, so that the scheduling process never imports torch.
"""

from __future__ import annotations

import ast
import importlib.metadata
import importlib.util
import inspect
import sys
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from textmill.config import KINDS, extensions
from textmill.files import digest_bytes, digest_file

PACKAGE = "textmill"
# Excluded from the code of steps: keys contain the validated configuration itself, and errors,
# digests and times do not affect results.
NOT_CODE = {
    "textmill.config",
    "textmill.errors",
    "textmill.files",
    "textmill.hardware",
    "textmill.stage_times",
}


_ast_lock = threading.Lock()


@dataclass(frozen=True)
class Step:
    """A step: its name, its function, and how it is executed."""

    name: str
    function: str
    """`module:function`, imported only in the process that computes the step."""
    is_training: bool = False
    """Whether it trains a model, with a work folder and checkpoints to resume from."""
    needs_torch: bool = False
    """Whether its process is forked from one that has imported torch."""
    has_workers: bool = False
    """Whether it starts worker processes, one per thread that it may use."""
    has_cache: bool = False
    """Whether it has a cache folder for prepared documents, which later runs reuse."""
    is_quick: bool = False
    """Whether it takes seconds: a run that only reuses earlier steps computes it nevertheless, and
    the status of steps after it is that of its new result."""
    chooses_settings: bool = False
    """Whether its result is settings of later steps, whose keys tell whether these have changed: a
    run that only reuses earlier steps computes it nevertheless."""
    loads: tuple[str, ...] = ()
    """Modules that it imports by name; `{kind}` is replaced by the package of its kind of task,
    `{filters}` and `{metrics}` by the extensions in these fields of its configuration."""

    @property
    def module(self) -> str:
        """The module of the function."""
        return self.function.partition(":")[0]

    def label(self, task: str | None = None) -> str:
        """Return the label of its result, with the name of its task, if any."""
        return self.name if task is None else f"{self.name} {task}"


@dataclass(frozen=True)
class Code:
    """The code of a step."""

    modules: dict[str, str]
    """Digest of the syntax tree of every textmill module that the step imports, transitively."""
    packages: dict[str, str]
    """Version of every installed package that those modules import, and of Python."""


@dataclass(frozen=True)
class _Module:
    """A parsed module."""

    file: Path
    content: str
    """Digest of the file."""
    code: str
    """Digest of the syntax tree, without docstrings."""
    imported: frozenset[str]
    """The modules that it imports anywhere, except under `if TYPE_CHECKING`."""


def read_code(steps: Iterable[Step]) -> None:
    """Read the code of steps now, as keys of this process are computed from it."""
    for step in steps:
        code_of(step)


def edited_file(step: Step, values: Mapping[str, Any] | None = None) -> Path | None:
    """Return a file of a step's code that was edited after it was read, or None."""
    for name in code_of(step, values).modules:
        read = _read_module(name)
        try:
            # Parsing is slow, so the digests of the files are compared first.
            if digest_file(read.file) != read.content and _parse(name).code != read.code:
                return read.file
        except (OSError, SyntaxError, ValueError):
            return read.file
    return None


def code_of(step: Step, values: Mapping[str, Any] | None = None) -> Code:
    """Return the modules that a step imports, transitively, and the packages that they import.

    Every file is read only once per process, so later edits do not change the result.

    Args:
        step: the step.
        values: of its configuration; None for the code of all kinds of task.
    """
    modules: dict[str, str] = {}
    packages = {"python": f"{sys.version_info.major}.{sys.version_info.minor}"}
    pending = [step.module, *_with_parents(step.module)]
    for name in _loaded_by_name(step, values):
        pending += _with_parents(name)
    own = {PACKAGE, *(name.partition(".")[0] for name in pending)}
    while pending:
        name = pending.pop()
        if name in modules:
            continue
        module = _read_module(name)
        modules[name] = module.code
        for other in module.imported:
            top = other.partition(".")[0]
            if top in own:
                found = _with_parents(other)
                pending.extend(found if not found & NOT_CODE else ())
            elif top not in sys.stdlib_module_names:
                packages |= {dist: _version(dist) for dist in _distributions().get(top, ())}
    return Code(dict(sorted(modules.items())), dict(sorted(packages.items())))


def _loaded_by_name(step: Step, values: Mapping[str, Any] | None) -> Iterator[str]:
    """Yield the modules that a step imports by name, except for extensions that do not exist."""
    packages: dict[str, Sequence[str]] = {"kind": list(KINDS.values())}
    if values is not None:
        values = values.get("task") or values  # the curve step has the task as a section
        kind = values.get("kind")
        corpus = values.get("corpus") or values  # the drift step has the corpus as a section
        packages = {"filters": corpus.get("filters") or (), "metrics": values.get("metrics") or ()}
        packages["kind"] = [KINDS[kind]] if kind in KINDS else []
    for name in step.loads:
        placeholder, is_pattern, _ = name.removeprefix("{").partition("}")
        for package in packages.get(placeholder, ()) if is_pattern else ("",):
            loaded = name.format(**{placeholder: package})
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
    # Concurrent threads fail with "AST constructor recursion depth mismatch" (seen on CPython
    # 3.11), as the depth counter is global to the interpreter.
    with _ast_lock:
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
    """Yield the nodes of a tree, except those under `if TYPE_CHECKING`, which never run."""
    pending = [tree]
    while pending:
        node = pending.pop()
        yield node
        match node:
            case ast.If(test=ast.Name(id="TYPE_CHECKING"), orelse=orelse):
                pending += orelse
            case _:
                pending += ast.iter_child_nodes(node)


def _drop_docstring(node: ast.AST) -> None:
    """Remove string statements: docstrings of definitions and fields."""
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
    """Return the file of a module, without importing its parents, as `find_spec` would."""
    top, *inner = name.split(".")
    spec = importlib.util.find_spec(top)
    if spec is None or spec.origin is None:
        return None
    if not inner:
        return Path(spec.origin)
    paths = [Path(spec.origin).parent.joinpath(*inner)]
    if name.startswith(f"{extensions.PACKAGE}."):
        paths = [Path(folder, *inner[1:]) for folder in extensions.search_path()]
    files = (file for path in paths for file in (Path(f"{path}.py"), path / "__init__.py"))
    return next((file for file in files if file.is_file()), None)


def _with_parents(name: str) -> set[str]:
    """Return a module and its parent packages, which are imported with it."""
    parts = name.split(".")
    return {".".join(parts[:end]) for end in range(2, len(parts) + 1)}


@cache
def _distributions() -> dict[str, list[str]]:
    """Return the installed distributions by the top-level modules that they provide.

    `importlib.metadata.packages_distributions` is five times slower: it looks for every file.
    """
    found: dict[str, list[str]] = defaultdict(list)
    for distribution in importlib.metadata.distributions():
        declared = distribution.read_text("top_level.txt")
        recorded = distribution.read_text("RECORD") or ""
        for name in set(declared.split() if declared else _recorded_modules(recorded)):
            found[name].append(distribution.metadata["Name"])
    return found


def _recorded_modules(record: str) -> Iterator[str]:
    """Yield the top-level modules and packages of the files in a RECORD."""
    for line in record.splitlines():
        first, separator, _ = line.partition(",")[0].partition("/")
        name = first if separator else inspect.getmodulename(first)
        if name and name.isidentifier():
            yield name


@cache
def _version(distribution: str) -> str:
    return importlib.metadata.version(distribution)
