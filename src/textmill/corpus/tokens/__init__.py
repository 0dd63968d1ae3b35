"""Tokenization: the tokenizer, token shards, and packed blocks for training."""

__all__ = [
    "conversion",
    "corpus_texts",
    "corpus_tokens",
    "packing",
    "token_shards",
    "tokenizer",
    "vocabulary",
]
