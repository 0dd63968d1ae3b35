"""Specifies who can use the playground, and how: tokens, keyboard, colours, widths."""

from __future__ import annotations

import re
from pathlib import Path
from shutil import which
from typing import Any

import pytest

from tests.e2e.conftest import Product, wait_until
from tests.e2e.playground.conftest import VIEWS, WIDTHS, result

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(which("chromium") is None, reason="chromium is not installed"),
    pytest.mark.filterwarnings("ignore"),
]


TOKEN = "only-for-this-test"


def test_the_token_is_asked_for_once(product: Product, tmp_path: Path, page: Any) -> None:
    guarded = Product(tmp_path, environment={"TEXTMILL_TOKEN": TOKEN})
    home = f"tracking.home={product.folder / 'mlruns'}"
    process = guarded.start("serve", "--port", "0", home, "serve.tasks=[topic]")
    out = tmp_path / "stdout"
    wait_until(lambda: "Ctrl-C" in out.read_text(), 60)
    [url] = re.findall(r"http://[\d.]+:\d+", out.read_text())
    try:
        page.goto(url)
        page.get_by_role("dialog").wait_for()
        page.keyboard.type("wrong-token-wrong-token")
        page.keyboard.press("Enter")
        page.get_by_text("This token is wrong.").wait_for()
        page.keyboard.insert_text(f"{TOKEN}\N{RIGHT DOUBLE QUOTATION MARK}")
        page.keyboard.press("Enter")
        page.get_by_text("A token has no spaces").wait_for()
        page.evaluate("sessionStorage.setItem('textmill.token', '\\u201d')")
        page.reload()  # such a token may be there
        page.get_by_role("dialog").wait_for()
        page.keyboard.type(TOKEN)
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Write").wait_for()
        page.reload()
        page.get_by_role("heading", name="Write").wait_for()
        assert not page.get_by_role("dialog").is_visible()
        other = page.context.new_page()
        other.goto(url)
        other.get_by_role("dialog").wait_for()
        assert TOKEN not in page.evaluate("JSON.stringify(localStorage) + document.cookie")
    finally:
        process.terminate()
        process.wait(60)


def test_the_token_is_not_asked_for_again_and_again(visit: Any, page: Any) -> None:
    asked: list[Any] = []

    def refuse(route: Any) -> None:
        asked.append(route)
        route.fulfill(status=401)

    page.route("**/v1/runs/current", refuse)
    visit("runs")
    dialog = page.get_by_role("dialog")
    dialog.wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("alert").get_by_text("The server requires a token").wait_for()
    page.wait_for_timeout(1500)  # more than between two polls
    assert not dialog.is_visible()
    assert len(asked) == 1


def test_a_server_that_is_gone_is_reported(visit: Any, page: Any) -> None:
    visit("task/topic")
    page.route("**/predict", lambda route: route.abort())
    page.get_by_role("button", name="Classify").click()
    page.get_by_role("alert").get_by_text("The server does not answer").wait_for()
    page.unroute("**/predict")
    page.get_by_role("button", name="Classify").click()
    result(page)
    assert page.get_by_role("alert").count() == 0


def test_the_keyboard_is_enough_and_the_focus_is_seen(visit: Any, page: Any) -> None:
    visit("write")
    page.evaluate("document.activeElement.blur()")
    outlines, seen = [], []
    for _ in range(40):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.textContent.trim().slice(0, 30)"))
        style = "getComputedStyle(document.activeElement)"
        outlines.append(page.evaluate(f"{style}.outlineStyle + ' ' + {style}.outlineWidth"))
        if seen[-1] == "topic":
            break
    assert seen[0] == "Skip to content"
    assert {*outlines} == {"solid 3px"}
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="topic").wait_for()
    assert page.evaluate("document.activeElement.textContent") == "topic"
    page.keyboard.press("Tab")
    page.keyboard.press("Control+A")
    page.keyboard.type("The team won the final.")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    result(page)
    assert page.evaluate("document.activeElement.textContent") == "Classify"


UNLABELLED = """() => {
  const controls = 'input, textarea, select, button, pre[tabindex], [role=region]';
  const isNamed = e => e.labels?.length || e.getAttribute('aria-label') || e.textContent.trim();
  return [...document.querySelectorAll(controls)]
    .filter(e => e.checkVisibility() && !isNamed(e)).map(e => e.outerHTML);
}"""
FAINT = """() => {
  const numbers = colour => colour.match(/[\\d.]+/g).map(Number);
  const luminance = colour => numbers(colour).slice(0, 3).map(c => c / 255)
    .map(c => c <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [.2126, .7152, .0722][i], 0);
  const behind = e => {
    for (; e; e = e.parentElement) {
      const found = getComputedStyle(e).backgroundColor;
      if ((numbers(found)[3] ?? 1) === 1) return found;
    }
    return 'rgb(255, 255, 255)';
  };
  const hasText = e => [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim());
  return [...document.querySelectorAll('body *')]
    .filter(e => e.checkVisibility() && hasText(e))
    .map(e => {
      const both = [luminance(getComputedStyle(e).color), luminance(behind(e))];
      const contrast = (Math.max(...both) + .05) / (Math.min(...both) + .05);
      return [contrast, e.tagName + '.' + e.className + ' ' + e.textContent.trim().slice(0, 40)];
    })
    .filter(([contrast]) => contrast < 4.5);
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_all_views_are_readable_and_labelled(
    visit: Any, page: Any, width: int, scheme: str
) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    page.emulate_media(color_scheme=scheme)
    for view in VIEWS:
        visit(view)
        if view.startswith("task/"):
            page.locator("form button").first.click()
            result(page)
        if view in ("write", "chat"):
            page.get_by_text("Settings").first.evaluate("s => { s.closest('details').open = true }")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, view
        assert page.evaluate(UNLABELLED) == [], view
        assert page.evaluate(FAINT) == [], view
        assert page.locator("h1").count() == 1
