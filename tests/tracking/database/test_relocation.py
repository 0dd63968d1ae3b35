"""Specifies stores that were moved, copied, renamed, or are read-only: nothing else changes."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import tarfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import mlflow
import pytest

from tests.tracked import Calls, Probe, run_once
from tests.tracking.database.conftest import SEED, at, downgrade
from textmill.config import Config, SampleConfig
from textmill.errors import InputError, RunError
from textmill.files import digest_file
from textmill.registry.drawing import render_tree
from textmill.registry.lineage import trace
from textmill.registry.prune import UnusedData, find_unused, remove
from textmill.tracking.artifacts import output_folder
from textmill.tracking.database.relocation import HOMES, current_path
from textmill.tracking.pipeline import open_pipeline
from textmill.tracking.results import Result
from textmill.tracking.store import Store

pytestmark = [
    pytest.mark.filterwarnings("ignore:The specified dataset source:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*type hint:UserWarning"),
]

ODD = "q?x#y 100%41 a b ü 文"


def files_of(home: Path) -> dict[str, str]:
    """The digest of every file, also of the database."""
    files = [path for path in sorted(home.rglob("*")) if path.is_file()]
    return {str(path.relative_to(home)): digest_file(path) for path in files}


def places(home: Path) -> str:
    """All that MLflow's tables say of where something lies."""
    columns = {
        "experiments": "artifact_location",
        "runs": "artifact_uri",
        "logged_models": "artifact_location",
        "model_versions": "source || storage_location",
        "datasets": "dataset_source",
    }
    with closing(sqlite3.connect(home / "mlflow.db")) as connection:
        rows = [
            connection.execute(f"SELECT {column} FROM {table}").fetchall()
            for table, column in columns.items()
        ]
        rows.append(connection.execute("SELECT value FROM tags WHERE key LIKE '%places'"))
        return "\n".join(str(value) for found in rows for (value,) in found)


def remove_all(config: Config) -> list[UnusedData]:
    store = Store(config.tracking)
    found = find_unused(store, 0)
    for waste in found:
        remove(store, waste)
    return found


def move(old: Path, new: Path) -> None:
    old.rename(new)


def copy_and_remove_the_original(old: Path, new: Path) -> None:
    with tarfile.open(old.parent / "store.tar", "w") as archive:
        archive.add(old, "mlruns")
    shutil.rmtree(old)
    with tarfile.open(old.parent / "store.tar") as archive:
        archive.extractall(new.parent, filter="data")


@pytest.mark.parametrize(("name", "how"), [(ODD, move), ("new", copy_and_remove_the_original)])
def test_a_store_works_at_once_in_another_place(
    made: tuple[Config, Result],
    probe: Probe,
    calls: Calls,
    tmp_path: Path,
    name: str,
    how: Callable[[Path, Path], None],
) -> None:
    old, was = made
    home = tmp_path / name / "mlruns"
    home.parent.mkdir()
    how(Path(old.tracking.home), home)
    config = at(old, home)
    store = Store(config.tracking)
    assert str(old.tracking.home) not in places(home)
    assert json.dumps(str(home))[1:-1] in places(home)  # the source of a data set
    assert run_once(config, probe("write"), SampleConfig(seed=2)).is_reused
    assert str(home) in render_tree(trace(store, was.run_id))  # of the file it was made from
    assert calls() == 2
    files = [file.path for file in store.client.list_artifacts(was.run_id, "output")]
    assert "output/manifest.json" in files
    assert run_once(config, probe("write"), SampleConfig(seed=3)).folder.is_relative_to(home)
    assert not Path(old.tracking.home).exists()


def test_plain_mlflow_loads_the_models_of_a_moved_store(
    made: tuple[Config, Result], tmp_path: Path
) -> None:
    # From a path with % and two digits it loads none, wherever that was made (seen with 3.17).
    home = tmp_path / "50% q?x#y ü"
    Path(made[0].tracking.home).rename(home)
    Store(at(made[0], home).tracking).use()
    assert mlflow.pyfunc.load_model("models:/echo/1").predict(["a"]) == ["a"]


