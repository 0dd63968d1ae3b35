"""The servers that textmill starts: allowed hosts, login, ports and processes."""

__all__ = ["guard", "login", "network", "process"]
