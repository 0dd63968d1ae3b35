"""Generation: responses to prompts, or the next message of a chat."""

__all__ = [
    "baselines",
    "examples",
    "network",
    "page",
    "responder",
]
