"""Moved and copied stores: the places in MLflow's tables, made those where the store lies now.

MLflow records where files lie by absolute places. The database of a store also records under which
folders it has been: rows below one of those are below the present folder when it is opened
elsewhere. Places that were never below a folder of the store belong to others, and stay.
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

WAIT_S = 20
"""For other processes to end their transactions."""
HOMES = "textmill_homes"
"""A table of ours, which MLflow passes over: the folders that the rows below may name."""
PLACES = {
    ("experiments", "artifact_location"): "",
    ("runs", "artifact_uri"): "",
    ("logged_models", "artifact_location"): "",
    ("model_versions", "source"): "",
    ("model_versions", "storage_location"): "",
    ("datasets", "dataset_source"): "",
    ("tags", "value"): "key = 'textmill.places'",
    ("trace_tags", "value"): "key = 'mlflow.artifactLocation'",
}
"""Where MLflow's tables name places, and of which rows."""
OWN_PLACE = re.compile(r"(?P<home>.*)/artifacts/(?P<run>[0-9a-f]{32})/artifacts(?:/|$)")
"""The folder of a run's files, below the home of its store."""


def relocate(database: Path, home: Path, check_free: Callable[[str], None]) -> str | None:
    """Make the rows of a store that was moved or copied name where it is now.

    One process at a time may do so.

    Args:
        database: of the store.
        home: its folder, where it is now.
        check_free: called before anything is changed, with the folder where it was; raises an
            exception where the store is in use under that.

    Returns:
        The folder that it was in, or None if it is there still.
    """
    with closing(sqlite3.connect(database, WAIT_S, isolation_level=None)) as connection:
        homes = _homes(connection)
        if str(home) in homes and all(_is_same(old, home) for old in homes):
            return None
        homes = homes or _homes_of_runs(connection, home)
        gone = [old for old in homes if not _is_same(old, home)]
        if gone:
            check_free(gone[0])
        connection.execute("BEGIN IMMEDIATE")
        try:
            for old in gone:
                _rewrite(connection, old, home)
            _record(connection, {*homes, str(home)} - set(gone))
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
    return gone[0] if gone else None


def present_place(place: str, home: Path) -> str:
    """Return where a file lies now that a record, which cannot change, says to be in a store.

    Args:
        place: what is recorded, of this store or of anything else.
        home: of the store; the files of its runs are there, whatever it was called before.
    """
    match = OWN_PLACE.match(place)
    if match is None or match["home"] == str(home):
        return place
    here = f"{home}{place[match.end('home') :]}"
    return here if os.path.exists(here) else place


def _is_same(old: str, home: Path) -> bool:
    """Return whether a folder by another name is the present one: a link leads there, or back."""
    try:
        return old == str(home) or os.path.samefile(old, home)
    except OSError:
        return False


def _homes(connection: sqlite3.Connection) -> list[str]:
    if HOMES not in _tables(connection):
        return []
    return [home for (home,) in connection.execute(f"SELECT home FROM {HOMES} ORDER BY home")]


def _homes_of_runs(connection: sqlite3.Connection, home: Path) -> list[str]:
    """Return the former folders of a store of an older textmill, which did not record them.

    Runs of ours tell it; where somebody has put their files elsewhere on purpose, they are there
    still, and not here.
    """
    runs = connection.execute(
        "SELECT artifact_uri FROM runs WHERE run_uuid IN "
        "(SELECT run_uuid FROM tags WHERE key = 'textmill.kind')"
    )
    found: dict[str, bool] = {}
    for (uri,) in runs:
        match = OWN_PLACE.match(_path(uri or ""))
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
    for table, column in _places(connection):
        which = PLACES[table, column] or "TRUE"
        connection.execute(
            f"UPDATE {table} SET {column} = moved({column}) "
            f"WHERE {which} AND {column} IS NOT NULL AND {column} != moved({column})"
        )


def _places(connection: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    """Yield the tables and columns that this version of MLflow has."""
    for table, column in PLACES:
        columns = connection.execute(f"PRAGMA table_info({table})")
        if column in {row[1] for row in columns}:
            yield table, column


def _tables(connection: sqlite3.Connection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}


def _moved(text: str, old: str, home: Path) -> str:
    """Return a column's value, with what lies below the old folder below the present one."""
    if text.startswith("{"):  # the source of a data set
        try:
            return json.dumps(_moved_values(json.loads(text), old, home))
        except ValueError:
            return text
    return "\n".join(_moved_place(place, old, home) for place in text.split("\n"))


def _moved_values(value: Any, old: str, home: Path) -> Any:
    if isinstance(value, dict):
        return {key: _moved_values(item, old, home) for key, item in value.items()}
    return _moved_place(value, old, home) if isinstance(value, str) else value


def _moved_place(place: str, old: str, home: Path) -> str:
    """Return a path, or a file URI, below the present folder if it was below the old one."""
    path = _path(place)
    below = path.removeprefix(old)
    if not path.startswith(old) or below[:1] not in ("", "/"):
        return place
    moved = f"{home}{below}"
    return Path(moved).as_uri() if place.startswith("file:") else moved


def _path(place: str) -> str:
    """Return the path of a place that may be a file URI."""
    if not place.startswith("file:"):
        return place
    return str(local_file_uri_to_path(place))  # type: ignore[no-untyped-call]
