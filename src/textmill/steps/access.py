"""Who may read and write the files that are made: the umask of a process and all that it starts.

The store is filled by MLflow, SQLite, Prefect, torch and many more: one setting reaches them all.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_users: int | None = None
"""The umask that this process was started with, once another one has taken its place."""


def restrict(permissions: int) -> None:
    """Let files and folders that are made from now on have these permissions at most.

    Args:
        permissions: of a folder, such as 0o700; files have the same without those to execute.
    """
    global _users
    before = os.umask(0o777 & ~permissions)
    if _users is None:
        _users = before


def apply(permissions: int, folder: Path) -> None:
    """Give a folder and all below it their permissions, where a library has copied others."""
    for path in [folder, *folder.rglob("*")]:
        if not path.is_symlink():
            mode = stat.S_IMODE(path.stat().st_mode)
            given = permissions if path.is_dir() or mode & stat.S_IXUSR else permissions & 0o666
            path.chmod(mode & ~0o777 | given)  # what stands before them, a group's folder needs


def users_umask() -> int:
    """Return the umask that the user has chosen, for what is made outside of the store."""
    if _users is not None:
        return _users
    umask = os.umask(0o077)  # it can only be read by setting it
    os.umask(umask)
    return umask


@contextmanager
def as_user() -> Iterator[None]:
    """Make files as the user does, such as one that was asked for outside of the store."""
    here = os.umask(users_umask())
    try:
        yield
    finally:
        os.umask(here)
