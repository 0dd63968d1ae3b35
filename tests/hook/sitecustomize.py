"""For PYTHONPATH: Python loads it first, and it notes which foreign hosts the process asks for."""

from __future__ import annotations

import ipaddress
import os
import socket
import sys
from typing import Any

FILE = os.environ["FOREIGN_HOSTS"]
OWN = ("", "localhost", socket.gethostname())
LOOK_UPS = ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr")


def is_foreign(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host not in OWN
    return not address.is_loopback and not address.is_unspecified


def note(event: str, arguments: tuple[Any, ...]) -> None:
    if event in LOOK_UPS:
        host = arguments[0]
    elif event in ("socket.connect", "socket.sendto") and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    else:
        return
    name = host.decode() if isinstance(host, bytes) else host or ""
    if is_foreign(name):
        with open(FILE, "a") as file:
            file.write(f"{event} {name} {sys.orig_argv}\n")


sys.addaudithook(note)
