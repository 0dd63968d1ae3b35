"""The command line. Torch, MLflow and Prefect are imported by the commands that need them."""

# Each module registers its commands; --help lists them in this order.
from textmill_flows.cli import execution, history, models, machine  # isort: skip
from textmill_flows.cli.shared import app

__all__ = ["app", "execution", "history", "machine", "models", "terminal"]
