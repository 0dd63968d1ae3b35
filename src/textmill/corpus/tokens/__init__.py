"""Tokenization: the tokenizer, token shards, and packed blocks for training."""

__all__ = ["packing", "token_shards", "tokenizer"]