def test_pruning_a_copy_leaves_the_original_as_it_was(
    made: tuple[Config, Result], tmp_path: Path
) -> None:
    original, was = made
    home = Path(original.tracking.home)
    before = files_of(home)
    shutil.copytree(home, tmp_path / "copy")
    copy = at(original, tmp_path / "copy")
    Store(copy.tracking).client.delete_registered_model("echo")
    assert was.run_id in {waste.run_id for waste in remove_all(copy)}
    assert files_of(home) == before
    assert not list((tmp_path / "copy").rglob("seed.txt"))
    assert output_folder(Store(original.tracking), was.run_id) == was.folder


def test_folders_with_a_common_prefix_are_different_stores(
    made: tuple[Config, Result], tmp_path: Path
) -> None:
    home = Path(made[0].tracking.home)
    shutil.copytree(home, tmp_path / "q")
    shutil.copytree(home, tmp_path / "q?x#y")
    plain, odd = (Store(at(made[0], tmp_path / name).tracking) for name in ("q", "q?x#y"))
    odd.experiment("only here")
    assert plain.find_experiment("only here") is None
    assert odd.find_experiment("only here") is not None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["calls", "first", "q", "q?x#y"]


def test_a_store_may_be_reached_by_a_link_as_well(
    made: tuple[Config, Result], tmp_path: Path
) -> None:
    config, was = made
    home = Path(config.tracking.home)
    before = places(home)
    (tmp_path / "link").symlink_to(home)
    linked = Store(at(config, tmp_path / "link").tracking)
    assert output_folder(linked, was.run_id) == was.folder
    linked.client.create_run(linked.experiment("by the link"))
    assert set(before.splitlines()) <= set(places(home).splitlines())
    (tmp_path / "link").unlink()
    home.rename(tmp_path / "moved")
    moved = Store(at(config, tmp_path / "moved").tracking)
    assert output_folder(moved, was.run_id).is_relative_to(tmp_path / "moved")
    assert str(tmp_path / "link") not in places(moved.home)  # neither of its names is left
    assert str(home) not in places(moved.home)


def test_a_store_of_an_older_textmill_is_found_by_its_runs(
    made: tuple[Config, Result], tmp_path: Path
) -> None:
    config, was = made
    store = Store(config.tracking)
    theirs = (tmp_path / "theirs").as_uri()
    store.client.create_experiment("of another program", theirs)
    home = tmp_path / "moved"
    store.home.rename(home)
    with closing(sqlite3.connect(home / "mlflow.db")) as connection, connection:
        connection.execute(f"DROP TABLE {HOMES}")
        # What it has made since the move has the new place.
        connection.execute(
            "UPDATE runs SET artifact_uri = replace(artifact_uri, ?, ?) WHERE run_uuid = ?",
            [store.home.as_uri(), home.as_uri(), was.run_id],
        )
    moved = Store(at(config, home).tracking)
    assert output_folder(moved, was.run_id).is_relative_to(home)
    assert str(store.home) not in places(home)
    experiment = moved.client.get_experiment_by_name("of another program")
    assert experiment is not None
    assert experiment.artifact_location == theirs
    with pytest.raises(InputError, match="outside of the store"):
        moved.experiment("of another program")


def test_a_store_in_use_under_another_name_is_not_moved(
    made: tuple[Config, Result], tmp_path: Path
) -> None:
    config, was = made
    with open_pipeline("test", config, "tests", {}):
        Path(config.tracking.home).rename(tmp_path / "moved")
        with pytest.raises(RunError, match="A pipeline is running"):
            Store(at(config, tmp_path / "moved").tracking)
        (tmp_path / "moved").rename(config.tracking.home)
    assert output_folder(Store(config.tracking), was.run_id) == was.folder


def test_the_target_of_a_link_is_not_deleted(made: tuple[Config, Result], tmp_path: Path) -> None:
    config, was = made
    home = Path(config.tracking.home)
    (home / "artifacts").rename(tmp_path / "larger disk")
    (home / "artifacts").symlink_to(tmp_path / "larger disk")
    store = Store(config.tracking)
    store.client.delete_registered_model("echo")
    found = find_unused(store, 0)
    assert was.run_id not in {waste.run_id for waste in found}
    with pytest.raises(RunError, match="outside of the store"):
        remove(store, UnusedData("result", "write", 1, was.run_id))
    assert (was.folder / "seed.txt").exists()


