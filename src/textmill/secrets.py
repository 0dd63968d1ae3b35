"""Redaction of credentials in settings, messages, logs and tracebacks.

This module does not depend on the configuration: `textmill.config.masked` has the types of secret
fields. Redacted text is replaced by `***`.
"""

from __future__ import annotations

import base64
import logging
import os
import re
import shlex
import sys
import traceback
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit, urlunsplit

if TYPE_CHECKING:
    import urllib.request

HIDDEN = "***"
MIN_HIDDEN = 4
"""Minimum length of a password redacted wherever it occurs; shorter ones only within their URL."""
MIN_VARIABLE = 8
"""Minimum length of an environment variable's value redacted because of the variable's name."""
MIN_TOKEN = 12
"""Minimum length of letters and digits treated as a token, in settings that may contain one."""
MIN_USER = 16
"""Minimum length of a user name treated as a token."""

# ${oc.env:NAME}, ${oc.env:NAME,default} and ${other.setting}; a default may itself be a secret.
_REFERENCE = re.compile(r"\$\{\s*(oc\.env:\s*\w+|[\w.]+)\s*(,[^{}]*)?\}")
_FIRST, _LAST = 0xE000, 0xF8FF  # private-use characters represent references while masking
_HAS_REFERENCE = re.compile(f"[{chr(_FIRST)}-{chr(_LAST)}]")

_SECRET_NAME = re.compile(
    "pass|pwd|secret|token(?!iz)|key|auth|sig|cred|cookie|storage_options", re.IGNORECASE
)
_SECRET_VARIABLE = re.compile(
    "PASSW|SECRET|API_?KEY|ACCESS_?KEY|AUTH_STRING|CREDENTIAL|TOKEN(?!IZ)", re.IGNORECASE
)
_FILE_VARIABLE = re.compile("_(FILE|PATH|DIR)$", re.IGNORECASE)
# With one slash if a URL was treated as a file path.
_USERINFO = re.compile(
    rf"""(:/{{1,2}})([^\s/@:'"<>]*:[^\s/@'"<>]*|[^\s/@:'"<>]{{{MIN_USER},}})(?=@)"""
)
_TOKEN = re.compile(rf"(?=[^\W_]*[0-9])(?=[0-9]*[A-Za-z])[A-Za-z0-9_+-]{{{MIN_TOKEN},}}")
_PARAMETER = re.compile(r"([?&;#])([^\s?&;#=]*)=([^\s?&;#'\")]*)")
_NAMED = re.compile(r"([^\s=:]*[\w-])(\s*[=:]\s*)(?!//)(.+)", re.DOTALL)

_known: dict[str, str] = {}
_is_installed = False


def as_written(mask: Callable[[str], str], text: str) -> str:
    """Return a setting with its credentials masked and its references kept.

    Args:
        mask: masks a text in which references are represented by private-use characters.
        text: the setting as written in a configuration.
    """
    references: list[str] = []

    def keep(match: re.Match[str]) -> str:
        default = f",{HIDDEN}" if match[2] else ""
        references.append(f"${{{match[1]}{default}}}")
        return chr(_FIRST + len(references) - 1)

    def restore(match: re.Match[str]) -> str:
        index = ord(match[0]) - _FIRST
        return references[index] if index < len(references) else match[0]

    return _HAS_REFERENCE.sub(restore, mask(_REFERENCE.sub(keep, text)))


def mask_all(text: str) -> str:
    """Return a text of unknown format masked, unless it consists of references."""
    return text if _is_reference(text) else HIDDEN


def mask_address(url: str) -> str:
    """Return an address with user, password and the values of query parameters masked.

    The user is kept if the password is a reference.
    """
    scheme, userinfo, place = _parts(url)
    parameters = _PARAMETER.sub(lambda m: f"{m[1]}{m[2]}={mask_all(m[3])}", place)
    return f"{scheme}{_mask_userinfo(userinfo)}{parameters}"


def mask_command(command: str) -> str:
    """Return a command with all but its program masked, unless it has references to its secrets.

    With references, only what looks like a secret is masked: tokens, values after names such as
    token or password, credentials in URLs.
    """
    try:
        words = shlex.split(command)
    except ValueError:
        return HIDDEN
    if not words:
        return ""
    if not _HAS_REFERENCE.search(command):
        program = words[0] if re.fullmatch(r"[\w./~+-]+", words[0]) else HIDDEN
        return f"{program} {HIDDEN}" if len(words) > 1 else program
    shown: list[str] = []
    for before, word in zip(["", *words], words, strict=False):
        is_named = before == "-u" or (before.startswith("-") and _SECRET_NAME.search(before))
        shown.append(mask_all(word) if is_named else _mask_word(word))
    if shown == words:
        return command
    return " ".join(word if word == HIDDEN else _quoted(word) for word in shown)


def mask_block(slug: str) -> str:
    """Return a Prefect block with its name masked, unless the name is a reference."""
    kind, slash, name = slug.partition("/")
    kind = kind if re.fullmatch("[a-z-]{1,24}", kind) else mask_all(kind)
    return f"{kind}{slash}{mask_all(name) if name else ''}"


def register_secrets(address: str) -> str:
    """Return an address, after registering its credentials for redaction in messages and logs."""
    for secret, shown in _secrets_of(address):
        _known[secret] = shown
    _install_redaction()
    return address


def redact(text: str) -> str:
    """Return a text with credentials redacted.

    These are registered secrets, the values of environment variables with names of secrets, and the
    credentials in URLs.
    """
    known = {**dict(_secrets_in_environment()), **_known}
    for secret in sorted(known, key=len, reverse=True):
        if len(secret) >= MIN_USER:
            text = text.replace(secret, known[secret])
        elif secret in text:  # may be part of another word
            text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", known[secret], text)
    return redact_urls(text)


