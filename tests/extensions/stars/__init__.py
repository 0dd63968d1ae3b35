"""Stars: a kind of task, defined by an extension, that prefers near misses to far ones."""

__all__: list[str] = []
