"""Secrets in text: access keys in their published formats, private keys, passwords in URLs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from textmill.safety.characters import ALNUM, MASK, UNSPACED
from textmill.safety.numbers import Span

_END_OF_KEY = rf"(?![{ALNUM}])"


def _key(prefix: str, rest: str, no_more: str = _END_OF_KEY) -> re.Pattern[str]:
    """Return the pattern of a key. The prefix comes first: `re` finds literal text fastest."""
    return re.compile(rf"{prefix}(?<![{ALNUM}-]{prefix}){rest}{no_more}")


_NO_MORE = rf"(?![{ALNUM}-])"
ACCESS_KEYS: dict[str, re.Pattern[str]] = {
    # AWS: IAM identifiers, "Unique ID prefixes"; a secret key has no format of its own, so it is
    # recognised by the name before it.
    **{marker: _key(marker, "[0-9A-Z]{16}") for marker in ("AKIA", "ASIA")},
    **{
        marker: re.compile(
            rf"""{marker}["' ]{{0,3}}[:=]>?\s{{0,3}}["']?([0-9A-Za-z/+=]{{40}})(?![\w/+=])"""
        )
        for marker in ("ecret_access_key", "SECRET_ACCESS_KEY", "ecretAccessKey")
    },
    # GitHub: "Behind GitHub's new authentication token formats", 2021.
    **{
        marker: _key(marker, "[0-9A-Za-z]{36,255}")
        for marker in ("ghp_", "gho_", "ghu_", "ghs_", "ghr_")
    },
    "github_pat_": _key("github_pat_", "[0-9A-Za-z]{22}_[0-9A-Za-z]{59}"),
    # Slack: "Token types"; application, user, bot, refresh and legacy tokens, and webhooks.
    "xox": re.compile(
        rf"xox[a-z](?<![{ALNUM}-]xox[a-z])(?:\.xox[a-z])?-(?=[a-zA-Z-]{{0,40}}[0-9])"
        rf"[0-9A-Za-z-]{{18,250}}{_NO_MORE}"
    ),
    "hooks.slack.com/services/": re.compile(
        r"hooks\.slack\.com/services/(T[0-9A-Z]{8,12}/B[0-9A-Z]{8,12}/[0-9A-Za-z]{24})"
        + _END_OF_KEY
    ),
    # Google: API keys, and client secrets of OAuth.
    "AIza": _key("AIza", "[0-9A-Za-z_-]{35}", _NO_MORE),
    "GOCSPX-": _key("GOCSPX-", "[0-9A-Za-z_-]{28}", _NO_MORE),
    # Stripe: "API keys"; publishable keys begin with pk_ and are not secret.
    **{
        marker: re.compile(
            rf"{marker}(?<=[sr]k{marker})(?<![{ALNUM}][sr]k{marker})[0-9A-Za-z]{{24,247}}{_END_OF_KEY}"
        )
        for marker in ("_live_", "_test_")
    },
    # GitLab: "Token prefixes"; npm: "About access tokens"; Hugging Face: "User access tokens".
    "glpat-": _key("glpat-", "[0-9A-Za-z_-]{20,64}", _NO_MORE),
    "npm_": _key("npm_", "[0-9A-Za-z]{36}"),
    "hf_": _key("hf_", "[0-9A-Za-z]{34,40}"),
    # OpenAI and Anthropic; requires a digit, which words lack: "sk-learn-contributors".
    "sk-": _key("sk-", "(?=[A-Za-z_-]{0,40}[0-9])[0-9A-Za-z_-]{32,250}", _NO_MORE),
    # SendGrid: an id and a secret.
    "SG.": _key("SG[.]", r"[0-9A-Za-z_-]{22}\.[0-9A-Za-z_-]{43}", _NO_MORE),
    # RFC 7519: a header and a payload, both JSON objects in base64url, and a signature.
    "eyJ": _key("eyJ", r"[0-9A-Za-z_-]{8,}+\.eyJ[0-9A-Za-z_-]{8,}+\.[0-9A-Za-z_-]{16,}+", ""),
}
"""Patterns, keyed by a literal that every match contains; a group, if any, captures the key
alone."""
_WITHOUT_UNDERSCORE = {marker: key for marker, key in ACCESS_KEYS.items() if "_" not in marker}
KEYS_OF_LETTERS = ("AKIA", "ASIA")
"""Markers of keys that may have no digit: one in 30 of these, which are short; at most one in 300
of others, so that those are placeholders such as ghp_XXXX."""
_DIGIT = re.compile("[0-9]")
_PREFIX_CHARS = {"_live_": 2, "_test_": 2}  # characters of the key before the marker

