from __future__ import annotations

from textmill.corpus.tokens.token_shards import Shard


def documents_of(shards: list[Shard]) -> list[list[int]]:
    """The documents without their ENDs, from the starts alone."""
    return [
        shard.ids[start : end - 1].tolist()
        for shard in shards
        for start, end in zip(shard.starts, [*shard.starts[1:], len(shard.ids)], strict=True)
    ]
