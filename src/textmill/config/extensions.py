"""Users' own modules, which bring filters, metrics and kinds of task: the setting `extensions`.

A Python file, or a folder that is a package, is imported as a module of `textmill.extensions`; an
installed module keeps its own name. What one may define:

- `FILTERS`: filters of the corpus, in their order (see `textmill.corpus.cleaning.filters`);
- `METRICS`: by kind of task, further metrics (see `textmill.evaluation.metrics`);
- a folder with the modules of a kind of task (see `textmill.tasks.kinds`) is the kind of its name.

The code of an extension is in the keys of the steps that load it, and goes with its models. What is
loaded is configuration, so this module is in no key.
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
"""The environment variable by which the processes of a run find the files: folders, one or more."""
_OWN = Path(__file__).parents[1] / "extensions"
_loaded: dict[str, Extension] = {}
_names: set[str] = set()


@dataclass(frozen=True)
class Extension:
    """A module of a user's own."""

    module: ModuleType
    place: Path
    """Its file, or its folder: what goes with models that need it."""

    @property
    def name(self) -> str:
        """What it is imported as."""
        return self.module.__name__

    @property
    def kind(self) -> str | None:
        """The kind of task that it is, if it is one."""
        is_kind = self.place.is_dir() and (self.place / "settings.py").is_file()
        return self.place.name if is_kind else None


def load(entries: Iterable[str]) -> tuple[Extension, ...]:
    """Import extensions, unless they are, and make their kinds of task known.

    Args:
        entries: absolute paths of Python files or folders, or names of installed modules.

    Raises:
        InputError: there is no such module, its code fails, or two have one name.
    """
    return tuple(map(_load, entries))


@dataclass(frozen=True)
class Known:
    """What another process needs to import extensions that this one knows.

    They are known wherever it is unpickled; nothing is imported before it is needed.
    """

    folders: tuple[str, ...]
    names: frozenset[str]
    kinds: dict[str, str]

    def __reduce__(self) -> tuple[Callable[..., Known], tuple[Any, ...]]:
        """Return what makes it anew, and known."""
        return _restore, (self.folders, self.names, self.kinds)


def known() -> Known:
    """Return what is known here, for another process."""
    kinds = {kind: package for kind, package in KINDS.items() if package in _names}
    return Known(_folders(), frozenset(_names), kinds)


def _restore(folders: tuple[str, ...], names: frozenset[str], kinds: dict[str, str]) -> Known:
    _add_folders(folders)
    _names.update(names)
    KINDS.update(kinds)
    return Known(folders, names, kinds)


def find(entry: str) -> Path | None:
    """Return the file or folder of an extension, or None if there is none.

    It is not imported; of an installed module, the packages around it are.
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
    """Return the Python files of an extension, by their names from the folder around it."""
    files = sorted(place.rglob("*.py")) if place.is_dir() else [place]
    return {file.relative_to(place.parent).as_posix(): file for file in files}


def modules(names: Iterable[str]) -> tuple[ModuleType, ...]:
    """Return the extensions of these names; no others are imported, whoever names them."""
    return tuple(importlib.import_module(name) for name in names if name in _names)


def imported() -> tuple[ModuleType, ...]:
    """Return the modules of extensions that this process has imported, those inside them too."""
    roots = tuple(f"{name}." for name in _names)
    return tuple(sys.modules[n] for n in [*sys.modules] if f"{n}.".startswith(roots))


def loaded() -> tuple[Extension, ...]:
    """Return the extensions that this process has imported."""
    return tuple(_loaded.values())


def search_path() -> tuple[str, ...]:
    """Return the folders whose files are modules of `textmill.extensions`."""
    return (str(_OWN), *_folders())


def _folders() -> tuple[str, ...]:
    """Return those of users."""
    return tuple(filter(None, os.environ.get(FOLDERS_VARIABLE, "").split(os.pathsep)))


def _add_folders(added: Iterable[str]) -> None:
    """Let files of further folders be modules, also in processes that are started here."""
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
                    f"extensions: {entry} is a kind of task called {extension.kind!r}, as "
                    f"{package} is: rename its folder."
                )
        _loaded[entry] = extension
        _names.add(extension.name)
    return _loaded[entry]


def _load_file(place: Path) -> Extension:
    file = place / "__init__.py" if place.is_dir() else place
    name = place.name.removesuffix(".py")
    if not file.is_file():
        raise InputError(
            f"extensions: {file} does not exist: name a Python file, a folder that is a package, "
            "or an installed module."
        )
    if not name.isidentifier():
        raise InputError(
            f"extensions: {place} cannot be imported, as {name!r} is no name in Python: rename it."
        )
    _add_folders([str(place.parent)])
    extension = Extension(_import(f"{PACKAGE}.{name}", str(place)), place)
    found = Path(str(extension.module.__file__))
    if not found.samefile(file):
        raise InputError(
            f"extensions: {place} and {found} have one name, {name!r}: rename one of them."
        )
    return extension


def _load_module(name: str) -> Extension:
    module = _import(name, name)
    if module.__file__ is None:
        raise InputError(f"extensions: {name} is a folder without __init__.py: add one.")
    file = Path(module.__file__)
    return Extension(module, file.parent if file.name == "__init__.py" else file)


def _import(name: str, entry: str) -> ModuleType:
    """Return the module; what fails inside is a fault of its own, told with its line.

    Raises:
        InputError: it cannot be imported.
    """
    try:
        return importlib.import_module(name)
    except Exception as error:
        sys.modules.pop(name, None)
        frame = traceback.extract_tb(error.__traceback__)[-1]
        raise InputError(
            f"extensions: {entry} cannot be imported ({type(error).__name__}: {error}; "
            f"{frame.filename}, line {frame.lineno}): correct it, or remove it from extensions."
        ) from error


# A served model carries the kind of task that it needs inside textmill.
for _place in _OWN.glob("*/settings.py"):
    KINDS.setdefault(_place.parent.name, f"{PACKAGE}.{_place.parent.name}")
