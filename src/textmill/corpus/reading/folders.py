"""Files below a folder, with safe handling of symbolic links."""

from __future__ import annotations

import glob
import os
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from textmill.errors import InputError
from textmill.files import has_undecodable_bytes, printable, reject_special_file

_RECURSIVE = "**"


def files_below(folder: Path, suffixes: tuple[str, ...], links: Links) -> list[Path]:
    """Return the files with these endings anywhere below a folder; hidden ones are skipped.

    Raises:
        InputError: a symbolic link leads out of the folder, which is not allowed.
    """
    found = [path for path in _walk(folder, links) if path.name.lower().endswith(suffixes)]
    return links.checked(folder, found)


def files_matching(pattern: str, links: Links) -> list[Path]:
    """Return the files that match a pattern, as `glob` does, but each only once.

    Raises:
        InputError: a symbolic link leads out of the folder before the first wildcard, which is not
            allowed.
    """
    parts = Path(pattern).parts
    n_plain = next((i for i, part in enumerate(parts) if glob.has_magic(part)), len(parts) - 1)
    folder = Path(*parts[:n_plain])
    if _RECURSIVE not in parts:
        return links.checked(folder, map(Path, glob.glob(pattern)))
    # glob follows cycles of links repeatedly.
    depth = len(folder.parts)
    found = [path for path in _walk(folder, links) if _matches(path.parts[depth:], parts[n_plain:])]
    return links.checked(folder, found)


def reject_escaping_link(file: Path, model: Path) -> None:
    """Raise InputError if a file in a model's folder is a symbolic link out of it.

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
            f"{file} is a symbolic link out of {model}, to {target}: copy the file there, or use "
            "the folder that contains it."
        )


class Links:
    """Policy for symbolic links.

    Args:
        follow: whether links may lead out of the folder.
        setting: name of that setting, for messages.
    """

    def __init__(self, follow: bool, setting: str) -> None:
        self._follow = follow
        self._setting = setting

    def escapes(self, path: Path, folder: Path) -> bool:
        """Return whether a path leads out of the folder, and may.

        Raises:
            InputError: it leads out, which is not allowed.
        """
        target = os.path.realpath(path)
        if Path(target).is_relative_to(os.path.realpath(folder)):
            return False
        if not self._follow:
            raise InputError(
                f"{path} is a symbolic link out of {folder}, to {target}: remove the link, or set "
                f"{self._setting}=true."
            )
        return True

    def checked_file(self, file: Path) -> Path:
        """Return a file that was named explicitly, after the same checks.

        Raises:
            InputError: it is a link out of its folder, which is not allowed, or a special file.
        """
        reject_special_file(file)
        if file.is_symlink():
            self.escapes(file, file.parent)
        return file

    def checked(self, folder: Path, paths: Iterable[Path]) -> list[Path]:
        """Return the paths that are files, sorted; of several links to one file, only one path.

        Raises:
            InputError: a path is a link out of the folder, which is not allowed, a special file, or
                has a name that cannot be decoded.
        """
        paths = list(paths)
        for path in paths:
            reject_special_file(path)
        files = [path for path in paths if path.is_file()]
        for path in files:
            if has_undecodable_bytes(str(path)):
                raise InputError(
                    f"{printable(str(path))}: the name of the file is not text in this terminal's "
                    f"encoding, {sys.getfilesystemencoding()}: rename it, or set PYTHONUTF8=1 if "
                    "it is UTF-8."
                )
        by_target: dict[str, Path] = {}
        for path in sorted(files, key=lambda path: (path.is_symlink(), path.as_posix())):
            self.escapes(path, folder)
            by_target.setdefault(os.path.realpath(path), path)
        return sorted(by_target.values(), key=Path.as_posix)


def _walk(folder: Path, links: Links) -> Iterator[Path]:
    """Yield all non-hidden files below a folder, reading each folder once.

    Folders linked from within are read at their own location; unreadable ones are skipped.
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
            elif links.escapes(path, folder):
                waiting.append(path)


def _names(folder: Path) -> list[str]:
    try:
        return [name for name in os.listdir(folder) if not name.startswith(".")]
    except PermissionError:
        return []


def _matches(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    """Return whether the parts of a path match those of a pattern, where `**` matches any number.

    Args:
        parts: at least the name of a file.
        pattern: at least one part.
    """
    fits = [True] + [False] * len(parts)  # which numbers of parts the pattern so far can match
    for place, part in enumerate(pattern, start=1):
        if part == _RECURSIVE:
            first = fits.index(True) if True in fits else len(fits)
            first += place == len(pattern)  # a trailing ** matches at least the file
            fits = [i >= first for i in range(len(fits))]
        else:
            ends = [fits[i] and fnmatchcase(name, part) for i, name in enumerate(parts)]
            fits = [False, *ends]
    return fits[-1]
