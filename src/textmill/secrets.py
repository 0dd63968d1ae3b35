"""Credentials in texts: how settings that hold some are written down, and what is hidden anywhere.

Nothing here knows a configuration: what its fields hold says `textmill.config.secrets`. What is
hidden is written `***`.
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
"""Characters of a password that is hidden wherever it occurs; a shorter one only in its URL."""
MIN_VARIABLE = 8
"""Characters of an environment variable's value that is hidden by the variable's name."""
MIN_TOKEN = 12
"""Characters of letters and digits that are taken for a token, where a setting may hold one."""
MIN_USER = 16
"""Characters of a user name that is taken for a token."""

# ${oc.env:NAME}, ${oc.env:NAME,default} and ${other.setting}; a default is a value like any other.
_REFERENCE = re.compile(r"\$\{\s*(oc\.env:\s*\w+|[\w.]+)\s*(,[^{}]*)?\}")
_FIRST, _LAST = 0xE000, 0xF8FF  # characters for private use stand for references meanwhile
_HAS_REFERENCE = re.compile(f"[{chr(_FIRST)}-{chr(_LAST)}]")

_SECRET_NAME = re.compile("pass|pwd|secret|token|key|auth|sig|cred|cookie", re.IGNORECASE)
_SECRET_VARIABLE = re.compile(
    "PASSW|SECRET|API_?KEY|ACCESS_?KEY|AUTH_STRING|CREDENTIAL|TOKEN(?!IZ)", re.IGNORECASE
)
_FILE_VARIABLE = re.compile("_(FILE|PATH|DIR)$", re.IGNORECASE)
# With one slash where a URL was taken for the path of a file.
_USERINFO = re.compile(
    rf"""(:/{{1,2}})([^\s/@:'"<>]*:[^\s/@'"<>]*|[^\s/@:'"<>]{{{MIN_USER},}})(?=@)"""
)
_TOKEN = re.compile(rf"(?=[^\W_]*[0-9])(?=[0-9]*[A-Za-z])[A-Za-z0-9_+-]{{{MIN_TOKEN},}}")
_PARAMETER = re.compile(r"([?&;#])([^\s?&;#=]*)=([^\s?&;#'\")]*)")
_NAMED = re.compile(r"([^\s=:]*[\w-])(\s*[=:]\s*)(?!//)(.+)", re.DOTALL)

_known: dict[str, str] = {}
_is_guarded = False


def as_written(mask: Callable[[str], str], text: str) -> str:
    """Return a setting with its credentials masked and its references kept.

    Args:
        mask: what is left of the text; references in it are characters for private use.
        text: the setting as it is written in a configuration.
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
    """Return a text of which nothing is known: only references are left."""
    return text if _is_reference(text) else HIDDEN


def mask_address(url: str) -> str:
    """Return an address without user and password, and without the values of its parameters.

    A user stays where the password is only referred to.
    """
    scheme, userinfo, place = _parts(url)
    parameters = _PARAMETER.sub(lambda m: f"{m[1]}{m[2]}={mask_all(m[3])}", place)
    return f"{scheme}{_mask_userinfo(userinfo)}{parameters}"


def mask_command(command: str) -> str:
    """Return a command's program alone, unless references in it show where its secrets are.

    Then what looks like one all the same is masked: a token, what stands after a name such as
    token or password, credentials in a URL.
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
    """Return a Prefect block's type; its name stays where it is only referred to."""
    kind, slash, name = slug.partition("/")
    kind = kind if re.fullmatch("[a-z-]{1,24}", kind) else mask_all(kind)
    return f"{kind}{slash}{mask_all(name) if name else ''}"


def hide(address: str) -> str:
    """Hide an address's credentials from now on in messages, logs and traces; return it."""
    for secret, shown in _secrets_of(address):
        _known[secret] = shown
    _guard()
    return address


def redact(text: str) -> str:
    """Return a text for people without credentials.

    These are what was hidden, the values of environment variables whose names say that they are
    secret, and in URLs whatever stands where credentials do.
    """
    known = {**dict(_secrets_in_environment()), **_known}
    for secret in sorted(known, key=len, reverse=True):
        if len(secret) >= MIN_USER:
            text = text.replace(secret, known[secret])
        elif secret in text:  # perhaps as a part of another word
            text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", known[secret], text)
    return redact_urls(text)


def redact_urls(text: str) -> str:
    """Return a text without the credentials of the URLs in it."""
    return as_written(_redact_urls, text) if ":/" in text else text


def redact_values(value: Any) -> Any:
    """Return plain values, nested as they may be, without the credentials of URLs in them."""
    if isinstance(value, dict):
        return {key: redact_values(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [redact_values(item) for item in value]
    return redact_urls(value) if isinstance(value, str) else value


def without_credentials(url: str) -> str:
    """Return a URL as a link for people: without user and password."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def request(url: str) -> urllib.request.Request:
    """Return a request that sends the URL's user and password as HTTP's basic authentication.

    urllib itself takes them for a part of the host's name, and quotes them in its messages.
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
    if rest.startswith("/"):  # it names no host, so an @ is part of a path
        return f"{scheme}{separator}", "", rest
    # SQLAlchemy takes all up to the @ for a password, slashes and question marks too.
    userinfo, at, place = rest.rpartition("@")
    return f"{scheme}{separator}", userinfo, f"{at}{place}"


def _mask_userinfo(userinfo: str) -> str:
    _, colon, password = userinfo.partition(":")
    return userinfo if colon and _is_reference(password) else mask_all(userinfo)


def _mask_word(word: str) -> str:
    """Return a word of a command that has references, without what looks like a secret itself."""
    named = _NAMED.fullmatch(word)
    if named and _SECRET_NAME.search(named[1]) and not _HAS_REFERENCE.search(named[3]):
        return f"{named[1]}{named[2]}{HIDDEN}"
    if "://" in word:
        word = mask_address(word)
    elif word.startswith(("/", "./", "~/")):
        return word  # a file
    return _TOKEN.sub(HIDDEN, word)


def _quoted(word: str) -> str:
    """Return a word as a shell reads it; references in double quotes are references still."""
    if re.fullmatch(rf"[\w@%+=:,./*~{chr(_FIRST)}-{chr(_LAST)}-]+", word):
        return word
    return '"' + re.sub(r'(["\\])', r"\\\1", word) + '"'


def _secrets_of(address: str) -> Iterator[tuple[str, str]]:
    """Yield what of an address is not to be seen, and what is shown in its place."""
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


def _guard() -> None:
    """Redact every log record and the trace of an uncaught exception, from now on."""
    global _is_guarded
    if _is_guarded:
        return
    _is_guarded = True
    make = logging.getLogRecordFactory()

    def make_redacted(*arguments: Any, **named: Any) -> logging.LogRecord:
        record = make(*arguments, **named)
        try:
            message = record.getMessage()
        except (TypeError, ValueError):
            return record  # logging says itself that its arguments do not fit
        if (shown := redact(message)) != message:
            record.msg, record.args = shown, ()
        if record.exc_info and record.exc_info[0] is not None:
            # What a formatter finds here it does not make again.
            record.exc_text = redact("".join(traceback.format_exception(*record.exc_info))).rstrip()
        return record

    logging.setLogRecordFactory(make_redacted)
    sys.excepthook = _print_redacted


def _print_redacted(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    sys.stderr.write(redact("".join(traceback.format_exception(kind, error, trace))))
