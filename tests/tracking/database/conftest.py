from __future__ import annotations

import shutil
from pathlib import Path

import mlflow
import pytest

from tests.stores import *  # noqa: F403  # the fixtures, by its __all__
from tests.tracked import Calls, Probe, run_once
from textmill.config import Config, SampleConfig
from textmill.files import digest_file
from textmill.steps.raw_sources import Source
from textmill.tracking.results import Result
from textmill.tracking.store import Store

SEED = SampleConfig(seed=1)


def at(config: Config, home: Path) -> Config:
    tracking = config.tracking.model_copy(update={"home": str(home)})
    return config.model_copy(update={"tracking": tracking, "experiment": "moving"})


@pytest.fixture
def made(
    empty_database: Path, config: Config, probe: Probe, tmp_path: Path, calls: Calls
) -> tuple[Config, Result]:
    """A store with a result that was made from a file in it, and with a registered model."""
    home = tmp_path / "first" / "mlruns"
    home.mkdir(parents=True)
    shutil.copy(empty_database, home)
    own = at(config, home)
    first = run_once(own, probe("write"), SampleConfig(seed=2))
    place = first.folder / "seed.txt"
    source = Source("lines", str(place), digest_file(place), "training")
    result = run_once(own, probe("write"), SEED, inputs={"before": first}, sources=(source,))
    opened = Store(own.tracking)
    opened.use()
    with mlflow.start_run(run_id=result.run_id):
        model = mlflow.pyfunc.log_model(
            name="echo",
            python_model=str(Path(__file__).with_name("echo_model.py")),
            pip_requirements=["mlflow"],
        )
    opened.client.create_registered_model("echo")
    opened.client.create_model_version("echo", model.model_uri, result.run_id)
    assert calls() == 2
    return own, result


def downgrade(database: Path) -> None:
    from alembic import command
    from mlflow.store.db.utils import _get_alembic_config

    command.downgrade(_get_alembic_config(f"sqlite:///{database}"), "-1")  # type: ignore[no-untyped-call]
