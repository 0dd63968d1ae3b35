"""Kinds of characters, as the insides of character classes."""

from __future__ import annotations

MASK = "|"
"""Stands for every character of what has been found; no pattern matches it."""

ALNUM = "0-9A-Za-z_"
"""What a number or key may not touch. Ideographs may: Chinese sets no spaces around them."""

UNSPACED = "\u3005-\u3007\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
"""Ideographs and kana, which are letters to `re`: they are written without spaces, so that each
counts as a word, and are part of no address or number."""
