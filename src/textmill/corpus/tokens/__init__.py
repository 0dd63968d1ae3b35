"""From text to tokens: the tokenizer, token shards, and blocks packed for training."""
