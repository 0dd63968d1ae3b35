"""Tagging: the entities of a text, from a tag for each of its words."""

__all__ = ["baselines", "examples", "network", "page"]
