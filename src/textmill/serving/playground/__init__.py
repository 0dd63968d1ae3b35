"""The playground: a page on the server's API, and the routes that only it needs."""

__all__ = ["assembly", "child_run"]
