"""Files below a folder, whatever links there are in it."""

from __future__ import annotations

import glob
import os
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from textmill.errors import InputError
from textmill.files import check_kind, has_stray_bytes, printable

_DEEP = "**"


def files_below(folder: Path, suffixes: tuple[str, ...], links: Links) -> list[Path]:
    """Return the files with these endings anywhere below a folder; hidden ones are skipped.

    Raises:
        InputError: a link leads out of the folder and must not.
    """
    found = [path for path in _walk(folder, links) if path.name.lower().endswith(suffixes)]
    return links.checked(folder, found)


def files_matching(pattern: str, links: Links) -> list[Path]:
    """Return the files that a pattern names, as `glob` does, but each only once.

    Raises:
        InputError: a link leads out of the folder before the first wildcard and must not.
    """
    parts = Path(pattern).parts
    n_plain = next((i for i, part in enumerate(parts) if glob.has_magic(part)), len(parts) - 1)
    folder = Path(*parts[:n_plain])
    if _DEEP not in parts:
        return links.checked(folder, map(Path, glob.glob(pattern)))
    # glob follows links in circles, as often as there are ways to go round.
    depth = len(folder.parts)
    found = [path for path in _walk(folder, links) if _fits(path.parts[depth:], parts[n_plain:])]
    return links.checked(folder, found)


def check_inside(file: Path, model: Path) -> None:
    """Raise InputError unless a file of a model's folder lies in it.

    The cache of the Hugging Face hub keeps a model as `snapshots/COMMIT/`, with links to `blobs/`
    beside `snapshots/`.

    Raises:
        InputError: a symbolic link leads elsewhere.
    """
    model = Path(os.path.realpath(model))
    root = model.parents[1] if model.parent.name == "snapshots" else model
    target = os.path.realpath(file)
    if not Path(target).is_relative_to(root):
        raise InputError(
            f"{file} leads out of {model} by a symbolic link, to {target}: put the file itself "
            "there, or name the folder that holds it."
        )


class Links:
    """What is done with symbolic links.

    Args:
        follow: whether to read what lies outside of the folder.
        setting: what says so, for messages.
    """

    def __init__(self, follow: bool, setting: str) -> None:
        self._follow = follow
        self._setting = setting

    def leads_out(self, path: Path, folder: Path) -> bool:
        """Return whether a path is to be followed out of the folder; False if it stays inside.

        Raises:
            InputError: it leads out and must not.
        """
        target = os.path.realpath(path)
        if Path(target).is_relative_to(os.path.realpath(folder)):
            return False
        if not self._follow:
            raise InputError(
                f"{path} leads out of {folder} by a symbolic link, to {target}: take the link "
                f"away, or set {self._setting}=true."
            )
        return True

    def checked_file(self, file: Path) -> Path:
        """Return a file that was named by itself, which is no reason to follow it anywhere.

        Raises:
            InputError: it leads out of its folder and must not, or is a named pipe or a device.
        """
        check_kind(file)
        if file.is_symlink():
            self.leads_out(file, file.parent)
        return file

    def checked(self, folder: Path, paths: Iterable[Path]) -> list[Path]:
        """Return the paths that are files, sorted; of several that lead to one, the plainest.

        Raises:
            InputError: one leads out of the folder and must not, is a named pipe or a device, or
                has a name that is no text.
        """
        paths = list(paths)
        for path in paths:
            check_kind(path)
        files = [path for path in paths if path.is_file()]
        for path in files:
            if has_stray_bytes(str(path)):
                raise InputError(
                    f"{printable(str(path))}: the name of the file is not text in this terminal's "
                    f"encoding, {sys.getfilesystemencoding()}: rename it, or set PYTHONUTF8=1 if "
                    "it is UTF-8."
                )
        by_target: dict[str, Path] = {}
        for path in sorted(files, key=lambda path: (path.is_symlink(), path.as_posix())):
            self.leads_out(path, folder)
            by_target.setdefault(os.path.realpath(path), path)
        return sorted(by_target.values(), key=Path.as_posix)


def _walk(folder: Path, links: Links) -> Iterator[Path]:
    """Yield what is below a folder and no folder, without what is hidden; no folder is read twice.

    Folders that are linked from within are read at their own place, and those that may not be read
    are passed over.
    """
    seen: set[str] = set()
    waiting = deque([folder])
    while waiting:
        here = waiting.popleft()
        real = os.path.realpath(here)
        if real in seen or not here.is_dir():
            continue
        seen.add(real)
        for path in sorted(here / name for name in _names(here)):
            if not path.is_dir():
                yield path
            elif not path.is_symlink():
                waiting.appendleft(path)
            elif links.leads_out(path, folder):
                waiting.append(path)


def _names(folder: Path) -> list[str]:
    try:
        return [name for name in os.listdir(folder) if not name.startswith(".")]
    except PermissionError:
        return []


def _fits(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    """Return whether the parts of a path fit those of a pattern with `**` for any number of them.

    Args:
        parts: at least the name of a file.
        pattern: at least one part.
    """
    fits = [True] + [False] * len(parts)  # how many parts the pattern so far may stand for
    for place, part in enumerate(pattern, start=1):
        if part == _DEEP:
            first = fits.index(True) if True in fits else len(fits)
            first += place == len(pattern)  # what it stands in is a folder
            fits = [i >= first for i in range(len(fits))]
        else:
            ends = [fits[i] and fnmatchcase(name, part) for i, name in enumerate(parts)]
            fits = [False, *ends]
    return fits[-1]
