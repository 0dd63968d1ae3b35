"""Sets of characters, written as the inside of a regular expression's character class."""

from __future__ import annotations

MASK = "|"
"""Replaces every character of a finding while others are searched for; no pattern matches it."""

ALNUM = "0-9A-Za-z_"
"""Characters that must not be adjacent to a number or key. Ideographs may be: Chinese is written
without spaces."""

UNSPACED = "\u3005-\u3007\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
"""Ideographs and kana. `re` treats them as letters, but they are written without spaces: each
counts as a word, and none is part of an address or number."""
