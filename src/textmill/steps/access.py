"""Permissions of new files, set by the umask of the process and its children.

MLflow, SQLite, Prefect, torch and others write to the store: the umask applies to all of them.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_users: int | None = None
"""The original umask of this process, once it has been replaced."""


def restrict(permissions: int) -> None:
    """Limit the permissions of new files and folders.

    Args:
        permissions: maximum for a folder, such as 0o700; for files, the same without execution.
    """
    global _users
    before = os.umask(0o777 & ~permissions)
    if _users is None:
        _users = before


def apply(permissions: int, folder: Path) -> None:
    """Set the permissions of a folder and its content, after a library has copied others."""
    for path in [folder, *folder.rglob("*")]:
        if not path.is_symlink():
            mode = stat.S_IMODE(path.stat().st_mode)
            given = permissions if path.is_dir() or mode & stat.S_IXUSR else permissions & 0o666
            path.chmod(mode & ~0o777 | given)  # keeps setgid, which a group's folder needs


def users_umask() -> int:
    """Return the user's umask, for files outside of the store."""
    if _users is not None:
        return _users
    umask = os.umask(0o077)  # it can only be read by setting it
    os.umask(umask)
    return umask


@contextmanager
def as_user() -> Iterator[None]:
    """Use the user's umask, for files outside of the store."""
    here = os.umask(users_umask())
    try:
        yield
    finally:
        os.umask(here)
