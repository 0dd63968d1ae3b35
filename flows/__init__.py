"""Prefect flows over textmill's tracked steps, and the command line."""

__all__ = ["cli", "composed", "pipeline", "running", "scheduling", "servers"]
