"""What stands in a text for personal data: tokenizers know these without what finds them."""

from __future__ import annotations

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
"""What stands in a text for data of each kind."""
