"""Throughput and latency of `textmill serve`, and how soon it answers.

    python benchmarks/serving.py [--task sentiment] [--clients 16] [--seconds 60] [--config demo]

Runs in a folder whose store has models. First one client sends one request after another, then all
clients at once, each with one text per request. Clients and server share this machine's cores.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from http.client import HTTPConnection
from pathlib import Path

import numpy as np
import psutil

TEXTMILL = str(Path(sys.executable).with_name("textmill"))
START_S = 60
TEXTS = [
    "I would go there again at once.",
    "The soup was cold, the staff was rude, and we waited an hour for the bill.",
    "It was fine.",
    "A lovely evening: friendly people, a warm room, and the best cake that we have had in years.",
]


def start(
    words: Sequence[str], task: str, project: Path | None = None
) -> tuple[subprocess.Popen[bytes], str, float]:
    """Start a server; return it, its NAME:PORT, and the seconds to its first answer."""
    began = time.perf_counter()
    command = [TEXTMILL, "serve", "--port", "0", *words]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=project)
    assert server.stdout is not None
    line = server.stdout.readline().decode()
    address = next(word for word in line.split() if word.startswith("http"))[7:].rstrip(".")
    try:
        wait_for_answer(address, task)
    except BaseException:
        server.terminate()
        raise
    return server, address, time.perf_counter() - began


def wait_for_answer(address: str, task: str) -> None:
    """Return when the model of a task is loaded and has answered."""
    end = time.perf_counter() + START_S
    while (status := ask(HTTPConnection(address), task, TEXTS[0])) != 200:
        if time.perf_counter() > end:
            raise SystemExit(f"{task} answers with status {status} for {START_S} s")
        time.sleep(0.05)


def ask(connection: HTTPConnection, task: str, text: str) -> int:
    """Return the status of a prediction."""
    body = json.dumps({"inputs": [text]})
    headers = {"content-type": "application/json"}
    connection.request("POST", f"/v1/tasks/{task}/predict", body, headers)
    answer = connection.getresponse()
    answer.read()
    return answer.status


def load(address: str, task: str, n_clients: int, seconds: float) -> tuple[list[float], int]:
    """Return the seconds of all requests of a number of clients, and how many failed."""
    times: list[list[float]] = [[] for _ in range(n_clients)]
    failed = [0] * n_clients
    end = time.perf_counter() + seconds

    def run(number: int) -> None:
        connection = HTTPConnection(address, timeout=60)
        turn = number
        while (began := time.perf_counter()) < end:
            status = ask(connection, task, TEXTS[turn % len(TEXTS)])
            times[number].append(time.perf_counter() - began)
            failed[number] += status != 200
            turn += 1
        connection.close()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(n_clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [one for of_client in times for one in of_client], sum(failed)


def report(name: str, times: Sequence[float], n_failed: int, seconds: float) -> float:
    """Print a row; return the requests per second."""
    p50, p99 = np.percentile(times, [50, 99]) * 1000
    rate = len(times) / seconds
    print(
        f"{name:14}{rate:8.1f} requests/s   p50 {p50:6.1f} ms   p99 {p99:6.1f} ms "
        f"({p99 / p50:.1f} x p50)   {n_failed} of {len(times)} failed"
    )
    return rate


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", default="sentiment")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("words", nargs="*", help="arguments of textmill serve")
    given = parser.parse_args()
    server, address, first_s = start(given.words, given.task)
    try:
        print(f"first answer after {first_s:.1f} s")
        load(address, given.task, 1, 2)  # warm up
        one = report(
            "1 client", *load(address, given.task, 1, given.seconds / 3), given.seconds / 3
        )
        times, n_failed = load(address, given.task, given.clients, given.seconds)
        many = report(f"{given.clients} clients", times, n_failed, given.seconds)
        mib = psutil.Process(server.pid).memory_info().rss / 2**20
        print(f"throughput {many / one:.1f} x one by one; {mib:.0f} MiB")
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()
