"""Specifies databases of another version of MLflow: upgraded and kept, or refused as they are."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import mlflow
import pytest

from tests.tracking.database.conftest import at, downgrade
from textmill.config import Config, TrackingConfig
from textmill.errors import RunError
from textmill.tracking.artifacts import output_folder
from textmill.tracking.results import Result
from textmill.tracking.store import Store

pytestmark = [
    pytest.mark.filterwarnings("ignore:The specified dataset source:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*type hint:UserWarning"),
]


def dump(database: Path) -> list[str]:
    with closing(sqlite3.connect(database)) as connection:
        return list(connection.iterdump())


def test_the_database_of_an_older_mlflow_is_upgraded_and_kept(
    made: tuple[Config, Result], caplog: pytest.LogCaptureFixture
) -> None:
    config, was = made
    home = Path(config.tracking.home)
    moved = home.with_name("older")
    home.rename(moved)
    downgrade(moved / "mlflow.db")
    before = dump(moved / "mlflow.db")
    store = Store(at(config, moved).tracking)
    assert output_folder(store, was.run_id).is_relative_to(moved)
    kept = moved / f"mlflow.db.before-{mlflow.__version__}"
    assert dump(kept) == before
    assert dump(moved / "mlflow.db") != before
    assert f"Upgraded {moved / 'mlflow.db'}" in caplog.text


def test_the_database_of_a_newer_mlflow_is_refused_and_left_as_it_is(
    made: tuple[Config, Result],
) -> None:
    home = Path(made[0].tracking.home)
    newer = home.with_name("newer")
    home.rename(newer)
    with closing(sqlite3.connect(newer / "mlflow.db")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
    with pytest.raises(RunError, match="another version of MLflow.*it is unchanged"):
        Store(at(made[0], newer).tracking)
    with closing(sqlite3.connect(newer / "mlflow.db")) as connection:
        version = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    assert version == [("ffffffffffff",)]
    assert not list(newer.glob("*before*"))


def test_a_given_database_of_an_older_mlflow_is_refused_with_the_command(
    made: tuple[Config, Result], tmp_path: Path
) -> None:
    shutil.copy(Path(made[0].tracking.home) / "mlflow.db", tmp_path / "given.db")
    downgrade(tmp_path / "given.db")
    uri = f"sqlite:///{tmp_path / 'given.db'}"
    with pytest.raises(RunError, match=f"mlflow db upgrade '{uri}'"):
        Store(TrackingConfig(home=str(tmp_path / "home"), uri=uri))
