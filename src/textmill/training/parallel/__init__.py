"""Training on several devices: device checks, ranks, sharding."""
