"""Placeholders for personal data, apart from the finders: tokenizers need the placeholders only."""

from __future__ import annotations

import re

PLACEHOLDERS = {
    "email": "[EMAIL]",
    "phone": "[PHONE]",
    "ip": "[IP]",
    "card": "[CARD]",
    "iban": "[IBAN]",
    "national_id": "[NATIONAL_ID]",
    "access_key": "[ACCESS_KEY]",
    "private_key": "[PRIVATE_KEY]",
    "url_credentials": "[CREDENTIALS]",
}
"""Placeholder for each kind of personal data."""


def with_placeholders(pattern: str) -> re.Pattern[str]:
    """Return a pattern that matches placeholders as a whole, and what else a pattern matches."""
    return re.compile("|".join([*map(re.escape, PLACEHOLDERS.values()), pattern]))