LOOK = """
import sys
from textmill.config import TrackingConfig
from textmill.errors import RunError
from textmill.registry.versions import Registry
from textmill.tracking.artifacts import output_folder
from textmill.tracking.liveness import close_dead_runs, no_pipeline_starts
from textmill.tracking.store import Store
store = Store(TrackingConfig(home=sys.argv[1]))
print(output_folder(store, sys.argv[2]))
print(store.client.get_run(sys.argv[2]).info.artifact_uri)
for change in (
    lambda: store.experiment("new"), lambda: close_dead_runs(store), store.reserve_space,
    lambda: store.client.log_text(sys.argv[2], "text", "file"),
    lambda: store.client.create_registered_model("new"),
    lambda: no_pipeline_starts(store).__enter__(),
    lambda: Registry(store, "tests").rollback("echo"),
):
    try:
        change()
    except RunError as error:
        print(error)
"""


def without_privilege(*command: str) -> list[str]:
    """A command whose process is bound by permissions, also where root starts it."""
    if os.geteuid() != 0:
        return list(command)
    return ["setpriv", "--bounding-set", "-dac_override,-dac_read_search", *command]


@pytest.mark.parametrize("is_old", [False, True])
def test_a_read_only_store_is_read_in_place(
    made: tuple[Config, Result], tmp_path: Path, is_old: bool
) -> None:
    config, was = made
    home = tmp_path / "read-only"
    shutil.copytree(config.tracking.home, home)
    if is_old:
        downgrade(home / "mlflow.db")
    before = files_of(home)
    for path in [home, *home.rglob("*")]:
        path.chmod(stat.S_IMODE(path.stat().st_mode) & ~0o222)
    command = without_privilege(sys.executable, "-c", LOOK, str(home), was.run_id)
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    for path in [home, *home.rglob("*")]:
        path.chmod(stat.S_IMODE(path.stat().st_mode) | 0o200)
    assert done.returncode == 0, done.stderr
    folder, uri, *refusals = done.stdout.splitlines()
    assert Path(folder).is_relative_to(home)
    assert uri.startswith(home.as_uri())
    assert len(refusals) == 7
    for refusal in refusals:
        assert refusal.startswith(f"The store {home} is read-only (")
    assert files_of(home) == before


@pytest.mark.parametrize(
    ("mode", "others"), [("private", 0o077), ("group", 0o007), ("0750", 0o027)]
)
def test_created_files_have_the_configured_permissions(
    config: Config, probe: Probe, calls: Calls, tmp_path: Path, mode: str, others: int
) -> None:
    home = tmp_path / "mlruns"
    home.mkdir(mode=0o755)  # as it comes with a checkout
    home.chmod(0o755)
    config = at(config, home)
    tracking = config.tracking.model_copy(update={"mode": mode})
    run_once(config.model_copy(update={"tracking": tracking}), probe("write"), SEED)
    assert stat.S_IMODE(home.stat().st_mode) == 0o755
    for path in home.rglob("*"):
        assert not path.stat().st_mode & others, path
    folder = 0o777 & ~others
    assert stat.S_IMODE((home / "artifacts").stat().st_mode) == folder
    assert stat.S_IMODE((home / "mlflow.db").stat().st_mode) == folder & 0o666


def test_a_place_in_a_record_is_followed_into_the_store_alone(tmp_path: Path) -> None:
    run = "0123456789abcdef0123456789abcdef"
    file = tmp_path / "artifacts" / run / "artifacts" / "output" / "a.txt"
    file.parent.mkdir(parents=True)
    file.touch()
    recorded = str(file).replace(str(tmp_path), "/gone")
    assert current_path(recorded, tmp_path) == str(file)
    for other in (f"{recorded}.missing", "/data/a.txt", "sample:a", str(file)):
        assert current_path(other, tmp_path) == other
