"""Relocation of moved and copied stores: paths in MLflow's tables are rewritten.

MLflow records absolute paths. The database of a store also records the folders that it has been in:
when it is opened in another folder, paths below those are rewritten to the current one. All other
paths are outside of the store, and are kept.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from mlflow.utils.file_utils import local_file_uri_to_path

LOCK_TIMEOUT_S = 20
"""Timeout for transactions of other processes."""
HOMES = "textmill_homes"
"""Our own table, which MLflow ignores: the folders that the store has been in."""
PATH_COLUMNS = {
    ("experiments", "artifact_location"): "",
    ("runs", "artifact_uri"): "",
    ("logged_models", "artifact_location"): "",
    ("model_versions", "source"): "",
    ("model_versions", "storage_location"): "",
    ("datasets", "dataset_source"): "",
    ("tags", "value"): "key = 'textmill.places'",
    ("trace_tags", "value"): "key = 'mlflow.artifactLocation'",
}
"""Columns of MLflow's tables that contain paths, and a condition for their rows."""
ARTIFACT_PATH = re.compile(r"(?P<home>.*)/artifacts/(?P<run>[0-9a-f]{32})/artifacts(?:/|$)")
"""The path of a run's artifacts, below the home of its store."""


def relocate(database: Path, home: Path, check_unused: Callable[[str], None]) -> str | None:
    """Rewrite the paths in the database of a store that was moved or copied.

    Not safe for concurrent calls: the caller holds a lock.

    Args:
        database: of the store.
        home: the current folder of the store.
        check_unused: called with the former folder before any change; raises an exception if the
            store is in use under that path.

    Returns:
        The former folder, or None if the store was not moved.
    """
    with closing(sqlite3.connect(database, LOCK_TIMEOUT_S, isolation_level=None)) as connection:
        homes = _homes(connection)
        if str(home) in homes and all(_is_same(old, home) for old in homes):
            return None
        homes = homes or _homes_of_runs(connection, home)
        former = [old for old in homes if not _is_same(old, home)]
        if former:
            check_unused(former[0])
        connection.execute("BEGIN IMMEDIATE")
        try:
            for old in former:
                _rewrite(connection, old, home)
            _record(connection, {*homes, str(home)} - set(former))
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
    return former[0] if former else None


def current_path(recorded: str, home: Path) -> str:
    """Return the current path of a file that an immutable record refers to.

    Args:
        recorded: a recorded path, of this store or any other file.
        home: the current folder of the store.
    """
    match = ARTIFACT_PATH.match(recorded)
    if match is None or match["home"] == str(home):
        return recorded
    current = f"{home}{recorded[match.end('home') :]}"
    return current if os.path.exists(current) else recorded


def _is_same(old: str, home: Path) -> bool:
    """Return whether a recorded folder is the current one, perhaps through a symbolic link."""
    try:
        return old == str(home) or os.path.samefile(old, home)
    except OSError:
        return False


def _homes(connection: sqlite3.Connection) -> list[str]:
    if HOMES not in _tables(connection):
        return []
    return [home for (home,) in connection.execute(f"SELECT home FROM {HOMES} ORDER BY home")]


def _homes_of_runs(connection: sqlite3.Connection, home: Path) -> list[str]:
    """Return the former folders of a store of an early version, which did not record them.

    They are inferred from the artifact paths of textmill's runs. Paths that still exist and are not
    in this store were chosen by the user.
    """
    runs = connection.execute(
        "SELECT artifact_uri FROM runs WHERE run_uuid IN "
        "(SELECT run_uuid FROM tags WHERE key = 'textmill.kind')"
    )
    found: dict[str, bool] = {}
    for (uri,) in runs:
        match = ARTIFACT_PATH.match(_path(uri or ""))
        if match is not None:
            old, run = match["home"], match["run"]
            found[old] = found.get(old, False) or (home / "artifacts" / run).exists()
    return sorted(old for old, is_here in found.items() if is_here or not os.path.exists(old))


def _record(connection: sqlite3.Connection, homes: Iterable[str]) -> None:
    connection.execute(f"CREATE TABLE IF NOT EXISTS {HOMES} (home TEXT PRIMARY KEY)")
    connection.execute(f"DELETE FROM {HOMES}")
    connection.executemany(f"INSERT INTO {HOMES} VALUES (?)", [(home,) for home in homes])


def _rewrite(connection: sqlite3.Connection, old: str, home: Path) -> None:
    def moved(text: str) -> str:
        return _moved(text, old, home)

    connection.create_function("moved", 1, moved, deterministic=True)
    for table, column in _path_columns(connection):
        condition = PATH_COLUMNS[table, column] or "TRUE"
        connection.execute(
            f"UPDATE {table} SET {column} = moved({column}) "
            f"WHERE {condition} AND {column} IS NOT NULL AND {column} != moved({column})"
        )


def _path_columns(connection: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    """Yield the tables and columns with paths that this version of MLflow has."""
    for table, column in PATH_COLUMNS:
        columns = connection.execute(f"PRAGMA table_info({table})")
        if column in {row[1] for row in columns}:
            yield table, column


def _tables(connection: sqlite3.Connection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}


def _moved(text: str, old: str, home: Path) -> str:
    """Return a column's value with paths below the old folder rewritten to the current one."""
    if text.startswith("{"):  # the source of a dataset
        try:
            return json.dumps(_moved_values(json.loads(text), old, home))
        except ValueError:
            return text
    return "\n".join(_moved_path(path, old, home) for path in text.split("\n"))


def _moved_values(value: Any, old: str, home: Path) -> Any:
    if isinstance(value, dict):
        return {key: _moved_values(item, old, home) for key, item in value.items()}
    return _moved_path(value, old, home) if isinstance(value, str) else value


def _moved_path(location: str, old: str, home: Path) -> str:
    """Return a path or file URI, rewritten to the current folder if it was below the old one."""
    path = _path(location)
    below = path.removeprefix(old)
    if not path.startswith(old) or below[:1] not in ("", "/"):
        return location
    moved = f"{home}{below}"
    return Path(moved).as_uri() if location.startswith("file:") else moved


def _path(location: str) -> str:
    """Return the path of a path or file URI."""
    if not location.startswith("file:"):
        return location
    return str(local_file_uri_to_path(location))  # type: ignore[no-untyped-call]
