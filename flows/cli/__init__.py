"""The command line. Torch, MLflow and Prefect are imported by the commands that need them."""

# Each module registers its commands; --help lists them in this order.
from textmill_flows.cli import execution, history  # isort: skip
from textmill_flows.cli import generate_command, predict_command, label_command  # isort: skip
from textmill_flows.cli import deployment  # isort: skip
from textmill_flows.cli import models, machine  # isort: skip
from textmill_flows.cli.shared import app

__all__ = [
    "app",
    "deployment",
    "execution",
    "generate_command",
    "history",
    "label_command",
    "machine",
    "models",
    "predict_command",
    "terminal",
]
