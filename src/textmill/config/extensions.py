"""Loading of extensions: modules of users with filters, metrics and kinds of task.

A Python file, or a folder that is a package, is imported as a module of `textmill.extensions`; an
installed module keeps its own name. An extension may define:

- `FILTERS`: filters of the corpus, in order (see `textmill.corpus.cleaning.filters`);
- `METRICS`: further metrics by kind of task (see `textmill.evaluation.metrics`);
- a kind of task, if it is a folder with the modules of one (see `textmill.tasks.kinds`).

The code of an extension is in the keys of the steps that load it, and is included in its models.
Which extensions are loaded is configuration, so this module is in no key.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from textmill.config.tasks import KINDS
from textmill.errors import InputError

PACKAGE = "textmill.extensions"
FOLDERS_VARIABLE = "TEXTMILL_EXTENSION_FOLDERS"
"""Environment variable with the folders of extensions, for the processes of a run."""
_OWN = Path(__file__).parents[1] / "extensions"
_loaded: dict[str, Extension] = {}
_names: set[str] = set()


@dataclass(frozen=True)
class Extension:
    """An imported extension."""

    module: ModuleType
    place: Path
    """Its file or folder, which is included in models that need it."""

    @property
    def name(self) -> str:
        """Its name as an imported module."""
        return self.module.__name__

    @property
    def kind(self) -> str | None:
        """The kind of task that it defines, if any."""
        is_kind = self.place.is_dir() and (self.place / "settings.py").is_file()
        return self.place.name if is_kind else None


def load(entries: Iterable[str]) -> tuple[Extension, ...]:
    """Import extensions, unless they are imported already, and register their kinds of task.

    Args:
        entries: absolute paths of Python files or folders, or names of installed modules.

    Raises:
        InputError: a module does not exist, its code fails, or two have the same name.
    """
    return tuple(map(_load, entries))


@dataclass(frozen=True)
class Known:
    """The registered extensions, to be registered in another process.

    Unpickling it registers them; they are imported lazily.
    """

    folders: tuple[str, ...]
    names: frozenset[str]
    kinds: dict[str, str]

    def __reduce__(self) -> tuple[Callable[..., Known], tuple[Any, ...]]:
        """Return the function that restores and registers it, and its arguments."""
        return _restore, (self.folders, self.names, self.kinds)


def known() -> Known:
    """Return the registered extensions, for another process."""
    kinds = {kind: package for kind, package in KINDS.items() if package in _names}
    return Known(_folders(), frozenset(_names), kinds)


def _restore(folders: tuple[str, ...], names: frozenset[str], kinds: dict[str, str]) -> Known:
    _add_folders(folders)
    _names.update(names)
    KINDS.update(kinds)
    return Known(folders, names, kinds)


def find(entry: str) -> Path | None:
    """Return the file or folder of an extension, or None if it does not exist.

    It is not imported, but the parent packages of an installed module are.
    """
    if _is_path(entry):
        return Path(entry) if Path(entry).exists() else None
    try:
        spec = importlib.util.find_spec(entry)
    except ImportError:
        return None
    if spec is None or spec.origin is None:
        return None
    file = Path(spec.origin)
    return file.parent if file.name == "__init__.py" else file


def files_of(place: Path) -> dict[str, Path]:
    """Return the Python files of an extension, by path relative to its parent folder."""
    files = sorted(place.rglob("*.py")) if place.is_dir() else [place]
    return {file.relative_to(place.parent).as_posix(): file for file in files}


def modules(names: Iterable[str]) -> tuple[ModuleType, ...]:
    """Return registered extensions by name; other names are ignored and not imported."""
    return tuple(importlib.import_module(name) for name in names if name in _names)


def imported() -> tuple[ModuleType, ...]:
    """Return the modules of extensions that this process has imported, including submodules."""
    roots = tuple(f"{name}." for name in _names)
    return tuple(sys.modules[n] for n in [*sys.modules] if f"{n}.".startswith(roots))


def loaded() -> tuple[Extension, ...]:
    """Return the extensions that this process has loaded."""
    return tuple(_loaded.values())


def search_path() -> tuple[str, ...]:
    """Return the folders whose files are modules of `textmill.extensions`."""
    return (str(_OWN), *_folders())


def _folders() -> tuple[str, ...]:
    """Return the folders of users' extensions."""
    return tuple(filter(None, os.environ.get(FOLDERS_VARIABLE, "").split(os.pathsep)))


def _add_folders(added: Iterable[str]) -> None:
    """Add folders to the search path of extensions, also for child processes."""
    os.environ[FOLDERS_VARIABLE] = os.pathsep.join(dict.fromkeys((*_folders(), *added)))
    if PACKAGE in sys.modules:
        sys.modules[PACKAGE].__path__[:] = search_path()
    importlib.invalidate_caches()


def _is_path(entry: str) -> bool:
    return os.sep in entry or entry.endswith(".py")


def _load(entry: str) -> Extension:
    if entry not in _loaded:
        extension = _load_file(Path(entry)) if _is_path(entry) else _load_module(entry)
        if extension.kind is not None:
            package = KINDS.setdefault(extension.kind, extension.name)
            if package != extension.name:
                raise InputError(
                    f"extensions: {entry} defines the kind of task {extension.kind!r}, which "
                    f"{package} defines already: rename its folder."
                )
        _loaded[entry] = extension
        _names.add(extension.name)
    return _loaded[entry]


def _load_file(place: Path) -> Extension:
    file = place / "__init__.py" if place.is_dir() else place
    name = place.name.removesuffix(".py")
    if not file.is_file():
        raise InputError(
            f"extensions: {file} does not exist: set a Python file, a folder that is a package, "
            "or an installed module."
        )
    if not name.isidentifier():
        raise InputError(
            f"extensions: {place} cannot be imported, as {name!r} is not a valid identifier: "
            "rename it."
        )
    _add_folders([str(place.parent)])
    extension = Extension(_import(f"{PACKAGE}.{name}", str(place)), place)
    found = Path(str(extension.module.__file__))
    if not found.samefile(file):
        raise InputError(
            f"extensions: {place} and {found} have the same name, {name!r}: rename one of them."
        )
    return extension


def _load_module(name: str) -> Extension:
    module = _import(name, name)
    if module.__file__ is None:
        raise InputError(f"extensions: {name} is a folder without __init__.py: add one.")
    file = Path(module.__file__)
    return Extension(module, file.parent if file.name == "__init__.py" else file)


def _import(name: str, entry: str) -> ModuleType:
    """Return an imported module.

    Raises:
        InputError: it cannot be imported; the message names the line that failed.
    """
    try:
        return importlib.import_module(name)
    except Exception as error:
        sys.modules.pop(name, None)
        frame = traceback.extract_tb(error.__traceback__)[-1]
        raise InputError(
            f"extensions: {entry} cannot be imported ({type(error).__name__}: {error}; "
            f"{frame.filename}, line {frame.lineno}): fix it, or remove it from extensions."
        ) from error


# A served model contains its kind of task inside its copy of textmill.
for _place in _OWN.glob("*/settings.py"):
    KINDS.setdefault(_place.parent.name, f"{PACKAGE}.{_place.parent.name}")
