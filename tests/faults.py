"""A proxy before a server, which delays, hangs, drops or fails the requests that a test chooses."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from enum import Enum
from typing import Any, TypeVar

METHODS = (b"GET ", b"POST ", b"PUT ", b"PATCH ", b"DELETE ", b"HEAD ")
CHUNK = 1 << 16
FAILURE = (
    b"HTTP/1.1 500 Internal Server Error\r\nContent-Type: text/plain\r\n"
    b"Content-Length: 6\r\nConnection: close\r\n\r\nbroken"
)

Answer = TypeVar("Answer")


class Fault(Enum):
    """What becomes of a request."""

    NONE = "none"
    SLOW = "slow"
    """It is passed on after a while."""
    HANG = "hang"
    """No answer, as long as the fault lasts; then the connection is closed."""
    DROP = "drop"
    """The connection is closed, as that of a server that is killed."""
    FAIL = "fail"
    """Answered by status 500."""
    LOSE = "lose"
    """The server does what it is asked for, and its answer is lost."""


class FaultyProxy:
    """Passes TCP connections on to a server; `choose` decides on the fault of each request.

    Args:
        port: of the server, on the loopback.
        slow_s: how late a SLOW request is.
    """

    def __init__(self, port: int, slow_s: float = 2.0) -> None:
        self._target, self._slow_s = port, slow_s
        self.choose: Callable[[str], Fault] = lambda request: Fault.NONE
        self.seen: list[str] = []
        """The request lines so far, such as "POST /api/2.0/mlflow/runs/create"."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = self._do(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port: int = self._server.sockets[0].getsockname()[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        async def end() -> None:
            self._server.close()
            rest = asyncio.all_tasks() - {asyncio.current_task()}
            for task in rest:
                task.cancel()
            await asyncio.gather(*rest, return_exceptions=True)

        self._do(end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, work: Coroutine[Any, Any, Answer]) -> Answer:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _serve(self, here: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        connection = _Connection(here, back)
        try:
            while data := await here.read(CHUNK):
                fault, request = Fault.NONE, ""
                if data.startswith(METHODS):  # else the rest of a body, or a websocket's frame
                    request = data.split(b" HTTP/", 1)[0].decode(errors="replace")
                    self.seen.append(request)
                    fault = self.choose(request)
                    connection.loses_answers = fault is Fault.LOSE
                if fault is Fault.SLOW:
                    await asyncio.sleep(self._slow_s)
                elif fault is Fault.HANG:
                    while self.choose(request) is Fault.HANG:
                        await asyncio.sleep(0.05)
                    return
                elif fault is Fault.DROP:
                    return
                elif fault is Fault.FAIL:
                    await connection.fail(data)
                    return
                await connection.pass_on(data, self._target)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            connection.close()


class _Connection:
    """A client's connection, and the one to the server that belongs to it."""

    def __init__(self, here: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        self._here, self._back = here, back
        self._server: asyncio.StreamWriter | None = None
        self._answers: asyncio.Task[None] | None = None
        self.loses_answers = False

    async def pass_on(self, data: bytes, port: int) -> None:
        if self._server is None:
            answers, self._server = await asyncio.open_connection("127.0.0.1", port)
            self._answers = asyncio.create_task(self._pump(answers))
        self._server.write(data)
        await self._server.drain()

    async def fail(self, data: bytes) -> None:
        """Answer by an error once the request is read: its sender would not read it before."""
        head, _, body = data.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        missing = int(length[1]) - len(body) if length else 0
        while missing > 0 and (more := await self._here.read(CHUNK)):
            missing -= len(more)
        self._back.write(FAILURE)
        await self._back.drain()

    async def _pump(self, answers: asyncio.StreamReader) -> None:
        with suppress(OSError):
            while (data := await answers.read(CHUNK)) and not self.loses_answers:
                self._back.write(data)
                await self._back.drain()
            self._back.close()

    def close(self) -> None:
        if self._answers is not None:
            self._answers.cancel()
        for writer in (self._server, self._back):
            if writer is not None:
                with suppress(OSError, RuntimeError):
                    writer.close()
