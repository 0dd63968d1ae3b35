"""Server processes: arguments, guard, and shutdown with the command that started them.

The command passes a listening socket, and a pipe as standard input. A container passes a host and a
port instead.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Collection, Mapping
from pathlib import Path
from socket import socket
from types import FrameType
from typing import NoReturn

import uvicorn

from textmill.errors import InputError
from textmill.web.addresses import own_hosts
from textmill.web.guard import App, Guard
from textmill.web.login import required_login

HOSTS_VARIABLE = "TEXTMILL_SERVER_HOSTS"
"""Environment variable with the allowed Host headers, for the processes of a server."""


def start(
    module: str,
    listening: socket,
    hosts: Collection[str],
    *extra: str,
    environment: Mapping[str, str] | None = None,
    has_login: bool = False,
    log: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start the server of a module on a socket; it ends no later than this process.

    Args:
        module: has a `main` that parses its arguments with `parser`.
        listening: closed here once the server has inherited it.
        hosts: allowed Host headers.
        extra: further arguments of the module.
        environment: variables in addition to those of this process.
        has_login: whether the server requires the login.
        log: file for its output; None discards it.
    """
    words = ["--fd", str(listening.fileno()), "--allowed-hosts", ",".join(hosts), *extra]
    with listening, Path(log or os.devnull).open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-m", module, *words, *(["--auth"] if has_login else [])],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            pass_fds=[listening.fileno()],
            env={**os.environ, **(environment or {})},
            process_group=0,  # Ctrl-C must reach the command only, which then stops the server
        )


def stop(server: subprocess.Popen[bytes], timeout_s: float = 10) -> None:
    """Terminate a server that `start` returned; kill it after the timeout."""
    server.terminate()
    try:
        server.wait(timeout_s)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def parser(description: str) -> argparse.ArgumentParser:
    """Return the argument parser of all servers; pass its result to `set_allowed_hosts`."""
    found = argparse.ArgumentParser(description=description)
    place = found.add_mutually_exclusive_group(required=True)
    place.add_argument("--fd", type=int, help="file descriptor of a listening socket")
    place.add_argument("--host", help="address to listen on")
    found.add_argument("--port", type=int, default=0)
    found.add_argument("--allowed-hosts", default="", help="allowed Host headers, NAME:PORT,...")
    found.add_argument("--auth", action="store_true", help="require the login on loopback too")
    return found


def set_allowed_hosts(arguments: argparse.Namespace) -> list[str]:
    """Return the allowed Host headers, and pass them to the server's processes."""
    names = _hosts_in(arguments)
    if arguments.fd is None:
        names += own_hosts(arguments.host, arguments.port)
    os.environ[HOSTS_VARIABLE] = ",".join(names)
    return names


def login_from(arguments: argparse.Namespace) -> tuple[str, str] | None:
    """Return the login that a server requires, or None; exit with a message if it is not set.

    With an inherited socket, `--auth` alone decides.
    """
    try:
        hosts = _hosts_in(arguments) if arguments.fd is None else []
        return required_login(arguments.host or "localhost", arguments.auth, hosts)
    except InputError as error:
        sys.exit(f"textmill: {error}")


def serve(factory: str, arguments: argparse.Namespace, workers: int | None = None) -> None:
    """Serve an application until a signal, or until the command that started it has ended.

    Args:
        factory: MODULE:FUNCTION that returns the application, wrapped by `guarded`.
        arguments: parsed by `parser`.
        workers: number of processes; None: one.
    """
    if arguments.fd is not None:
        threading.Thread(target=_exit_with_command, daemon=True).start()
    # uvicorn raises the signal again once it has shut down.
    signal.signal(signal.SIGTERM, _exit)
    uvicorn.run(
        factory,
        factory=True,
        fd=arguments.fd,
        host=arguments.host or "",
        port=arguments.port,
        workers=workers,
        # The default of 5 s replaces workers on a busy machine again and again.
        timeout_worker_healthcheck=120,
        log_level="error",
        lifespan="on",
    )


def guarded(app: App) -> App:
    """Return an application behind the guard."""
    return Guard(app, os.environ[HOSTS_VARIABLE].split(","))


def _hosts_in(arguments: argparse.Namespace) -> list[str]:
    return [host for host in arguments.allowed_hosts.split(",") if host]


def _exit_with_command() -> None:
    """Terminate the server when the pipe closes, which happens even if the command is killed."""
    # Not through sys.stdin: at exit, the interpreter would wait for its lock, and then abort.
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _exit(number: int, frame: FrameType | None) -> NoReturn:
    # What serves is closed by then; to take down the interpreter would take half a second more.
    os._exit(128 + number)
