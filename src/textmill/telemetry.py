"""No library tells its makers that it is used.

Switched off here, when the package is imported, although importing is to do nothing: every entry
imports it (commands, workers, served models, tests, users' own scripts), and most do so before the
library that would send. A call of its own would be missing in the next entry. Whoever runs MLflow
or Prefect without textmill, as docker/ and prefect.yaml do, sets the same variables.
"""

from __future__ import annotations

import os

SWITCHED_OFF = {
    "DO_NOT_TRACK": "true",  # MLflow knows no other word; Prefect and Hugging Face know it too
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",  # the server's, and its page's
    "PREFECT_CLOUD_ENABLE_ORCHESTRATION_TELEMETRY": "false",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_UPDATE_DOWNLOAD_COUNTS": "0",  # datasets asks a bucket for each file format it reads
    "RAY_USAGE_STATS_ENABLED": "0",
    "GRADIO_ANALYTICS_ENABLED": "False",
}
"""Environment variables: nothing is stricter, so they are set over whatever was set before."""


def switch_off() -> None:
    """Set the variables for this process and those it starts."""
    os.environ.update(SWITCHED_OFF)
