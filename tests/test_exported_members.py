"""Specifies the public names of every package: what other packages and users import from it."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import yaml

import textmill
import textmill_flows

PUBLIC: dict[str, list[str]] = yaml.safe_load(
    Path(__file__).with_name("exported_members.yaml").read_text(encoding="utf-8")
)

ROOTS = {
    module.__name__: Path(str(module.__file__)).parent for module in (textmill, textmill_flows)
}
MODULES = {
    package if file.name == "__init__.py" else f"{package}.{file.stem}": file
    for root, folder in ROOTS.items()
    for file in sorted(folder.rglob("*.py"))
    for package in [".".join((root, *file.parent.relative_to(folder).parts))]
}
PACKAGES = sorted(name for name, file in MODULES.items() if file.name == "__init__.py")
LARGE = ("torch", "mlflow", "prefect", "hydra", "datasets", "pyarrow", "transformers")
LOADING = ("textmill.model", "textmill.model.families", "textmill.training.writing")
"""Packages whose `__init__` defines what it exports."""
DOTTED = re.compile(r"\b(?:textmill|textmill_flows)(?:\.\w+)+\b(?!:)")
"""Not `module:function`, by which the graph names what a step runs: listing it here as well would
put a new step into the keys of all that load the package around it."""


@cache
def mentioned(module: str) -> frozenset[str]:
    """Return the dotted names that a module imports, or loads by name."""
    text = MODULES[module].read_text(encoding="utf-8")
    imports = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom)]
    names = {f"{node.module}.{alias.name}" for node in imports for alias in node.names}
    return frozenset(names.union(DOTTED.findall(text)))


def imported_from_outside(package: str) -> set[str]:
    """Return the submodules of a package that modules outside of it use."""
    prefix = f"{package}."
    outside = (m for m in MODULES if m != package and not m.startswith(prefix))
    names = {name for module in outside for name in mentioned(module)}
    children = {n.removeprefix(prefix).split(".")[0] for n in names if n.startswith(prefix)}
    return {child for child in children if f"{prefix}{child}" in MODULES}


def test_every_package_is_listed() -> None:
    assert sorted(PUBLIC) == PACKAGES


@pytest.mark.parametrize("package", PACKAGES)
def test_the_public_names_of_a_package_are_those_listed(package: str) -> None:
    assert sorted(importlib.import_module(package).__all__) == sorted(PUBLIC[package])


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_is_defined_or_a_submodule(package: str) -> None:
    module = importlib.import_module(package)
    for name in PUBLIC[package]:
        assert hasattr(module, name) or f"{package}.{name}" in MODULES, name


@pytest.mark.parametrize("package", sorted({*PACKAGES} - {"textmill"}))
def test_what_other_packages_import_is_public(package: str) -> None:
    assert imported_from_outside(package) <= {*PUBLIC[package]}


def test_importing_the_packages_loads_no_large_library() -> None:
    code = (
        "import importlib, sys\n"
        f"for name in {[p for p in PACKAGES if p not in LOADING]!r}:\n"
        "    importlib.import_module(name)\n"
        f"print(*[name for name in {LARGE!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_the_version_is_that_of_the_installed_package() -> None:
    assert re.match(r"\d+\.\d+", textmill.__version__)
    with pytest.raises(AttributeError, match="no attribute 'other'"):
        _ = textmill.other
