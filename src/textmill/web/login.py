"""The login of the servers: one user and password, from the environment or a secret file."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from textmill.errors import InputError
from textmill.web.addresses import public_place

VARIABLE = "TEXTMILL_AUTH"
FILE_VARIABLE = "TEXTMILL_AUTH_FILE"
MIN_PASSWORD = 12
"""Minimum characters of a password, as MLflow requires."""
HINT = (
    f"set {VARIABLE}=USER:PASSWORD, or {FILE_VARIABLE} to a file that holds it, with a password of "
    f"at least {MIN_PASSWORD} characters"
)


def login() -> tuple[str, str] | None:
    """Return user and password, or None if none are set.

    Raises:
        InputError: the variable is empty or malformed.
    """
    if VARIABLE in os.environ:
        where, text = VARIABLE, os.environ[VARIABLE]
    elif FILE_VARIABLE in os.environ:
        where, text = FILE_VARIABLE, _read(Path(os.environ[FILE_VARIABLE]))
    else:
        return None
    user, _, password = text.partition(":")
    if not user.strip() or len(password) < MIN_PASSWORD or len(text.splitlines()) != 1:
        raise InputError(f"{where} is not a valid login: {HINT}.")
    return user, password


def required_login(
    host: str, is_required: bool, allowed_hosts: Iterable[str] = ()
) -> tuple[str, str] | None:
    """Return the login of a server, or None if it needs none.

    Args:
        host: what it listens on.
        is_required: whether it needs one even if only this machine reaches it.
        allowed_hosts: additional Host headers.

    Raises:
        InputError: no login is set, although others reach the server or a login is required.
    """
    place = public_place(host, allowed_hosts)
    if place is None and not is_required:
        return None
    found = login()
    if found is None:
        why = "tracking.auth requires one" if is_required else f"a server {place} requires one"
        raise InputError(f"No login is set, and {why}: {HINT}.")
    return found


def use_login() -> None:
    """Set the login for the Prefect and MLflow clients of this process and its children.

    Must be called before Prefect is imported.

    Raises:
        InputError: see `login`.
    """
    found = login()
    if found is None:
        return
    user, password = found
    os.environ.setdefault("PREFECT_API_AUTH_STRING", f"{user}:{password}")
    if not {"MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_TOKEN"} & os.environ.keys():
        os.environ |= {"MLFLOW_TRACKING_USERNAME": user, "MLFLOW_TRACKING_PASSWORD": password}


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{FILE_VARIABLE}={file} cannot be read ({error}): {HINT}.") from None
