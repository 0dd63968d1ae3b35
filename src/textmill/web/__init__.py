"""The servers that textmill starts: allowed hosts, login, ports and processes."""

__all__ = [
    "addresses",
    "guard",
    "launch",
    "login",
    "token",
]
