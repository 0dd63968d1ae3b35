"""The process of a command's own Prefect server: it lives no longer than the command.

    python -m flows.prefect_app DESCRIPTOR temporary|full

The descriptor is that of a listening socket, standard input a pipe from the command.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

import uvicorn


def main() -> None:
    """Serve Prefect's API until a signal, or until the command is gone."""
    os.environ["PREFECT__SERVER_FINAL"] = "1"
    if sys.argv[2] == "temporary":
        # As for Prefect's own temporary server: neither the page nor the scheduler is needed.
        os.environ["PREFECT_UI_ENABLED"] = "0"
        os.environ["PREFECT__SERVER_EPHEMERAL"] = "1"
    threading.Thread(target=_end_with_command, daemon=True).start()
    uvicorn.run(
        "prefect.server.api.server:create_app",
        factory=True,
        fd=int(sys.argv[1]),
        log_level="error",
        lifespan="on",
    )


def _end_with_command() -> None:
    """End the server when the pipe breaks, as it does even when the command is killed."""
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
