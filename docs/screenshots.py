"""Takes the screenshots of the docs: two runs compared in MLflow, a flow run in Prefect, a report.

    python docs/screenshots.py [FOLDER WITH mlruns/]

Needs a store with at least two finished `textmill run`s of the demo, and Chromium.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from mlflow.tracking import MlflowClient
from playwright.sync_api import Page, sync_playwright

IMAGES = Path(__file__).parent / "images"
START_TIMEOUT_S = 120
WIDTH, HEIGHT = 1280, 900


def free_port() -> int:
    """Return a free port of this machine."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextlib.contextmanager
def pages(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield the URLs of MLflow and Prefect for a store, served by `textmill ui`."""
    ports = free_port(), free_port()
    overrides = [f"tracking.mlflow_port={ports[0]}", f"tracking.prefect_port={ports[1]}"]
    server = subprocess.Popen(
        [Path(sys.executable).with_name("textmill"), "ui", *overrides],
        cwd=folder,
        env={k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")},
    )
    urls = f"http://127.0.0.1:{ports[0]}", f"http://127.0.0.1:{ports[1]}"
    try:
        for url in (f"{urls[0]}/health", f"{urls[1]}/api/health"):
            wait_for(url)
        yield urls
    finally:
        server.terminate()
        server.wait()


def wait_for(url: str) -> None:
    """Wait until a URL responds."""
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline_s:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=2):
            return
        time.sleep(0.5)
    raise TimeoutError(f"{url} does not respond.")


def open_page(page: Page, url: str, expected: str) -> None:
    """Open a URL and wait until a text has appeared, and then for the charts."""
    page.goto(url)
    page.get_by_text(expected).first.wait_for(timeout=60_000)
    page.wait_for_timeout(2_000)


def show_differences(page: Page) -> None:
    """Show only the settings and scores that differ in MLflow's comparison."""
    page.get_by_role("button", name="Close", exact=True).click()
    page.get_by_role("button", name="Visualizations", exact=True).click()
    for section in ("Parameters", "Metrics"):
        switch = page.get_by_role("switch", name=f"{section} - Show diff only")
        if switch.get_attribute("aria-checked") != "true":
            switch.click()
    page.wait_for_timeout(1_000)


def main(folder: Path) -> None:
    """Take all screenshots of the newest two pipeline runs of the demo."""
    client = MlflowClient(f"sqlite:///{folder / 'mlruns' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("demo")
    if experiment is None:
        raise SystemExit(f"{folder} has no run of the demo: run textmill run there twice.")
    runs = client.search_runs(
        [experiment.experiment_id],
        "attributes.status='FINISHED' and tags.`textmill.pipeline`='pipeline'",
        max_results=2,
        order_by=["attributes.start_time DESC"],
    )
    ids = [run.info.run_id for run in runs]
    compare = (
        f"runs={quote(json.dumps(ids))}&experiments={quote(json.dumps([experiment.experiment_id]))}"
    )
    flow_run = runs[0].data.tags["prefect.flow_run_id"]
    report = folder / "mlruns" / "artifacts" / ids[0] / "artifacts" / "report.html"
    IMAGES.mkdir(exist_ok=True)
    with pages(folder) as (mlflow, prefect), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        open_page(page, f"{mlflow}/#/compare-runs?{compare}", "Parameters")
        show_differences(page)
        page.screenshot(path=IMAGES / "compare.png")
        open_page(page, f"{prefect}/runs/flow-run/{flow_run}", "finetune")
        page.screenshot(path=IMAGES / "flow-run.png")
        open_page(page, report.as_uri(), "Scores")
        page.screenshot(path=IMAGES / "report.png")
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve())
