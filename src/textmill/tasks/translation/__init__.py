"""Translation: a text in another language, generated token by token after its source."""

__all__ = ["answers", "baselines", "examples", "network", "page", "settings"]
