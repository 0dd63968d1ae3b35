"""The bearer token of the server of models, from the environment or a secret file."""

from __future__ import annotations

import hmac
import os
from collections.abc import Iterable
from pathlib import Path

from textmill.errors import InputError
from textmill.web.addresses import public_place

VARIABLE = "TEXTMILL_TOKEN"
FILE_VARIABLE = "TEXTMILL_TOKEN_FILE"
MIN_CHARACTERS = 16
HINT = (
    f"set {VARIABLE}, or {FILE_VARIABLE} to a file that holds it, to at least {MIN_CHARACTERS} "
    "letters, digits and punctuation marks, for example the output of `openssl rand -hex 32`"
)


def token() -> str | None:
    """Return the token, or None if none is set.

    Raises:
        InputError: it is too short, or not of visible ASCII characters.
    """
    if VARIABLE in os.environ:
        where, found = VARIABLE, os.environ[VARIABLE]
    elif FILE_VARIABLE in os.environ:
        where = FILE_VARIABLE
        file = Path(os.environ[FILE_VARIABLE])
        try:
            found = file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{where}={file} cannot be read ({error}): {HINT}.") from None
    else:
        return None
    is_visible = found.isascii() and found.isprintable() and " " not in found
    if len(found) < MIN_CHARACTERS or not is_visible:
        raise InputError(f"{where} is not a valid token: {HINT}.")
    return found


def required_token(host: str, allowed_hosts: Iterable[str] = ()) -> str | None:
    """Return the token of a server; None if none is set, and only this machine reaches it.

    Args:
        host: what it listens on.
        allowed_hosts: additional Host headers.

    Raises:
        InputError: no token is set, although others reach it.
    """
    found = token()
    place = public_place(host, allowed_hosts)
    if found is None and place is not None:
        raise InputError(f"No token is set, and a server {place} requires one: {HINT}.")
    return found


def is_authorized(header: str, expected: str) -> bool:
    """Return whether an Authorization header has the token; takes the same time for any token."""
    scheme, _, given = header.partition(" ")
    is_same = hmac.compare_digest(given.strip().encode(), expected.encode())
    return is_same and scheme.lower() == "bearer"
