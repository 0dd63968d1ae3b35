"""Translation: a text in another language, generated token by token after its source."""

__all__ = [
    "answers",
    "baselines",
    "behaviour",
    "copied",
    "examples",
    "network",
    "page",
    "settings",
]
