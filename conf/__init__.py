"""What to run: configurations as Hydra groups, shipped with the package."""
