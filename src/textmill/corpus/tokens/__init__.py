"""From text to tokens: the tokenizer, token shards, and blocks packed for training."""

__all__ = ["packing", "token_shards", "tokenizer"]
