"""Training on several devices: device checks, ranks, sharding."""

__all__ = ["devices", "ranks", "sharding"]
