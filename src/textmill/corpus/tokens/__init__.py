"""Tokenization: the tokenizer, token shards, and packed blocks for training."""

__all__ = [
    "conversations",
    "conversion",
    "corpus_texts",
    "corpus_tokens",
    "encoding",
    "packing",
    "pieces",
    "token_shards",
    "tokenizer",
    "vocabulary",
]
