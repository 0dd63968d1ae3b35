"""Prefect flows over textmill's tracked steps, and the command line."""

__all__ = ["cli", "invocation", "pipeline", "running", "scheduling", "servers"]
