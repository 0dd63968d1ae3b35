"""Specifies the size of files, classes and folders, and that modules do not import in circles."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = {"textmill": ROOT / "src" / "textmill", "textmill_flows": ROOT / "flows"}
MAX_FILE_LINES = 400
MAX_CLASS_LINES = 250
MAX_MODULES = 16
SISTERS = (
    r"textmill\.(tasks\..*|evaluation\.metrics|config\.settings)",  # kinds, and their bases
    r"textmill_flows\.pipeline|textmill\.tracking\.pipeline",  # the flow, and the record of its run
)
"""Modules that may have the same name."""
SUFFIXES = ("s", "d", "ed", "r", "er", "ing", "ion")


def module_name(file: Path, package: str, folder: Path) -> str:
    parts = file.relative_to(folder).with_suffix("").parts
    return ".".join([package, *(part for part in parts if part != "__init__")])


FILES = {
    module_name(file, package, folder): file
    for package, folder in PACKAGES.items()
    for file in sorted(folder.rglob("*.py"))
}
TREES = {name: ast.parse(file.read_text(encoding="utf-8")) for name, file in FILES.items()}


def place(file: Path) -> str:
    return str(file.relative_to(ROOT))


def named() -> dict[str, list[str]]:
    """The modules by the last part of their names; packages are rooms, not modules."""
    names: dict[str, list[str]] = defaultdict(list)
    for module, file in FILES.items():
        if file.name != "__init__.py":
            names[file.stem].append(module)
    return names


def sisters(modules: list[str]) -> bool:
    return any(all(re.fullmatch(pattern, module) for module in modules) for pattern in SISTERS)


def statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """What runs when a module is imported, which bodies of functions and TYPE_CHECKING do not."""
    for node in body:
        yield node
        match node:
            case ast.If(test=ast.Name("TYPE_CHECKING")):
                yield from statements(node.orelse)
            case ast.If():
                yield from statements([*node.body, *node.orelse])
            case ast.Try():
                handled = [inner for handler in node.handlers for inner in handler.body]
                yield from statements([*node.body, *handled, *node.orelse, *node.finalbody])
            case ast.With() | ast.ClassDef():
                yield from statements(node.body)


def imports(tree: ast.Module, known: set[str]) -> set[str]:
    """The known modules that a module names in the imports that run when it is imported."""
    found: set[str] = set()
    for node in statements(tree.body):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (inner & known) or {node.module}
    return found & known


def circle(trees: dict[str, ast.Module]) -> list[str]:
    """Modules of which each imports the next, the first and last being the same; or nothing."""
    known = set(trees)
    graph = {name: imports(tree, known) - {name} for name, tree in trees.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(reversed(error.args[1]))  # graphlib lists what is imported first
    return []


def test_no_file_is_longer_than_can_be_read_at_once() -> None:
    sizes = {file: len(file.read_text(encoding="utf-8").splitlines()) for file in FILES.values()}
    long = [f"{place(f)}: {n} lines" for f, n in sizes.items() if n > MAX_FILE_LINES]
    assert not long, f"split these files, the maximum is {MAX_FILE_LINES} lines: {long}"


def test_no_class_does_too_much() -> None:
    classes = [
        (name, node, (node.end_lineno or node.lineno) - node.lineno + 1)
        for name, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    ]
    long = [f"{name}.{node.name}: {n} lines" for name, node, n in classes if n > MAX_CLASS_LINES]
    assert not long, f"split these classes, the maximum is {MAX_CLASS_LINES} lines: {long}"


def test_no_folder_holds_more_than_can_be_surveyed() -> None:
    folders = {file.parent for file in FILES.values()}
    counts = {f: len([m for m in f.glob("*.py") if m.stem != "__init__"]) for f in folders}
    full = [f"{place(folder)}: {n} modules" for folder, n in counts.items() if n > MAX_MODULES]
    assert not full, f"split these folders, the maximum is {MAX_MODULES} modules: {full}"


def test_modules_of_the_same_name_are_sisters() -> None:
    same = [modules for modules in named().values() if len(modules) > 1 and not sisters(modules)]
    assert not same, f"give these modules different names: {same}"


def test_modules_whose_names_differ_by_a_suffix_are_sisters() -> None:
    names = named()
    pairs = [(name, name + suffix) for name in names for suffix in SUFFIXES]
    alike = [names[a] + names[b] for a, b in pairs if b in names]
    found = [modules for modules in alike if not sisters(modules)]
    assert not found, f"give these modules names that differ by more than a suffix: {found}"


def test_modules_do_not_import_in_circles() -> None:
    found = circle(TREES)
    assert not found, f"each of these modules imports the next: {' -> '.join(found)}"


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ({"a": "import b", "b": "from c import x", "c": "import a"}, {"a", "b", "c"}),
        ({"a": "try:\n    from b import x\nexcept ImportError: ...", "b": "import a"}, {"a", "b"}),
        ({"p": "", "p.a": "from p import b", "p.b": "import p.a"}, {"p.a", "p.b"}),
        ({"a": "import b", "b": "def f():\n    import a"}, set()),
        ({"a": "import b", "b": "if TYPE_CHECKING:\n    import a"}, set()),
        ({"a": "import b\nimport c", "b": "import c", "c": ""}, set()),
    ],
)
def test_a_circle_is_found_in_what_an_import_runs(
    texts: dict[str, str], expected: set[str]
) -> None:
    assert set(circle({name: ast.parse(text) for name, text in texts.items()})) == expected