_PEM_LINE = re.compile("-----(BEGIN|END) ([A-Z0-9]{1,12} ){0,3}PRIVATE KEY( BLOCK)?-----")
_UNFINISHED_PEM_LINE = re.compile(r"-----BEGIN [A-Z0-9 ]{0,60}\S*\Z")
_BASE64_LINE = re.compile("[0-9A-Za-z+/=]{32}")
# A truncated block: its lines are separated by white space, raw or escaped as in source code.
_BASE64_LINES = re.compile(r"(?:(?:\s|\\[nr])*+[0-9A-Za-z+/=]{32,}+)+")

# Angle brackets and braces mark a template such as <password>, not a real password.
_NO_USERINFO = rf"\s/?#@:<>{{}}\[\]\"'`\\{MASK}{UNSPACED}\u3000-\u303f\uff00-\uffef"
_USERINFO = re.compile(rf"://([^{_NO_USERINFO}]*+:[^{_NO_USERINFO}]++)(?=@[\w\[])")
_SECRET_PARAMETER = re.compile(
    r"[?&](?<=\S.)(?:access_?token|api_?key|auth_?token|client_?secret|passw(?:or)?d|pwd|secret)="
    r"(?!=)([0-9A-Za-z%._~+/=:@!*-]*[0-9A-Za-z%_~/=*-])",
    re.IGNORECASE,
)


def find_access_keys(text: str) -> Iterator[Span]:
    """Yield the spans of access keys of the vendors above, and of JSON Web Tokens."""
    # Few texts contain an underscore, and each marker searched for costs time.
    for marker, pattern in (ACCESS_KEYS if "_" in text else _WITHOUT_UNDERSCORE).items():
        if marker in text:
            for match in pattern.finditer(text):
                start, end = match.span(pattern.groups)
                if marker in KEYS_OF_LETTERS or _DIGIT.search(text, start, end):
                    yield start - _PREFIX_CHARS.get(marker, 0), end


def find_private_keys(text: str) -> Iterator[Span]:
    """Yield the spans of private keys in PEM or PGP armour, complete or truncated.

    A header and a footer with no key between them are not reported.

    Source: RFC 7468, section 2; RFC 9580, section 6.2.
    """
    if "PRIVATE KEY" not in text:
        return
    lines = list(_PEM_LINE.finditer(text))
    for index, line in enumerate(lines):
        if line[1] == "END":
            continue
        following = lines[index + 1] if index + 1 < len(lines) else None
        if following is not None and following[1] == "END":
            if _BASE64_LINE.search(text, line.end(), following.start()):
                yield line.start(), following.end()
        elif cut_off := _BASE64_LINES.match(text, line.end()):
            yield line.start(), cut_off.end()


def open_private_key(text: str) -> int | None:
    """Return the start of a private key, or of its first line, that more text may continue."""
    if "-----BEGIN" not in text:
        return None
    lines = list(_PEM_LINE.finditer(text))
    is_open = bool(lines) and lines[-1][1] == "BEGIN"
    begin = lines[-1] if is_open else _UNFINISHED_PEM_LINE.search(text)
    return None if begin is None else begin.start()


def find_url_credentials(text: str) -> Iterator[Span]:
    """Yield the spans of user:password in URLs, and of the values of secret query parameters.

    Parameters need no scheme: "example.org/?api_key=abc" is a URL as well.

    Source: RFC 3986, section 3.2.1.
    """
    if "://" in text:
        yield from (match.span(1) for match in _USERINFO.finditer(text))
    if "=" in text:
        yield from (match.span(1) for match in _SECRET_PARAMETER.finditer(text))
