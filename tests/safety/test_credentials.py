"""Specifies which secrets are found by their form.

Keys are put together here, so that scanners for leaked keys find none in this file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from textmill.safety.credentials import (
    find_access_keys,
    find_private_keys,
    find_url_credentials,
    open_private_key,
)

Finder = Callable[[str], Iterable[tuple[int, int]]]

LETTERS = "Ik2zwEQHfwcepYyNGfB51YbmwxAscRuzOl8GZtQ9bXr0VvLdPnSk3JmT7HgCx6Wa"
KEYS = {
    "AWS id": "AKIA" + "IOSFODNN7EXAMPLE",
    "AWS temporary id": "ASIA" + "IOSFODNN7EXAMPLE",
    "GitHub classic": "ghp_" + LETTERS[:36],
    "GitHub app": "ghs_" + LETTERS[:36],
    "GitHub fine-grained": "github_pat_" + LETTERS[:22] + "_" + LETTERS[:59],
    "Slack bot": "xox" + "b-123456789012-123456789012-" + LETTERS[:24],
    "Slack rotated": "xox" + "e.xoxp-1-" + LETTERS[:40],
    "Google": "AI" + "za" + LETTERS[:35],
    "Google client": "GOC" + "SPX-" + LETTERS[:28],
    "Stripe": "sk_" + "live_" + LETTERS[:24],
    "Stripe restricted": "rk_" + "test_" + LETTERS[:40],
    "GitLab": "glp" + "at-" + LETTERS[:20],
    "npm": "np" + "m_" + LETTERS[:36],
    "Hugging Face": "h" + "f_" + LETTERS[:34],
    "OpenAI": "s" + "k-proj-" + LETTERS[:40],
    "SendGrid": "S" + "G." + LETTERS[:22] + "." + LETTERS[:43],
    "JWT": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1LTE3In0." + LETTERS[:43],
}


def found(find: Finder, text: str) -> list[str]:
    return [text[start:end] for start, end in find(text)]


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
@pytest.mark.parametrize("frame", ["{}", "token={}", '"{}",', "密钥{}已泄露", "({})", "{}\n"])
def test_keys_of_published_forms_are_found(key: str, frame: str) -> None:
    assert found(find_access_keys, frame.format(key)) == [key]


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_a_key_inside_a_longer_word_or_cut_short_is_none(key: str) -> None:
    assert key not in found(find_access_keys, "a" + key)
    assert found(find_access_keys, key[: min(len(key) - 1, 19)]) == []


@pytest.mark.parametrize(
    "frame",
    ["aws_secret_access_key = {}", 'AWS_SECRET_ACCESS_KEY="{}"', '"SecretAccessKey": "{}",'],
)
def test_a_secret_without_a_form_is_known_by_its_name(frame: str) -> None:
    secret = "wJalrXUtnF" + "EMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
    assert found(find_access_keys, frame.format(secret)) == [secret]
    assert found(find_access_keys, secret) == []


def test_of_a_webhook_the_path_is_secret() -> None:
    path = "T00000000/B00000000/" + "X" * 24
    text = f"POST https://hooks.slack.com/services/{path} 200"
    assert found(find_access_keys, text) == [path]


def test_a_key_of_letters_alone_is_a_placeholder_unless_it_is_short() -> None:
    assert found(find_access_keys, "gh" + "p_" + "X" * 36 + " 1") == []
    assert found(find_access_keys, "AKIA" + "IOSFODNNVEXAMPLE") == ["AKIA" + "IOSFODNNVEXAMPLE"]


BODY = "MXFHCbE/4rjPWMczd/5wVdek7xb5hq/ObKFBA9oxkZzUTDBxSHwgQK7mBEHQFjP3"


@pytest.mark.parametrize("kind", ["", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED ", "DSA "])
@pytest.mark.parametrize("line_end", ["\n", "\\n", " ", "\r\n"])
def test_a_whole_private_key_is_found(kind: str, line_end: str) -> None:
    lines = [f"-----BEGIN {kind}PRIVATE KEY-----", BODY, BODY, f"-----END {kind}PRIVATE KEY-----"]
    key = line_end.join(lines)
    assert found(find_private_keys, f"before {key} after") == [key]


def test_a_private_key_that_is_cut_off_ends_with_its_last_full_line() -> None:
    key = f"-----BEGIN PRIVATE KEY-----\n{BODY}\n{BODY}"
    assert found(find_private_keys, f"{key}\nand so on") == [key]
    whole = f"{key}\n-----END PRIVATE KEY-----"
    assert found(find_private_keys, f"{key}\n\n{whole}") == [key, whole]


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("a -----BEGIN", None),  # the last word of a text is never complete
        ("a -----BEGIN RSA PRIV", 2),
        (f"a -----BEGIN PRIVATE KEY-----\n{BODY}\n-----END", 2),
        (f"a -----BEGIN PRIVATE KEY-----\n{BODY}\n-----END PRIVATE KEY-----", None),
        ("-----BEGIN PRIVATE KEY----- -----BEGIN EC PRIVATE KEY----- and", 28),
        ("-----BEGIN CERTIFICATE----- and", None),
    ],
)
def test_a_private_key_is_open_until_its_last_line(text: str, start: int | None) -> None:
    assert open_private_key(text) == start


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN PRIVATE KEY----- and -----END PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----",
        f"-----END PRIVATE KEY-----\n{BODY}",
        f"-----BEGIN PUBLIC KEY-----\n{BODY}\n-----END PUBLIC KEY-----",
        f"-----BEGIN CERTIFICATE-----\n{BODY}\n-----END CERTIFICATE-----",
    ],
)
def test_lines_without_a_private_key_stay(text: str) -> None:
    assert found(find_private_keys, text) == []


@pytest.mark.parametrize(
    ("text", "credentials"),
    [
        ("https://ann:pw@host.example/x?y=1", ["ann:pw"]),
        ("redis://:pw@cache.example:6379", [":pw"]),
        ("ftp://ann:p%40w@[2001:db8::1]/", ["ann:p%40w"]),
        ("https://x.example/?a=1&api_key=k1-2.3.", ["k1-2.3"]),
        ("https://x.example/?Access_Token=abc&password=xyz#top", ["abc", "xyz"]),
        ("https://host.example:8080/@fs and http://a/b:c@d", []),
        ("scheme://<user>:<password>@host and x://{u}:{p}@h", []),
        ("格式://用户:密码@主机", []),
        ("ann:pw@host.example", []),
        ("https://x.example/?token_count=3&api_key=<key>", []),
        ("x.example/?a=1&api_key=k1 and ?secret=no", ["k1"]),
        ("if(x&&password==null)", []),
    ],
)
def test_of_a_url_the_credentials_alone_are_found(text: str, credentials: list[str]) -> None:
    assert found(find_url_credentials, text) == credentials
