"""A server's process: its arguments, its guard, and its end when the command is gone.

The command that starts it hands over a socket that listens already, and its standard input is a
pipe from that command. A container gives a host and a port.
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
from textmill.web.guard import App, Guard
from textmill.web.login import login_for
from textmill.web.network import own_hosts

HOSTS_VARIABLE = "TEXTMILL_SERVER_HOSTS"
"""Tells the processes of a server what the header Host may say."""


def start(
    module: str,
    listening: socket,
    hosts: Collection[str],
    *further: str,
    environment: Mapping[str, str] | None = None,
    has_login: bool = False,
    log: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start the server of a module on a socket; it ends at the latest when this process does.

    Args:
        module: it has a `main` that gives its arguments to `arguments`.
        listening: closed here once the server has it.
        hosts: what the header Host may say.
        further: further arguments of the module.
        environment: variables besides those of this process.
        has_login: whether it asks for the login.
        log: file of its output; None drops it.
    """
    words = ["--fd", str(listening.fileno()), "--allowed-hosts", ",".join(hosts), *further]
    with listening, Path(log or os.devnull).open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-m", module, *words, *(["--auth"] if has_login else [])],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            pass_fds=[listening.fileno()],
            env={**os.environ, **(environment or {})},
            process_group=0,  # Ctrl-C is for the command, which has its end to report
        )


def stop(server: subprocess.Popen[bytes], timeout_s: float = 10) -> None:
    """End a server that was started here."""
    server.terminate()
    try:
        server.wait(timeout_s)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def parser(description: str) -> argparse.ArgumentParser:
    """Return the arguments that all servers have; `settle` is to get what they are."""
    found = argparse.ArgumentParser(description=description)
    place = found.add_mutually_exclusive_group(required=True)
    place.add_argument("--fd", type=int, help="descriptor of a socket that listens")
    place.add_argument("--host", help="address to listen on")
    found.add_argument("--port", type=int, default=0)
    found.add_argument("--allowed-hosts", default="", help="NAME:PORT,... that Host may say")
    found.add_argument("--auth", action="store_true", help="ask for the login on loopback too")
    return found


def settle(arguments: argparse.Namespace) -> list[str]:
    """Return what the header Host may say to this server, and note it for its processes."""
    names = [host for host in arguments.allowed_hosts.split(",") if host]
    if arguments.fd is None:
        names += own_hosts(arguments.host, arguments.port)
    os.environ[HOSTS_VARIABLE] = ",".join(names)
    return names


def login_of(arguments: argparse.Namespace) -> tuple[str, str] | None:
    """Return the login that a server asks for, or None; a message ends the process.

    Where a socket is handed over, whoever opened it has said whether there is to be a login.
    """
    try:
        return login_for(arguments.host or "localhost", arguments.auth)
    except InputError as error:
        sys.exit(f"textmill: {error}")


def serve(factory: str, arguments: argparse.Namespace, workers: int | None = None) -> None:
    """Serve an application until a signal, or until the command is gone.

    Args:
        factory: MODULE:FUNCTION that returns the application, which `guarded` has wrapped.
        arguments: those of `parser`.
        workers: processes, where there are to be more than one.
    """
    if arguments.fd is not None:
        threading.Thread(target=_end_with_command, daemon=True).start()
    # uvicorn raises the signal again once it has shut down.
    signal.signal(signal.SIGTERM, _exit)
    uvicorn.run(
        factory,
        factory=True,
        fd=arguments.fd,
        host=arguments.host or "",
        port=arguments.port,
        workers=workers,
        # A worker that has not answered for 5 s is replaced otherwise: on a busy machine, forever.
        timeout_worker_healthcheck=120,
        log_level="error",
        lifespan="on",
    )


def guarded(app: App) -> App:
    """Return an application behind the guard."""
    return Guard(app, os.environ[HOSTS_VARIABLE].split(","))


def _end_with_command() -> None:
    """End the server when the pipe breaks, as it does even when the command is killed."""
    # Not through sys.stdin, whose lock the interpreter would wait for at its end, and then abort.
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _exit(number: int, frame: FrameType | None) -> NoReturn:
    # What serves is closed by then; to take down the interpreter would take half a second more.
    os._exit(128 + number)
