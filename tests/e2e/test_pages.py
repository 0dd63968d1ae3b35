"""Specifies what a person sees of two runs in the web pages of MLflow and Prefect."""

from __future__ import annotations

import importlib.util
import io
import json
from collections.abc import Iterator
from pathlib import Path
from shutil import which
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from matplotlib.image import imread
from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from tests.e2e.conftest import SMALL, Product
from tests.e2e.test_attacks import LOGIN, ports, started

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(which("chromium") is None, reason="chromium is not installed"),
]

SCRIPT = Path(__file__).parents[2] / "docs" / "screenshots.py"


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Product:
    """A folder in which the shrunken demo has run, and once more from another seed."""
    product = Product(tmp_path_factory.mktemp("compared"))
    for further in ([], ["pretrain.seed=1"]):
        done = product.run("run", *SMALL, *further)
        assert done.returncode == 0, done.stderr
    return product


@pytest.fixture(scope="module")
def runs(compared: Product) -> list[Run]:
    """Its runs, the newest first."""
    client = MlflowClient(f"sqlite:///{compared.folder}/mlruns/mlflow.db")
    experiment = client.get_experiment_by_name("demo")
    assert experiment is not None
    condition = "attributes.status='FINISHED' and tags.`textmill.pipeline`='pipeline'"
    return list(client.search_runs([experiment.experiment_id], condition))


@pytest.fixture(scope="module")
def script() -> Any:
    """The script that takes the README's pictures."""
    spec = importlib.util.spec_from_file_location("screenshots", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def served(compared: Product, script: Any) -> Iterator[tuple[str, str]]:
    with script.pages(compared.folder) as addresses:
        yield addresses


@pytest.fixture(scope="module")
def page(script: Any) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=which("chromium"))
        yield browser.new_page(viewport={"width": 1280, "height": 900})
        browser.close()


def test_comparing_two_runs_in_mlflow_shows_what_differs(
    script: Any, served: tuple[str, str], page: Any, runs: list[Run]
) -> None:
    ids = json.dumps([run.info.run_id for run in runs])
    chosen = json.dumps([runs[0].info.experiment_id])
    address = f"{served[0]}/#/compare-runs?runs={quote(ids)}&experiments={quote(chosen)}"
    script.open_page(page, address, "Parameters")
    script.show_differences(page)
    new, old = runs
    for run in (new, old):
        assert page.get_by_text(run.info.run_name).first.is_visible()
    assert rows(page, "pretrain.") == [["pretrain.seed", "1", "0"]]
    assert page.get_by_text("lm/val_loss", exact=True).is_visible()
    for run in (new, old):
        loss = f"{run.data.metrics['lm/val_loss']:.3f}"
        assert page.get_by_text(loss, exact=True).first.is_visible()
    assert has_content(page)


def test_a_flow_run_in_prefect_shows_each_step_and_whether_it_was_reused(
    script: Any, served: tuple[str, str], page: Any, runs: list[Run]
) -> None:
    flow_run = runs[0].data.tags["prefect.flow_run_id"]
    script.open_page(page, f"{served[1]}/runs/flow-run/{flow_run}", "baseline topic")
    page.get_by_role("tab", name="Task Runs").or_(page.get_by_text("Task Runs")).first.click()
    page.get_by_text("Reused").first.wait_for()
    text = page.locator("body").inner_text()
    assert "Computed" in text
    assert has_content(page)


def test_with_a_login_both_pages_work_and_without_it_neither(
    tmp_path: Path, page: Any, script: Any
) -> None:
    from playwright.sync_api import Error

    mlflow, prefect, overrides = ports()
    product = Product(tmp_path, None, {"TEXTMILL_AUTH": LOGIN})
    user, _, password = LOGIN.partition(":")
    with started(product, "Press Ctrl-C to stop", "ui", "tracking.auth=true", *overrides):
        browser = page.context.browser
        with pytest.raises(Error, match="INVALID_AUTH_CREDENTIALS"):  # it cannot ask here
            browser.new_page().goto(f"http://localhost:{mlflow}")
        stranger = browser.new_page()
        stranger.goto(f"http://localhost:{prefect}/runs")
        stranger.wait_for_url("**/login**")
        stranger.locator("input[type=password]").fill(LOGIN)
        stranger.keyboard.press("Enter")
        stranger.get_by_text("Run a task or flow").first.wait_for()
        refused: list[str] = []
        stranger.on("response", lambda r: r.status in (401, 403) and refused.append(r.url))
        script.open_page(stranger, f"http://localhost:{prefect}/events", "No events")
        assert refused == []
        known = browser.new_context(http_credentials={"username": user, "password": password})
        script.open_page(known.new_page(), f"http://localhost:{mlflow}", user)


def rows(page: Any, name: str) -> list[list[str]]:
    """Return the cells of the visible rows of tables that begin with a name."""
    found = [
        [cell.strip() for cell in row.locator("th, td").all_inner_texts()]
        for row in page.locator("tr:visible").all()
    ]
    return [cells for cells in found if cells and cells[0].startswith(name)]


def has_content(page: Any) -> bool:
    """Return whether a picture of the page is more than one colour."""
    pixels = imread(io.BytesIO(page.screenshot()))[..., :3]
    return bool(np.std(pixels) > 0.03)
