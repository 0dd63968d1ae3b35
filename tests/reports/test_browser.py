"""Opens a report in a browser, as a person does."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from shutil import which
from typing import Any

import numpy as np
import pytest
from matplotlib.image import imread

from tests.reports.test_rendering import make_report
from textmill.reports.rendering import render

CHROMIUM = which("chromium")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def page() -> str:
    return render(make_report())


@needs_chromium
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_a_browser_shows_the_scores_without_requests(
    browser: Any, page: str, tmp_path: Path, width: int, scheme: str
) -> None:
    file = tmp_path / "report.html"
    file.write_text(page, encoding="utf-8")
    with browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme=scheme
    ) as context:
        shown = context.new_page()
        requests: list[str] = []
        dialogs: list[str] = []
        shown.on("request", lambda request: requests.append(request.url))
        shown.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
        shown.goto(file.as_uri())
        assert [url for url in requests if not url.startswith("data:")] == [file.as_uri()]
        assert dialogs == []
        assert shown.evaluate("document.documentElement.scrollWidth") <= width
        table = shown.locator("table.scores")
        assert table.is_visible()
        cells = table.locator("tbody tr").nth(0).locator("th, td").all_inner_texts()
        assert [cell.strip() for cell in cells] == [
            *("topic", "accuracy", "0.848", "0.820 to 0.875", "0.904", "0.202"),
            *("baseline", "0.851", "-0.003"),
        ]
        drawn = shown.locator(".scroll", has=table)
        pixels = imread(io.BytesIO(drawn.screenshot()))[..., :3]
        assert float(np.std(pixels)) > 0.03
        ink = shown.evaluate("getComputedStyle(document.body).color")
        assert (sum(map(int, re.findall(r"\d+", ink))) > 384) == (scheme == "dark")
