"""Disables the telemetry of all libraries.

It happens when the package is imported, the one exception to the rule that importing does nothing:
every entry point imports the package (commands, workers, served models, tests, users' scripts),
most of them before the library with telemetry, and a separate call would be forgotten in the next
one. docker/ and prefect.yaml, which run MLflow and Prefect without textmill, set the same
variables.
"""

from __future__ import annotations

import os

SWITCHED_OFF = {
    "DO_NOT_TRACK": "true",  # the only value that MLflow accepts; also for Prefect, Hugging Face
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",  # of the server and its web page
    "PREFECT_CLOUD_ENABLE_ORCHESTRATION_TELEMETRY": "false",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_UPDATE_DOWNLOAD_COUNTS": "0",  # datasets sends a request for each file format it reads
    "RAY_USAGE_STATS_ENABLED": "0",
    "GRADIO_ANALYTICS_ENABLED": "False",
}
"""Environment variables, which override earlier values: these are the strictest."""


def switch_off() -> None:
    """Set the variables for this process and those it starts."""
    os.environ.update(SWITCHED_OFF)