def redact_urls(text: str) -> str:
    """Return a text with the credentials in URLs redacted."""
    return as_written(_redact_urls, text) if ":/" in text else text


def redact_values(value: Any) -> Any:
    """Return nested values with the credentials in URLs redacted."""
    if isinstance(value, dict):
        return {key: redact_values(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [redact_values(item) for item in value]
    return redact_urls(value) if isinstance(value, str) else value


def redact_settings(value: Any) -> Any:
    """Return the settings of another program, nested, with credentials redacted.

    These are the strings below a name such as token or password, and the credentials in URLs.
    """
    if isinstance(value, dict):
        return {
            key: _mask_strings(item) if _SECRET_NAME.search(str(key)) else redact_settings(item)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [redact_settings(item) for item in value]
    return redact_values(value)


def without_credentials(url: str) -> str:
    """Return a URL without user and password."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def request(url: str) -> urllib.request.Request:
    """Return a request that sends the URL's user and password as HTTP basic authentication.

    urllib would treat them as part of the host name, and quote them in its messages.
    """
    import urllib.request  # takes tens of milliseconds, and every module imports this one

    found = urllib.request.Request(without_credentials(url))
    userinfo, at, _ = urlsplit(url).netloc.rpartition("@")
    if at:
        word = base64.b64encode(unquote(userinfo).encode()).decode()
        found.add_header("Authorization", f"Basic {word}")
    return found


def _is_reference(text: str) -> bool:
    return not _HAS_REFERENCE.sub("", text)


def _redact_urls(text: str) -> str:
    text = _USERINFO.sub(lambda m: f"{m[1]}{_mask_userinfo(m[2])}", text)
    return _PARAMETER.sub(
        lambda m: f"{m[1]}{m[2]}={mask_all(m[3])}" if _SECRET_NAME.search(m[2]) else m[0], text
    )


def _parts(url: str) -> tuple[str, str, str]:
    """Return scheme, user and password, and the rest of an address, which may have no scheme."""
    scheme, separator, rest = url.partition("://") if "://" in url else ("", "", url)
    if rest.startswith("/"):  # without a host, an @ is part of the path
        return f"{scheme}{separator}", "", rest
    # In SQLAlchemy, everything up to the @ is the password, even slashes and question marks.
    userinfo, at, place = rest.rpartition("@")
    return f"{scheme}{separator}", userinfo, f"{at}{place}"


def _mask_strings(value: Any) -> Any:
    """Return nested values with all strings masked."""
    if isinstance(value, dict):
        return {key: _mask_strings(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_mask_strings(item) for item in value]
    return HIDDEN if isinstance(value, str) else value


def _mask_userinfo(userinfo: str) -> str:
    _, colon, password = userinfo.partition(":")
    return userinfo if colon and _is_reference(password) else mask_all(userinfo)


def _mask_word(word: str) -> str:
    """Return a word of a command with references, with what looks like a secret masked."""
    named = _NAMED.fullmatch(word)
    if named and _SECRET_NAME.search(named[1]) and not _HAS_REFERENCE.search(named[3]):
        return f"{named[1]}{named[2]}{HIDDEN}"
    if "://" in word:
        word = mask_address(word)
    elif word.startswith(("/", "./", "~/")):
        return word  # a file
    return _TOKEN.sub(HIDDEN, word)


def _quoted(word: str) -> str:
    """Return a word quoted for a shell, with references kept."""
    if re.fullmatch(rf"[\w@%+=:,./*~{chr(_FIRST)}-{chr(_LAST)}-]+", word):
        return word
    return '"' + re.sub(r'(["\\])', r"\\\1", word) + '"'


def _secrets_of(address: str) -> Iterator[tuple[str, str]]:
    """Yield the secrets of an address, each with its replacement."""
    shown = mask_address(address)
    if shown == address:
        return
    yield address, shown
    _, userinfo, place = _parts(address)
    user, _, password = userinfo.partition(":")
    secrets = [password, user if len(user) >= MIN_USER else ""]
    secrets += [m[3] for m in _PARAMETER.finditer(place) if _SECRET_NAME.search(m[2])]
    for secret in secrets:
        for spelling in {secret, unquote(secret)}:
            if len(spelling) >= MIN_HIDDEN:
                yield spelling, HIDDEN


def _secrets_in_environment() -> Iterator[tuple[str, str]]:
    for name, value in os.environ.items():
        if "://" in value:
            yield from _secrets_of(value)
        elif (
            len(value) >= MIN_VARIABLE
            and _SECRET_VARIABLE.search(name)
            and not _FILE_VARIABLE.search(name)
        ):
            yield value, HIDDEN


def _install_redaction() -> None:
    """Redact every log record and the traceback of an uncaught exception from now on."""
    global _is_installed
    if _is_installed:
        return
    _is_installed = True
    make = logging.getLogRecordFactory()

    def make_redacted(*arguments: Any, **named: Any) -> logging.LogRecord:
        record = make(*arguments, **named)
        try:
            message = record.getMessage()
        except (TypeError, ValueError):
            return record  # logging reports mismatched arguments itself
        if (shown := redact(message)) != message:
            record.msg, record.args = shown, ()
        if record.exc_info and record.exc_info[0] is not None:
            # Formatters use exc_text if it is set.
            record.exc_text = redact("".join(traceback.format_exception(*record.exc_info))).rstrip()
        return record

    logging.setLogRecordFactory(make_redacted)
    sys.excepthook = _print_redacted_trace


def _print_redacted_trace(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    sys.stderr.write(redact("".join(traceback.format_exception(kind, error, trace))))
