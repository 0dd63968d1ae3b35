"""Text in, text out, then tokens: reading, cleaning and the tokenizer; no torch."""
