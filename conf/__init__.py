"""Configurations as Hydra groups, shipped with the package."""
