"""Specifies opening a store: what server is refused. (What a Store refuses: test_store.py.)"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from textmill.config import TrackingConfig
from textmill.errors import RunError
from textmill.tracking.database.opening import check_database, check_version, database_file
from textmill.tracking.store import Store


@pytest.mark.parametrize(("version", "is_refused"), [("2.22.1", True), ("3.1.0", False)])
def test_a_server_of_another_major_version_is_refused(version: str, is_refused: bool) -> None:
    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(version.encode())

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            uri = f"http://127.0.0.1:{server.server_port}"
            if is_refused:
                with pytest.raises(RunError, match=f"{uri} runs MLflow {version}, .* same major"):
                    check_version(uri)
            else:
                check_version(uri)
        finally:
            server.shutdown()


DAMAGED: dict[str, tuple[Callable[[Path], object], str]] = {
    "emptied": (lambda file: file.write_bytes(b""), "is empty"),
    "deleted": (Path.unlink, "is missing"),
    "cut": (lambda file: file.write_bytes(file.read_bytes()[:-5000]), "is truncated"),
    "cut to a page": (lambda file: file.write_bytes(file.read_bytes()[:4096]), "is truncated"),
    "cut in its head": (lambda file: file.write_bytes(file.read_bytes()[:50]), "is not an SQLite"),
    "another file": (lambda file: file.write_bytes(b"x" * 9000), "is not an SQLite database"),
}


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A database with results beside it."""
    file = tmp_path / "mlflow.db"
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE runs (name TEXT)")
        connection.executemany("INSERT INTO runs VALUES (?)", [("x" * 1000,)] * 50)
        connection.commit()
    (tmp_path / "artifacts" / "run").mkdir(parents=True)
    return file


@pytest.mark.parametrize(("damage", "problem"), DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_database_beside_results_is_not_taken_for_a_new_one(
    database: Path, damage: Callable[[Path], object], problem: str
) -> None:
    assert check_database(database)
    damage(database)
    message = f"{database} cannot be opened: it {problem}.*restore it from a backup"
    with pytest.raises(RunError, match=message):
        check_database(database)
    content = database.read_bytes() if database.exists() else None
    with pytest.raises(RunError, match=message):
        Store(TrackingConfig(home=str(database.parent)))
    assert (database.read_bytes() if database.exists() else None) == content


def test_without_results_a_database_may_be_made(tmp_path: Path) -> None:
    (tmp_path / "artifacts").mkdir()
    (tmp_path / "artifacts" / ".gitkeep").touch()
    assert not check_database(tmp_path / "mlflow.db")


@pytest.mark.parametrize(
    ("uri", "file"),
    [
        ("sqlite:///a/mlflow.db", "a/mlflow.db"),
        ("sqlite:////a/mlflow.db", "/a/mlflow.db"),
        ("sqlite://", None),
        ("http://127.0.0.1:5000", None),
        ("postgresql://host/mlflow", None),
    ],
)
def test_the_file_of_a_database_is_known_by_its_address(uri: str, file: str | None) -> None:
    assert database_file(uri) == (file and Path(file))
