"""Secrets in texts: access keys by their published forms, private keys, passwords in URLs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from textmill.safety.characters import ALNUM, MASK, UNSPACED
from textmill.safety.numbers import Place

_END_OF_KEY = rf"(?![{ALNUM}])"


def _key(prefix: str, rest: str, no_more: str = _END_OF_KEY) -> re.Pattern[str]:
    """Return the pattern of a key; its prefix comes first, as `re` finds literal text fastest."""
    return re.compile(rf"{prefix}(?<![{ALNUM}-]{prefix}){rest}{no_more}")


_NO_MORE = rf"(?![{ALNUM}-])"
ACCESS_KEYS: dict[str, re.Pattern[str]] = {
    # AWS: IAM identifiers, "Unique ID prefixes"; a secret has no form, so its name must say it.
    **{mark: _key(mark, "[0-9A-Z]{16}") for mark in ("AKIA", "ASIA")},
    **{
        mark: re.compile(
            rf"""{mark}["' ]{{0,3}}[:=]>?\s{{0,3}}["']?([0-9A-Za-z/+=]{{40}})(?![\w/+=])"""
        )
        for mark in ("ecret_access_key", "SECRET_ACCESS_KEY", "ecretAccessKey")
    },
    # GitHub: "Behind GitHub's new authentication token formats", 2021.
    **{
        mark: _key(mark, "[0-9A-Za-z]{36,255}") for mark in ("ghp_", "gho_", "ghu_", "ghs_", "ghr_")
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
    # Stripe: "API keys"; those that may be published begin with pk_.
    **{
        mark: re.compile(
            rf"{mark}(?<=[sr]k{mark})(?<![{ALNUM}][sr]k{mark})[0-9A-Za-z]{{24,247}}{_END_OF_KEY}"
        )
        for mark in ("_live_", "_test_")
    },
    # GitLab: "Token prefixes"; npm: "About access tokens"; Hugging Face: "User access tokens".
    "glpat-": _key("glpat-", "[0-9A-Za-z_-]{20,64}", _NO_MORE),
    "npm_": _key("npm_", "[0-9A-Za-z]{36}"),
    "hf_": _key("hf_", "[0-9A-Za-z]{34,40}"),
    # OpenAI and Anthropic; a digit tells them from words: "sk-learn-contributors".
    "sk-": _key("sk-", "(?=[A-Za-z_-]{0,40}[0-9])[0-9A-Za-z_-]{32,250}", _NO_MORE),
    # SendGrid: an id and a secret.
    "SG.": _key("SG[.]", r"[0-9A-Za-z_-]{22}\.[0-9A-Za-z_-]{43}", _NO_MORE),
    # RFC 7519: a header and a payload, both JSON objects in base64url, and a signature.
    "eyJ": _key("eyJ", r"[\w-]{8,}+\.eyJ[\w-]{8,}+\.[0-9A-Za-z_-]{16,}+", ""),
}
"""Patterns by the text that every match holds; a group, where there is one, is the key alone."""
_WITHOUT_UNDERSCORE = {mark: key for mark, key in ACCESS_KEYS.items() if "_" not in mark}
_KEY_STARTS = {"_live_": 2, "_test_": 2}  # characters of the key before what is looked for

_PEM_LINE = re.compile("-----(BEGIN|END) ([A-Z0-9]{1,12} ){0,3}PRIVATE KEY( BLOCK)?-----")
_BASE64_LINE = re.compile("[0-9A-Za-z+/=]{32}")
# A block that was cut off: white space, as such or as written in program text, between its lines.
_BASE64_LINES = re.compile(r"(?:(?:\s|\\[nr])*+[0-9A-Za-z+/=]{32,}+)+")

# Angle brackets and braces show that a form is explained and no password given.
_NO_USERINFO = rf"\s/?#@:<>{{}}\[\]\"'`\\{MASK}{UNSPACED}\u3000-\u303f\uff00-\uffef"
_USERINFO = re.compile(rf"://([^{_NO_USERINFO}]*+:[^{_NO_USERINFO}]++)(?=@[\w\[])")
_SECRET_PARAMETER = re.compile(
    r"[?&](?<=\S.)(?:access_?token|api_?key|auth_?token|client_?secret|passw(?:or)?d|pwd|secret)="
    r"([0-9A-Za-z%._~+/=:@!*-]*[0-9A-Za-z%_~/=*-])",
    re.IGNORECASE,
)


def find_access_keys(text: str) -> Iterator[Place]:
    """Yield the places of keys and tokens of the makers named above, and of JWT."""
    # Few texts hold an underscore, and each mark that is looked for takes its time.
    for mark, pattern in (ACCESS_KEYS if "_" in text else _WITHOUT_UNDERSCORE).items():
        if mark in text:
            for match in pattern.finditer(text):
                start, end = match.span(pattern.groups)
                yield start - _KEY_STARTS.get(mark, 0), end


def find_private_keys(text: str) -> Iterator[Place]:
    """Yield the places of private keys in PEM or PGP armour, whole or cut off.

    A first and a last line with no key between them are left alone.

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


def find_url_credentials(text: str) -> Iterator[Place]:
    """Yield the places of user:password in URLs, and of the values of parameters that are secret.

    Source: RFC 3986, section 3.2.1.
    """
    if "://" not in text:
        return
    for pattern in (_USERINFO, _SECRET_PARAMETER):
        for match in pattern.finditer(text):
            yield match.span(1)
